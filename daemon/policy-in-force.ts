/**
 * PolicyInForce: the configuration whose policy the wires enforce, and how another one takes its place.
 */
import type { Logger } from 'pino';
import type { LoadedConfiguration } from '../src/policy/load.ts';
import { hashOfRules } from './rules-hash.ts';
import type { WireRuntime } from './wire-runtime.ts';

export class PolicyInForce {
  readonly #wires: readonly WireRuntime[];
  readonly #log: Logger;
  #loaded: LoadedConfiguration;
  #rulesHash: string;
  #generation = 0;

  /** @param first what is put in force at the start; until then it counts as if it was */
  constructor(first: LoadedConfiguration, wires: readonly WireRuntime[], log: Logger) {
    this.#wires = wires;
    this.#log = log;
    this.#loaded = first;
    this.#rulesHash = hashOfRules(first.policy);
  }

  get loaded(): LoadedConfiguration {
    return this.#loaded;
  }

  get rulesHash(): string {
    return this.#rulesHash;
  }

  /** Of the policy that was published last; flows carry that of the one that admitted them. */
  get generation(): number {
    return this.#generation;
  }

  /**
   * Compiles the policy for every wire before any wire changes, then has each take it.
   * @throws RangeError over a documented bound; Error when a data plane refuses the policy
   */
  async enforce(loaded: LoadedConfiguration): Promise<void> {
    const generation = this.#generation + 1;
    const prepared = this.#wires.map((wire) => ({
      wire,
      policy: wire.prepare(loaded.policy, generation),
    }));
    this.#generation = generation;
    const published = await Promise.all(
      prepared.map(async ({ wire, policy }) => ({ wire, outcome: await wire.enforce(policy) })),
    );
    for (const { wire, outcome } of published) {
      if (outcome.status === 'late')
        this.#log.warn({ wire: wire.name }, 'the data plane is late to take the policy');
      if (outcome.status === 'rejected')
        throw new Error(`the data plane of wire ${wire.name} refused the policy`);
    }
    // The first one has its hash already.
    if (loaded === this.#loaded) return;
    this.#loaded = loaded;
    this.#rulesHash = hashOfRules(loaded.policy);
  }
}
