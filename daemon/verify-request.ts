/**
 * A question about traffic in the words of the command line, read and answered: by `nsgd verify` from a file's policy, and by
 * the daemon from the one in force. One packet is answered by the engine itself (explain.ts), prefixes, tags and ranges by
 * cutting them into parts (explain-parts.ts).
 */
import { IpProtocol } from '../src/capture/packet.ts';
import { type AddressSet, isEmpty, subtract } from '../src/engine/address-set.ts';
import { type NicPolicy, type Policy, printedRuleName } from '../src/engine/policy.ts';
import type { PortMatch } from '../src/engine/rule.ts';
import { Explainer, type Explanation, type FlowTuple } from '../src/policy/explain.ts';
import {
  explainParts,
  TooManyParts,
  type TrafficPart,
  type TrafficQuestion,
} from '../src/policy/explain-parts.ts';
import type { LoadedConfiguration } from '../src/policy/load.ts';
import { quote } from '../src/policy/problem.ts';
import { findNic } from './commands/find-nic.ts';
import { CommandError, ExitCode } from './exit-code.ts';
import { type NsgDiagnostics, nsgDiagnostics } from './nsg-diagnostics.ts';
import {
  type EndpointSet,
  parseEndpointSet,
  type PartTexts,
  partTexts,
  singleAddress,
  singlePort,
} from './traffic-text.ts';
import { parseDirection, parseProtocols, type ProtocolNumbers } from './tuple.ts';

export interface VerifyRequest {
  readonly nic?: string | undefined;
  readonly direction?: string | undefined;
  readonly protocol?: string | undefined;
  readonly local?: string | undefined;
  readonly remote?: string | undefined;
  /** Also how every rule of every stage stands to the traffic. */
  readonly detail?: boolean | undefined;
}

interface AnswerContext {
  readonly networkInterface: string;
  /** False when some of the local addresses are not its own: live, its wire drops such packets as spoofed. */
  readonly isLocalAddress: boolean;
  /** Only where `detail` was asked for. */
  readonly diagnostics?: NsgDiagnostics;
}

/** The answer for one packet. */
export interface VerifyAnswer extends Explanation, AnswerContext {
  readonly kind: 'packet';
}

/** One part of what was asked, with one answer. */
export interface PartAnswer extends PartTexts {
  readonly access: 'Allow' | 'Deny';
  readonly ruleName: string | null;
  /** The group whose rule that is; null for a platform rule. */
  readonly networkSecurityGroup: string | null;
}

/** The answer for more than one packet. */
export interface PartsAnswer extends AnswerContext {
  readonly kind: 'parts';
  /** `Mixed`: some of what was asked is allowed and some denied. */
  readonly access: 'Allow' | 'Deny' | 'Mixed';
  readonly parts: readonly PartAnswer[];
}

export interface Answered {
  readonly answer: VerifyAnswer | PartsAnswer;
  /** The packet that was asked about; undefined for more than one. */
  readonly tuple: FlowTuple | undefined;
  readonly nic: NicPolicy;
}

function usage(message: string): CommandError {
  return new CommandError(ExitCode.Usage, message);
}

interface Question {
  readonly direction: 0 | 1;
  readonly protocols: ProtocolNumbers;
  readonly local: EndpointSet;
  readonly remote: EndpointSet;
}

function hasPorts(protocols: ProtocolNumbers): boolean {
  return (
    protocols !== 'any' &&
    [IpProtocol.Tcp, IpProtocol.Udp].some((number) => number === protocols.ipv4)
  );
}

/** @throws CommandError (2) for what is missing or cannot be read */
function readQuestion(
  { direction, protocol, local, remote }: VerifyRequest,
  { tags }: LoadedConfiguration,
): Question {
  if (
    direction === undefined ||
    protocol === undefined ||
    local === undefined ||
    remote === undefined
  ) {
    throw usage('give --direction, --protocol, --local and --remote, or --batch FILE');
  }
  const question = {
    direction: parseDirection(direction),
    protocols: parseProtocols(protocol),
    local: parseEndpointSet(local, tags),
    remote: parseEndpointSet(remote, tags),
  };
  if (hasPorts(question.protocols)) {
    requirePorts('--local', local, question.local);
    requirePorts('--remote', remote, question.remote);
  }
  return question;
}

function requirePorts(option: string, text: string, { ports }: EndpointSet): void {
  if (ports !== undefined) return;
  const bare = text.replaceAll(/[[\]]/g, '');
  const end = bare.includes(':') ? `[${bare}]` : bare;
  throw usage(
    `${option} ${quote(text)}: TCP and UDP have ports; write ${end}:PORT, or ${end}:* for all of them`,
  );
}

function isWithin(inner: AddressSet, outer: AddressSet): boolean {
  return isEmpty(subtract(inner, outer));
}

function ownsAll({ addresses }: NicPolicy, set: AddressSet): boolean {
  return isEmpty(addresses) || isWithin(set, addresses);
}

