/**
 * ReloadRecord: how the reloads of a daemon went. It counts each, logs it and tells it to those who watch events.
 */
import type { Logger } from 'pino';
import { formatProblem, type Problem } from '../src/policy/problem.ts';
import type { ReloadResult } from './control/server.ts';
import type { EventHub } from './events/hub.ts';
import type { ReloadCounts } from './metrics-readers.ts';
import { formatRuleChange, type RuleChange } from './rule-changes.ts';

/** A reload that changes more rules than this has the others counted in the log; `nsgd reload` prints them all. */
const CHANGES_LOGGED = 50;

export class ReloadRecord implements ReloadCounts {
  succeeded = 0;
  failed = 0;
  lastSeconds = 0;
  isLastSuccessful = true;
  /** The start counts as one. */
  lastSuccess = new Date();
  readonly #log: Logger;
  readonly #events: EventHub;

  constructor(log: Logger, events: EventHub) {
    this.#log = log;
    this.#events = events;
  }

  /** @param generation of the policy in force, as below */
  accepted(
    generation: number,
    problems: readonly Problem[],
    changes: readonly RuleChange[],
  ): ReloadResult {
    this.succeeded++;
    this.isLastSuccessful = true;
    this.lastSuccess = new Date();
    const rules = changes.slice(0, CHANGES_LOGGED).map(formatRuleChange);
    const suppressed = changes.length - rules.length;
    this.#log.info({ generation, rules, suppressed }, 'reloaded');
    return this.#tell({ ok: true, generation, problems, changes });
  }

  refused(generation: number, problems: readonly Problem[]): ReloadResult {
    this.failed++;
    this.isLastSuccessful = false;
    this.#log.error(
      { problems: problems.map(formatProblem) },
      'not reloaded: the configuration has errors; the policy before it stays in force',
    );
    return this.#tell({ ok: false, generation, problems, changes: [] });
  }

  #tell(result: ReloadResult): ReloadResult {
    const { ok, generation, problems, changes } = result;
    this.#events.reloaded({
      isSuccessful: ok,
      generation,
      changes: changes.length,
      problems: problems.length,
    });
    return result;
  }
}
