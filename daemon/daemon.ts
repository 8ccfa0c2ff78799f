/**
 * Daemon: the control process. Reads and compiles policy, keeps a data plane running on every wire, answers the
 * control socket and Prometheus. It never touches a packet.
 */
import type { Server } from 'node:http';
import type { Logger } from 'pino';
import type { Configuration } from '../src/policy/configuration.ts';
import type { LoadedConfiguration } from '../src/policy/load.ts';
import { fileError } from '../src/policy/problem.ts';
import { Candidate } from './candidate.ts';
import { carryingFlows } from './carrying-flows.ts';
import { ControlServer, type ControlHandler, type ReloadResult } from './control/server.ts';
import { EventHub, type EventListener, SYSTEM_CLOCK } from './events/hub.ts';
import { FlowLog, type FlowLogCounts, NO_FLOW_LOG } from './flow-log/flow-log.ts';
import { makeWire } from './make-wire.ts';
import type { MetricsSource } from './metrics-readers.ts';
import { createMetrics } from './metrics-registry.ts';
import { MetricsPages, type Readiness, serveMetrics } from './metrics-pages.ts';
import { readNextConfiguration } from './next-configuration.ts';
import { PolicyInForce } from './policy-in-force.ts';
import type { ReadFiles } from './read-files.ts';
import { ReloadRecord } from './reload-record.ts';
import { ruleChanges } from './rule-changes.ts';
import type { ServiceManager, ServiceState } from './service-manager.ts';
import { daemonStatus, flowStatuses, largestFlows, ruleStatuses } from './status.ts';
import { prepareRuntimeDirectory, prepareStateDirectory, RuntimeLock } from './supervisor-lock.ts';
import { liveVerify } from './verify-request.ts';
import { version } from './version.ts';
import type { WireRuntime } from './wire-runtime.ts';

const MILLISECONDS = 1000;

export interface DaemonParts {
  readonly log: Logger;
  /** Milliseconds, monotonic. */
  readonly clock: () => number;
  /** Where a reload reads from. */
  readonly files: ReadFiles;
  readonly serviceManager: ServiceManager;
  /** Where to keep what outlives a restart, unless the configuration says; undefined for the runtime directory. */
  readonly stateDirectory: string | undefined;
}

export class Daemon implements ControlHandler, MetricsSource {
  readonly version = version;
  readonly startedAt = new Date();
  readonly wires: readonly WireRuntime[];
  readonly reloads: ReloadRecord;
  candidate: Candidate | undefined;
  readonly #log: Logger;
  readonly #clock: () => number;
  readonly #files: ReadFiles;
  readonly #serviceManager: ServiceManager;
  readonly #lock: RuntimeLock;
  readonly #policy: PolicyInForce;
  readonly #events: EventHub;
  readonly #flowLog: FlowLog | undefined;
  readonly #pages: MetricsPages;
  readonly #controls: readonly ControlServer[];
  #metricsServer: Server | undefined;
  #reloading: Promise<unknown> = Promise.resolve();
  #isStopping = false;