/** The NIC that was named, or else the one that has the local addresses, or else the only one. */
export function chooseNic(
  policy: Policy,
  name: string | undefined,
  local?: EndpointSet,
): NicPolicy {
  if (name !== undefined || local === undefined || local.isAny) return findNic(policy, name);
  return policy.nics.find((nic) => ownsAll(nic, local.addresses)) ?? findNic(policy, undefined);
}

/** The one packet that was asked about, or undefined. */
function tupleOf(question: Question): FlowTuple | undefined {
  const local = singleAddress(question.local.addresses);
  const remote = singleAddress(question.remote.addresses);
  if (local === undefined || remote === undefined || typeof local !== typeof remote)
    return undefined;
  const { protocols } = question;
  if (protocols === 'any') return undefined;
  const [localPort, remotePort] = hasPorts(protocols)
    ? [question.local, question.remote].map((end) => singlePort(portsOf(end)))
    : [0, 0];
  if (localPort === undefined || remotePort === undefined) return undefined;
  const protocol = typeof local === 'bigint' ? protocols.ipv6 : protocols.ipv4;
  return { direction: question.direction, protocol, local, localPort, remote, remotePort };
}

function portsOf({ ports }: EndpointSet): PortMatch {
  return ports ?? 'any';
}

/** The same as sets; `*` as the local side is what the interface has. @throws CommandError (2) */
function trafficOf(question: Question, nic: NicPolicy): TrafficQuestion {
  const { direction, protocols, local, remote } = question;
  const own = local.isAny && !isEmpty(nic.addresses) ? nic.addresses : local.addresses;
  const families = (['ipv4', 'ipv6'] as const).filter(
    (family) => own[family].length > 0 && remote.addresses[family].length > 0,
  );
  if (families.length === 0) {
    throw usage('--local and --remote are of different address families');
  }
  return {
    direction,
    protocol: protocols,
    local: own,
    localPorts: portsOf(local),
    remote: remote.addresses,
    remotePorts: portsOf(remote),
  };
}

function partAnswer(part: TrafficPart): PartAnswer {
  const { deciding, stages } = part;
  const stage = stages.find(({ matched }) => deciding !== undefined && matched === deciding);
  const isPlatform = stage === undefined || stage.stage === 'platform';
  return {
    access: part.access,
    ruleName: deciding === undefined ? null : printedRuleName(deciding),
    networkSecurityGroup: isPlatform ? null : (stage.list?.owner ?? null),
    ...partTexts(part),
  };
}

function accessOf(parts: readonly TrafficPart[]): PartsAnswer['access'] {
  const [first] = parts;
  if (first === undefined || parts.some(({ access }) => access !== first.access)) return 'Mixed';
  return first.access;
}

/** @throws CommandError (2) */
function partsOf(policy: Policy, nic: NicPolicy, traffic: TrafficQuestion): TrafficPart[] {
  try {
    return explainParts(policy, nic, traffic);
  } catch (error) {
    if (error instanceof TooManyParts) throw usage(error.message);
    throw error;
  }
}

/** @throws CommandError (2) */
export function answerVerify(loaded: LoadedConfiguration, request: VerifyRequest): Answered {
  const { policy } = loaded;
  const question = readQuestion(request, loaded);
  const nic = chooseNic(policy, request.nic, question.local);
  const traffic = trafficOf(question, nic);
  const tuple = tupleOf(question);
  const parts = tuple === undefined || request.detail === true ? partsOf(policy, nic, traffic) : [];
  const context: AnswerContext = {
    networkInterface: nic.name,
    isLocalAddress: ownsAll(nic, traffic.local),
    ...(request.detail === true
      ? { diagnostics: nsgDiagnostics(loaded, nic.name, parts, question.direction) }
      : {}),
  };
  const answer: VerifyAnswer | PartsAnswer =
    tuple === undefined
      ? { kind: 'parts', ...context, access: accessOf(parts), parts: parts.map(partAnswer) }
      : { kind: 'packet', ...context, ...new Explainer(policy, nic).explain(tuple) };
  return { answer, tuple, nic };
}

/** For a request that came over the control socket. @throws Error with a message for the operator */
export function liveVerify(loaded: LoadedConfiguration, request: unknown): Answered {
  if (typeof request !== 'object' || request === null)
    throw new Error('the request is not an object');
  const fields = request as Record<string, unknown>;
  const text = (key: string): string | undefined => {
    const value = fields[key];
    if (value !== undefined && typeof value !== 'string') throw new Error(`${key} is not a string`);
    return value;
  };
  const { detail } = fields;
  if (detail !== undefined && typeof detail !== 'boolean')
    throw new Error('detail is not a boolean');
  return answerVerify(loaded, {
    nic: text('nic'),
    direction: text('direction'),
    protocol: text('protocol'),
    local: text('local'),
    remote: text('remote'),
    detail,
  });
}
