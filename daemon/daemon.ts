/**
 * Daemon: the control process. Reads and compiles policy, keeps a data plane running on every wire, answers the
 * control socket and Prometheus. It never touches a packet.
 */
import { rmSync } from 'node:fs';
import type { Server } from 'node:http';
import type { Logger } from 'pino';
import type { Policy } from '../src/engine/policy.ts';
import { DEFAULT_TIMEOUTS } from '../src/flowtable/expiry.ts';
import type { Wire } from '../src/policy/configuration-interfaces.ts';
import { type LoadedConfiguration, loadConfiguration } from '../src/policy/load.ts';
import { formatProblem, type Problem } from '../src/policy/problem.ts';
import { Candidate } from './candidate.ts';
import { carryingFlows } from './carrying-flows.ts';
import { ControlServer, type ControlHandler, type ReloadResult } from './control/server.ts';
import { EventHub, type EventListener, SYSTEM_CLOCK } from './events/hub.ts';
import { FlowLog, type FlowLogCounts, NO_FLOW_LOG } from './flow-log/flow-log.ts';
import type { ReadFiles } from './read-files.ts';
import { restartProblems } from './restart-problems.ts';
import { formatRuleChange, ruleChanges } from './rule-changes.ts';
import type { MetricsSource } from './metrics-readers.ts';
import { createMetrics } from './metrics-registry.ts';
import { MetricsPages, type Readiness, serveMetrics } from './metrics-pages.ts';
import { hashOfRules } from './rules-hash.ts';
import { randomSeeds } from './seeds.ts';
import { daemonStatus, flowStatuses, largestFlows, ruleStatuses } from './status.ts';
import { findFlows, type SavedFlows, savedFlowsPath } from './saved-flows.ts';
import { prepareRuntimeDirectory, prepareStateDirectory, RuntimeLock } from './supervisor-lock.ts';
import { createWireSegments } from './supervisor-segments.ts';
import { Supervisor } from './supervisor.ts';
import { OffloadPolicy } from './supervisor-wire.ts';
import { liveVerify } from './verify-request.ts';
import type { ServiceManager, ServiceState } from './service-manager.ts';
import { version } from './version.ts';
import { type PreparedPolicy, WireRuntime } from './wire-runtime.ts';