  /**
   * Takes the runtime directory and makes the segments; nothing runs yet.
   * @throws RuntimeDirectoryError, SystemCallError
   */
  constructor(loaded: LoadedConfiguration, parts: DaemonParts) {
    const { configuration } = loaded;
    this.#log = parts.log;
    this.#clock = parts.clock;
    this.#files = parts.files;
    this.#serviceManager = parts.serviceManager;
    const { path: runtime, warnings } = prepareRuntimeDirectory(configuration.runtimeDirectory);
    for (const warning of warnings) this.#log.warn(warning);
    this.#lock = RuntimeLock.take(runtime);
    const wantedState = configuration.stateDirectory ?? parts.stateDirectory;
    const folders = { runtime, state: this.#chooseStateDirectory(wantedState, runtime) };
    this.wires = configuration.wires.map((wire) =>
      makeWire(wire, configuration, folders, this.#log),
    );
    this.#policy = new PolicyInForce(loaded, this.wires, this.#log);
    this.#events = new EventHub(this.wires);
    for (const wire of this.wires) {
      wire.onState((state, detail) => this.#events.dataPlane({ wire: wire.name, state, detail }));
    }
    this.reloads = new ReloadRecord(this.#log, this.#events);
    this.#flowLog = this.#makeFlowLog(configuration);
    this.#watchCandidate(Candidate.load(configuration, parts.files));
    this.#pages = new MetricsPages(createMetrics(this), () => this.readiness(), parts.clock);
    this.#controls = configuration.controlSockets.map(
      (socket) => new ControlServer(socket, this, this.#pages),
    );
  }

  /** Puts the first policy in force, starts the data planes, then opens the sockets. */
  async start(): Promise<void> {
    const { loaded } = this.#policy;
    await this.#policy.enforce(loaded);
    this.#events.start();
    for (const wire of this.wires) {
      wire.restoreFlows();
      this.#flowLog?.adopt(wire);
      wire.start();
    }
    for (const control of this.#controls) {
      // oxlint-disable-next-line no-await-in-loop -- the order of the log
      await control.listen();
      this.#log.info(control.socket, 'control socket');
    }
    const { metrics } = loaded.configuration;
    if (metrics !== undefined) {
      this.#metricsServer = await serveMetrics(this.#pages, metrics);
      this.#log.info({ address: this.#metricsServer.address() }, 'metrics');
    }
  }

  /** Reads the configuration again. Reloads wait for each other; a bad file changes nothing. */
  reload(): Promise<ReloadResult> {
    const result = this.#reloading.then(async () => {
      this.#serviceManager.reloading();
      const start = this.#clock();
      const done = await this.#reload();
      this.reloads.lastSeconds = (this.#clock() - start) / MILLISECONDS;
      return done;
    });
    this.#reloading = result
      .catch(() => undefined)
      .then(() => this.#serviceManager.ready(this.serviceState().summary));
    return result;
  }

  async #reload(): Promise<ReloadResult> {
    const before = this.#policy.loaded;
    const next = readNextConfiguration(before.configuration, this.#files);
    if (!next.ok) return this.reloads.refused(this.#policy.generation, next.problems);
    const { loaded, candidate, problems } = next;
    try {
      await this.#policy.enforce(loaded);
    } catch (error) {
      const { file } = loaded.configuration;
      const problem = fileError(file, 'PolicyNotEnforced', (error as Error).message);
      return this.reloads.refused(this.#policy.generation, [...problems, problem]);
    }
    this.#files.accept();
    this.#flowLog?.useInterfaces(loaded.configuration.networkInterfaces);
    this.#setLogLevel(loaded.configuration.logLevel);
    this.#watchCandidate(candidate);
    const changes = ruleChanges(before.policy, loaded.policy);
    return this.reloads.accepted(this.#policy.generation, problems, changes);
  }

  /** Ends everything in reverse order. No packet passes after that: there is no other path between the interfaces. */
  async stop(): Promise<void> {
    if (this.#isStopping) return;
    this.#isStopping = true;
    await this.#reloading;
    await this.#events.end();
    await Promise.all(this.#controls.map((control) => control.close()));
    const server = this.#metricsServer;
    if (server !== undefined) {
      server.closeAllConnections();
      await new Promise<void>((resolve) => {
        server.close(() => resolve());
      });
    }
    await Promise.all(this.wires.map((wire) => wire.stop()));
    // Now that no packet passes, the last of them are recorded.
    this.#events.stop();
    await this.#flowLog?.close();
    this.#lock.release();
  }

  status(): unknown {
    return daemonStatus(this, this.#policy.loaded.configuration.file, this.readiness());
  }

  rules(): unknown {
    return ruleStatuses(this.wires);
  }

  flows(limit: number, isLargest: boolean): Iterable<unknown> {
    return isLargest ? largestFlows(this.wires, limit) : flowStatuses(this.wires, limit);
  }

  watch(listener: EventListener): () => void {
    this.#events.add(listener);
    return () => this.#events.remove(listener);
  }

  verify(request: unknown): unknown {
    const { answer, tuple, nic } = liveVerify(this.#policy.loaded, request);
    if (tuple === undefined) return answer;
    return { ...answer, flowTable: carryingFlows(this.wires, nic.wire, tuple) };
  }

  get rulesHash(): string {
    return this.#policy.rulesHash;
  }

  get flowLogCounts(): FlowLogCounts {
    return this.#flowLog?.counts ?? NO_FLOW_LOG;
  }

  get changedFiles(): readonly string[] {
    return this.#files.changed;
  }

  /** For the service manager. */
  serviceState(): ServiceState {
    const { isReady, reasons } = this.readiness();
    const flows = this.wires.reduce((sum, wire) => sum + wire.flows.size, 0);
    const { generation } = this.#policy;
    const policy = `generation ${generation}, ${flows} flows on ${this.wires.length} wire(s)`;
    return {
      summary: isReady ? policy : `not ready: ${reasons.join('; ')}; ${policy}`,
      isAlive: this.wires.every((wire) => wire.isAlive),
    };
  }

  readiness(): Readiness {
    const reasons = this.wires
      .filter((wire) => !wire.isReady)
      .map((wire) => `wire ${wire.name}: ${wire.state}`);
    if (this.#isStopping) reasons.push('stopping');
    return { isReady: reasons.length === 0, reasons };
  }

  /** A folder for what outlives a restart; nothing that is wrong with it keeps the daemon from filtering. */
  #chooseStateDirectory(wanted: string | undefined, runtimeDirectory: string): string {
    if (wanted === undefined) return runtimeDirectory;
    try {
      return prepareStateDirectory(wanted);
    } catch (error) {
      const detail = (error as Error).message;
      this.#log.warn({ detail }, 'flows will be saved in the runtime directory');
      return runtimeDirectory;
    }
  }

  #makeFlowLog({ flowLogs, networkInterfaces }: Configuration): FlowLog | undefined {
    if (flowLogs === undefined) return undefined;
    const parts = { wires: this.wires, log: this.#log, clock: SYSTEM_CLOCK };
    const flowLog = new FlowLog(flowLogs, parts);
    flowLog.useInterfaces(networkInterfaces);
    this.#events.add(flowLog);
    return flowLog;
  }

  /** Begins anew with that candidate; what was counted of the one before is gone. */
  #watchCandidate(candidate: Candidate | undefined): void {
    if (this.candidate !== undefined) this.#events.remove(this.candidate);
    this.candidate = candidate;
    if (candidate === undefined) return;
    const { file } = candidate;
    if (candidate.isWatched) {
      this.#events.add(candidate);
      this.#log.info({ candidate: file }, 'candidate watched');
    } else {
      // Only at a start, which it must not keep from filtering.
      const { problems } = candidate.status();
      this.#log.error({ candidate: file, problems }, 'the candidate has errors: it is not watched');
    }
  }

  #setLogLevel(level: string): void {
    this.#log.level = level;
    for (const wire of this.wires) wire.log.level = level;
  }
}
