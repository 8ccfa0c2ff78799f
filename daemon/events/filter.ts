/**
 * Which events a watcher wants: read from the query of GET /v1/events, asked of every event before anything is made of it.
 */
import { EVENT_KIND_NAMES } from '../../src/engine/event-record.ts';
import type { FlowEventReader } from '../../src/engine/flow-event-reader.ts';
import type { AddressWords } from '../../src/engine/address-set.ts';
import { ipv6OfWords } from '../../src/engine/address-set.ts';
import { explainPrefixFault, parsePrefix, type Prefix } from '../../src/policy/address.ts';
import { quote } from '../../src/policy/problem.ts';
import { CommandError } from '../exit-code.ts';
import { flowRules } from '../status.ts';
import { parseDirection, parsePort, parseProtocol } from '../tuple.ts';
import type { WireView } from '../wire-view.ts';
import { EVENT_TYPES, type EventType, localWords, type Notice, remoteWords } from './event.ts';

/** The query is wrong; the message says what is right. */
export class EventQueryError extends Error {}

type Predicate = (wire: WireView, event: FlowEventReader) => boolean;

/** Names of the query's parameters, as of the options of `nsgd monitor`. */
export const FILTER_NAMES = [
  'type',
  'wire',
  'nic',
  'direction',
  'protocol',
  'address',
  'local',
  'remote',
  'port',
  'rule',
] as const;
export type FilterName = (typeof FILTER_NAMES)[number];

export class EventFilter {
  readonly #types: ReadonlySet<string>;
  readonly #wire: string | undefined;
  readonly #predicates: readonly Predicate[];

  /** @throws EventQueryError */
  constructor(query: URLSearchParams) {
    this.#types = typesOf(query.get('type'));
    this.#wire = query.get('wire') ?? undefined;
    this.#predicates = FILTER_NAMES.flatMap((name) => {
      const text = query.get(name);
      const make = PREDICATES[name];
      if (text === null || make === undefined) return [];
      try {
        return [make(text)];
      } catch (error) {
        if (error instanceof CommandError) throw new EventQueryError(`${name}: ${error.message}`);
        throw error;
      }
    });
  }

  wantsFlow(wire: WireView, event: FlowEventReader): boolean {
    if (!this.#types.has(EVENT_KIND_NAMES[event.kind] ?? '')) return false;
    if (this.#wire !== undefined && this.#wire !== wire.name) return false;
    return this.#predicates.every((isWanted) => isWanted(wire, event));
  }

  /** What is not of a flow is asked for by type and wire alone. */
  wantsNotice(notice: Notice): boolean {
    if (notice.type === 'stopping') return true;
    if (notice.type !== 'suppressed' && !this.#types.has(notice.type)) return false;
    const wire = 'wire' in notice ? notice.wire : undefined;
    return this.#wire === undefined || wire === undefined || wire === this.#wire;
  }
}

function typesOf(text: string | null): ReadonlySet<string> {
  if (text === null) return new Set(EVENT_TYPES);
  const types = text.split(',');
  for (const type of types) {
    if (!EVENT_TYPES.includes(type as EventType)) {
      throw new EventQueryError(`type ${quote(type)}: use ${EVENT_TYPES.join(', ')}`);
    }
  }
  return new Set(types);
}

/** By parameter; those that are not of a packet have none. */
const PREDICATES: Readonly<Partial<Record<FilterName, (text: string) => Predicate>>> = {
  nic: (text) => {
    const wanted = text.toLowerCase();
    return (wire, event) =>
      event.hasPacket &&
      wire.nicNames.nameOf(event.ipVersion === 4, localWords(event))?.toLowerCase() === wanted;
  },
  direction: (text) => {
    const direction = parseDirection(text);
    return (_, event) => event.direction === direction;
  },
  protocol: (text) => {
    const protocols = new Set([parseProtocol(text, 0), parseProtocol(text, 0n)]);
    return (_, event) => event.hasPacket && protocols.has(event.protocol);
  },
  address: (text) => {
    const prefix = prefixOf(text);
    return (_, event) =>
      isWithin(prefix, event, localWords(event)) || isWithin(prefix, event, remoteWords(event));
  },
  local: (text) => {
    const prefix = prefixOf(text);
    return (_, event) => isWithin(prefix, event, localWords(event));
  },
  remote: (text) => {
    const prefix = prefixOf(text);
    return (_, event) => isWithin(prefix, event, remoteWords(event));
  },
  port: (text) => {
    const port = parsePort(text);
    return (_, event) => event.hasPorts && (event.localPort === port || event.remotePort === port);
  },
  rule: (text) => {
    const wanted = text.toLowerCase();
    return (wire, event) =>
      flowRules(wire, [event.slot0, event.slot1]).some(({ networkSecurityGroup, ruleName }) => {
        const full = `${networkSecurityGroup}/${ruleName}`.toLowerCase();
        return full === wanted || full.endsWith(`/${wanted}`);
      });
  },
};

/** @throws EventQueryError */
function prefixOf(text: string): Prefix {
  const prefix = parsePrefix(text);
  if (typeof prefix !== 'string') return prefix;
  throw new EventQueryError(`${quote(text)} ${explainPrefixFault(text, prefix)}`);
}

function isWithin(prefix: Prefix, event: FlowEventReader, words: AddressWords): boolean {
  const { ipVersion } = event;
  if (prefix.family === 4) {
    const address = words[3] >>> 0;
    return ipVersion === 4 && prefix.low <= address && address <= prefix.high;
  }
  if (ipVersion !== 6) return false;
  const address = ipv6OfWords(words);
  return prefix.low <= address && address <= prefix.high;
}