/** Kernel buffer per interface of the cap backend. A slot is about 1,600 bytes, so it holds some 42,000 frames. */
const RING_BYTES = 64 * 1024 * 1024;
/** How long TCP may be picked up mid-stream when the daemon starts without saved flows. */
const PICK_UP_SECONDS = 30;
/** The same when host mode begins: longer, because the operator's other sessions may be idle. */
const ATTACH_PICK_UP_SECONDS = 120;
/** A reload that changes more rules than this has the others counted in the log; `nsgd reload` prints them all. */
const CHANGES_LOGGED = 50;
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
  readonly reloads = { succeeded: 0, failed: 0, lastSeconds: 0 };
  isLastReloadSuccessful = true;
  lastReloadSuccess = new Date();
  readonly wires: readonly WireRuntime[];
  readonly #log: Logger;
  readonly #clock: () => number;
  readonly #files: ReadFiles;
  readonly #serviceManager: ServiceManager;
  readonly #lock: RuntimeLock;
  readonly #events: EventHub;
  readonly #flowLog: FlowLog | undefined;
  readonly #controls: readonly ControlServer[];
  readonly #pages: MetricsPages;
  readonly #stateDirectory: string;
  /** What an earlier run left, by wire. */
  readonly #savedFlows = new Map<string, SavedFlows>();
  candidate: Candidate | undefined;
  #loaded: LoadedConfiguration;
  #rulesHash: string;
  #generation = 0;
  #metricsServer: Server | undefined;
  #reloading: Promise<unknown> = Promise.resolve();
  #isStopping = false;

  /**
   * Takes the runtime directory and makes the segments; nothing runs yet.
   * @throws RuntimeDirectoryError, SystemCallError
   */
  constructor(loaded: LoadedConfiguration, parts: DaemonParts) {
    const { configuration, policy } = loaded;
    this.#log = parts.log;
    this.#clock = parts.clock;
    this.#files = parts.files;
    this.#serviceManager = parts.serviceManager;
    this.#loaded = loaded;
    this.#rulesHash = hashOfRules(policy);
    const directory = prepareRuntimeDirectory(configuration.runtimeDirectory);
    for (const warning of directory.warnings) this.#log.warn(warning);
    this.#lock = RuntimeLock.take(directory.path);
    this.#stateDirectory = this.#chooseStateDirectory(
      configuration.stateDirectory ?? parts.stateDirectory,
      directory.path,
    );
    this.wires = configuration.wires.map((wire) => this.#makeWire(wire, directory.path));
    this.#events = new EventHub(this.wires);
    this.#flowLog = this.#makeFlowLog();
    this.#watchCandidate(Candidate.load(configuration, parts.files));
    this.#pages = new MetricsPages(createMetrics(this), () => this.readiness(), parts.clock);
    this.#controls = configuration.controlSockets.map(
      (socket) => new ControlServer(socket, this, this.#pages),
    );
  }

  #makeWire(wire: Wire, runtimeDirectory: string): WireRuntime {
    const { flowTable } = this.#loaded.configuration;
    const found = findFlows(this.#stateDirectory, runtimeDirectory, wire.name);
    if (found.warning !== undefined) {
      this.#log.warn({ wire: wire.name, detail: found.warning }, 'saved flows not used');
    }
    if (found.flows !== undefined) this.#savedFlows.set(wire.name, found.flows);
    const segments = createWireSegments(runtimeDirectory, wire.name, {
      maxFlows: flowTable.maxFlows,
      seeds: randomSeeds(),
      timeouts: { ...DEFAULT_TIMEOUTS, established: flowTable.idleTimeout },
    });
    const supervisor = new Supervisor(
      {
        start: {
          runtimeDirectory,
          wire: wire.name,
          outside: wire.outside,
          inside: wire.inside,
          mode: wire.mode,
          backend: wire.backend,
          ringBytes: RING_BYTES,
          busyPoll: wire.busyPoll,
          cpu: wire.cpu,
          pickUpSeconds: found.flows === undefined ? PICK_UP_SECONDS : 0,
        },
        offloads: OffloadPolicy.Disable,
        ...(wire.host === undefined ? {} : { pickUpOnArrivalSeconds: ATTACH_PICK_UP_SECONDS }),
      },
      segments,
    );
    supervisor.on('state', (state, detail) =>
      this.#events.dataPlane({ wire: wire.name, state, detail }),
    );
    return new WireRuntime(wire, {
      segments,
      supervisor,
      flows: segments.flows,
      log: this.#log,
    });
  }

  #makeFlowLog(): FlowLog | undefined {
    const { flowLogs, networkInterfaces } = this.#loaded.configuration;
    if (flowLogs === undefined) return undefined;
    const flowLog = new FlowLog(flowLogs, {
      wires: this.wires,
      log: this.#log,
      clock: SYSTEM_CLOCK,
    });
    flowLog.useInterfaces(networkInterfaces);
    this.#events.add(flowLog);
    return flowLog;
  }

  get flowLogCounts(): FlowLogCounts {
    return this.#flowLog?.counts ?? NO_FLOW_LOG;
  }

  get rulesHash(): string {
    return this.#rulesHash;
  }

  /** Puts the first policy in force, starts the data planes, then opens the sockets. */
  async start(): Promise<void> {
    const { metrics } = this.#loaded.configuration;
    const prepared = this.#prepare(this.#loaded.policy);
    await this.#enforce(prepared);
    this.#events.start();
    for (const wire of this.wires) {
      this.#restoreFlows(wire);
      this.#flowLog?.adopt(wire);
      wire.start();
    }
    for (const control of this.#controls) {
      // oxlint-disable-next-line no-await-in-loop -- the order of the log
      await control.listen();
      this.#log.info(control.socket, 'control socket');
    }
    if (metrics !== undefined) {
      this.#metricsServer = await serveMetrics(this.#pages, metrics);
      this.#log.info({ address: this.#metricsServer.address() }, 'metrics');
    }
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
    await Promise.all(
      this.wires.map((wire) => wire.stop(savedFlowsPath(this.#stateDirectory, wire.name))),
    );
    // Now that no packet passes, the last of them are recorded.
    this.#events.stop();
    await this.#flowLog?.close();
    this.#lock.release();
  }

  /** Reads the configuration again. Reloads wait for each other; a bad file changes nothing. */
  reload(): Promise<ReloadResult> {
    const result = this.#reloading.then(() => {
      this.#serviceManager.reloading();
      return this.#timedReload();
    });
    this.#reloading = result
      .catch(() => undefined)
      .then(() => this.#serviceManager.ready(this.serviceState().summary));
    return result;
  }

  status(): unknown {
    return daemonStatus(this, this.#loaded.configuration.file, this.readiness());
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
    const { answer, tuple, nic } = liveVerify(this.#loaded, request);
    if (tuple === undefined) return answer;
    return { ...answer, flowTable: carryingFlows(this.wires, nic.wire, tuple) };
  }

  get changedFiles(): readonly string[] {
    return this.#files.changed;
  }

  /** For the service manager. */
  serviceState(): ServiceState {
    const { isReady, reasons } = this.readiness();
    const flows = this.wires.reduce((sum, wire) => sum + wire.flows.size, 0);
    const policy = `generation ${this.#generation}, ${flows} flows on ${this.wires.length} wire(s)`;
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

  #restoreFlows(wire: WireRuntime): void {
    const saved = this.#savedFlows.get(wire.name);
    if (saved === undefined) return;
    this.#savedFlows.delete(wire.name);
    wire.log.info({ flows: wire.restore(saved), seconds: saved.elapsed }, 'flows restored');
    // From here on the flow table is what a start after a kill would find.
    rmSync(savedFlowsPath(this.#stateDirectory, wire.name), { force: true });
  }

  async #timedReload(): Promise<ReloadResult> {
    const start = this.#clock();
    const result = await this.#reload();
    this.reloads.lastSeconds = (this.#clock() - start) / MILLISECONDS;
    return result;
  }

  async #reload(): Promise<ReloadResult> {
    this.#files.begin();
    const loaded = loadConfiguration(this.#loaded.configuration.file, this.#files);
    const candidate = loaded.ok ? Candidate.load(loaded.configuration, this.#files) : undefined;
    const problems: Problem[] = loaded.ok
      ? [
          ...loaded.warnings,
          ...restartProblems(this.#loaded.configuration, loaded.configuration),
          // A reload is one thing: with a candidate that cannot be watched nothing of it is taken.
          ...(candidate?.problems ?? []),
        ]
      : [...loaded.problems];
    if (!loaded.ok || problems.some((problem) => problem.severity === 'error')) {
      return this.#reloadFailed(problems);
    }
    try {
      await this.#enforce(this.#prepare(loaded.policy));
    } catch (error) {
      const { file } = loaded.configuration;
      const message = (error as Error).message;
      problems.push({
        file,
        line: 1,
        column: 1,
        code: 'PolicyNotEnforced',
        message,
        severity: 'error',
      });
      return this.#reloadFailed(problems);
    }
    const changes = ruleChanges(this.#loaded.policy, loaded.policy);
    this.#loaded = loaded;
    this.#files.accept();
    this.#flowLog?.useInterfaces(loaded.configuration.networkInterfaces);
    this.#rulesHash = hashOfRules(loaded.policy);
    this.#setLogLevel(loaded.configuration.logLevel);
    this.#watchCandidate(candidate);
    this.reloads.succeeded++;
    this.isLastReloadSuccessful = true;
    this.lastReloadSuccess = new Date();
    const logged = changes.slice(0, CHANGES_LOGGED).map(formatRuleChange);
    const suppressed = changes.length - logged.length;
    this.#log.info({ generation: this.#generation, rules: logged, suppressed }, 'reloaded');
    this.#tellReload(true, problems.length, changes.length);
    return { ok: true, generation: this.#generation, problems, changes };
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

  #reloadFailed(problems: readonly Problem[]): ReloadResult {
    this.reloads.failed++;
    this.isLastReloadSuccessful = false;
    this.#log.error(
      { problems: problems.map(formatProblem) },
      'not reloaded: the configuration has errors; the policy before it stays in force',
    );
    this.#tellReload(false, problems.length, 0);
    return { ok: false, generation: this.#generation, problems, changes: [] };
  }

  #tellReload(isSuccessful: boolean, problems: number, changes: number): void {
    this.#events.reloaded({ isSuccessful, generation: this.#generation, changes, problems });
  }

  #setLogLevel(level: string): void {
    this.#log.level = level;
    for (const wire of this.wires) wire.log.level = level;
  }

  /** Compiles a policy for every wire before any wire changes. @throws RangeError */
  #prepare(policy: Policy): PreparedPolicy[] {
    const generation = this.#generation + 1;
    return this.wires.map((wire) => wire.prepare(policy, generation));
  }

  /** @throws Error when a data plane refuses the policy */
  async #enforce(prepared: readonly PreparedPolicy[]): Promise<void> {
    this.#generation++;
    const outcomes = await Promise.all(
      this.wires.map((wire, index) => {
        const policy = prepared[index];
        if (policy === undefined)
          throw new RangeError(`nothing was compiled for wire ${wire.name}`);
        return wire.enforce(policy);
      }),
    );
    for (const [index, outcome] of outcomes.entries()) {
      const name = this.wires[index]?.name ?? '';
      if (outcome.status === 'late')
        this.#log.warn({ wire: name }, 'the data plane is late to take the policy');
      if (outcome.status === 'rejected')
        throw new Error(`the data plane of wire ${name} refused the policy`);
    }
  }
}
