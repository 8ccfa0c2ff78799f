/**
 * Candidate: a second policy in shadow. Every packet that the rules of the policy in force judged is judged by the
 * candidate too, and what they disagree about is counted, with the latest as samples.
 *
 * It listens to flow events in the control process: the data plane does not know of it, so its verdict cannot reach a
 * packet, it costs forwarding nothing, and a candidate that is broken when the daemon starts is only not watched (a reload
 * with one is refused, next-configuration.ts). What it misses is what no event tells: events that were left out under a flood, and
 * packets that are allowed without a flow.
 */
import { EventKind } from '../src/engine/event-record.ts';
import { ipv6OfWords } from '../src/engine/address-set.ts';
import type { FlowEventReader } from '../src/engine/flow-event-reader.ts';
import type { Policy } from '../src/engine/policy.ts';
import { Reason } from '../src/engine/reason.ts';
import type { Address, FlowTuple } from '../src/policy/explain.ts';
import type { Configuration } from '../src/policy/configuration.ts';
import type { FileSource } from '../src/policy/load.ts';
import { loadCandidate, problemOfCandidate } from '../src/policy/load-candidate.ts';
import { fileError, formatProblem, type Problem } from '../src/policy/problem.ts';
import { flowEvent, localWords, remoteWords } from './events/event.ts';
import type { EventListener, ToldEvent } from './events/hub.ts';
import type { FlowRule } from './status.ts';
import { admittingRules, PolicyQuestions } from './what-if.ts';

/** The latest disagreements are kept. */
export const SAMPLES_MAX = 100;

/** By direction: inbound, outbound. */
type Counts = [number, number];

export type Disagreement = 'would-deny' | 'would-allow';

export interface CandidateSample {
  readonly time: string;
  readonly wire: string;
  readonly networkInterface: string | null;
  readonly disagreement: Disagreement;
  readonly direction: 'Inbound' | 'Outbound';
  readonly protocol: string;
  readonly local: string;
  readonly remote: string;
  /** Of the policy in force. */
  readonly rules: readonly FlowRule[];
  /** `NSG/rule` of the candidate, stage by stage. */
  readonly candidateRules: readonly string[];
}

export interface CandidateStatus {
  /** As configured. */
  readonly file: string;
  readonly isWatched: boolean;
  /** Why it is not watched. */
  readonly problems: readonly string[];
  readonly since: string;
  readonly judged: number;
  readonly wouldDeny: { readonly inbound: number; readonly outbound: number };
  readonly wouldAllow: { readonly inbound: number; readonly outbound: number };
  /** Packets of an address that no interface of the candidate has: they count as would-deny too. */
  readonly unknownAddress: number;
  /** The latest, the newest last. */
  readonly samples: readonly CandidateSample[];
}

/** Whether the rules allowed the event's packet; undefined when they were not asked. */
function accessOf(event: FlowEventReader): 'Allow' | 'Deny' | undefined {
  if (!event.hasPacket) return undefined;
  if (event.kind === EventKind.Opened) return 'Allow';
  const isByRule = event.reason === Reason.RuleDeny || event.reason === Reason.PlatformDeny;
  return event.kind === EventKind.Denied && isByRule ? 'Deny' : undefined;
}

function tupleOf(event: FlowEventReader): FlowTuple {
  const address = (words: readonly [number, number, number, number]): Address =>
    event.ipVersion === 4 ? words[3] >>> 0 : ipv6OfWords([...words]);
  return {
    direction: event.direction,
    protocol: event.protocol,
    local: address(localWords(event)),
    localPort: event.hasPorts ? event.localPort : 0,
    remote: address(remoteWords(event)),
    remotePort: event.hasPorts ? event.remotePort : 0,
  };
}

export class Candidate implements EventListener {
  readonly file: string;
  /** Those of its files, warnings among them. */
  readonly problems: readonly Problem[];
  readonly #questions: PolicyQuestions | undefined;
  readonly #since = new Date().toISOString();
  readonly #judged: Counts = [0, 0];
  readonly #counts: Readonly<Record<Disagreement, Counts>> = {
    'would-deny': [0, 0],
    'would-allow': [0, 0],
  };
  readonly #samples: CandidateSample[] = [];
  #unknownAddress = 0;

  /** @param policy undefined where the file has errors: then nothing is watched */
  constructor(file: string, policy: Policy | undefined, problems: readonly Problem[] = []) {
    this.file = file;
    this.#questions = policy && new PolicyQuestions(policy);
    this.problems = problems;
  }

  /** The candidate of a configuration. Never throws: one that cannot be had is one that is not watched. */
  static load(configuration: Configuration, files: FileSource): Candidate | undefined {
    const loaded = loadCandidate(configuration, files);
    if (loaded === undefined) return undefined;
    const { path, result } = loaded;
    if (!result.ok) return new Candidate(path, undefined, result.problems);
    try {
      return new Candidate(path, result.policy, result.warnings);
    } catch (error) {
      const problem = fileError(path, 'PolicyNotEnforced', (error as Error).message);
      return new Candidate(path, undefined, [problemOfCandidate(problem)]);
    }
  }

  get isWatched(): boolean {
    return this.#questions !== undefined;
  }

  /** Packets that both policies judged. @param direction 0 inbound, 1 outbound */
  judged(direction: 0 | 1): number {
    return this.#judged[direction];
  }

  count(disagreement: Disagreement, direction: 0 | 1): number {
    return this.#counts[disagreement][direction];
  }

  flow(told: ToldEvent): void {
    const { event, wire } = told;
    const access = accessOf(event);
    if (access === undefined || this.#questions === undefined) return;
    const { direction } = event;
    this.#judged[direction]++;
    const answer = this.#questions.ask(tupleOf(event), wire.name);
    if (answer === undefined) this.#unknownAddress++;
    const wanted = answer?.explanation.access ?? 'Deny';
    if (wanted === access) return;
    const disagreement = wanted === 'Deny' ? 'would-deny' : 'would-allow';
    this.#counts[disagreement][direction]++;
    this.#sample(told, disagreement, answer && admittingRules(answer.explanation));
  }

  notice(): void {
    // Nothing but packets is compared.
  }

  settle(): void {
    // Counted at once.
  }

  end(): Promise<void> {
    return Promise.resolve();
  }

  status(): CandidateStatus {
    const counts = (disagreement: Disagreement): { inbound: number; outbound: number } => ({
      inbound: this.count(disagreement, 0),
      outbound: this.count(disagreement, 1),
    });
    return {
      file: this.file,
      isWatched: this.isWatched,
      problems: this.isWatched ? [] : this.problems.map(formatProblem),
      since: this.#since,
      judged: this.#judged[0] + this.#judged[1],
      wouldDeny: counts('would-deny'),
      wouldAllow: counts('would-allow'),
      unknownAddress: this.#unknownAddress,
      samples: this.#samples,
    };
  }

  #sample(
    { wire, event, offset }: ToldEvent,
    disagreement: Disagreement,
    candidateRules: readonly string[] = [],
  ): void {
    const told = flowEvent(wire, event, offset, undefined);
    if (this.#samples.length === SAMPLES_MAX) this.#samples.shift();
    this.#samples.push({
      time: told.time,
      wire: told.wire,
      networkInterface: told.networkInterface ?? null,
      disagreement,
      direction: told.direction,
      protocol: told.protocol ?? '',
      local: told.local ?? '',
      remote: told.remote ?? '',
      rules: told.rules,
      candidateRules,
    });
  }
}
