/**
 * PipelineRig: the live pipeline over plain memory, with a policy written in a line per rule. Frames go in on either
 * side and the name of the reason comes out.
 */
import type { Access } from '../../src/engine/rule.ts';
import { Counters, RuleCounter } from '../../src/engine/counters.ts';
import {
  type CompiledImage,
  compileImage,
  PolicyRegistry,
} from '../../src/engine/policy-image-compile.ts';
import { FlowEventReader } from '../../src/engine/flow-event-reader.ts';
import { FlowEvents } from '../../src/engine/flow-events.ts';
import { PolicyImage } from '../../src/engine/policy-image.ts';
import { Pipeline } from '../../src/engine/pipeline.ts';
import { FIRST_DROP, reasonNames } from '../../src/engine/reason.ts';
import { DEFAULT_TIMEOUTS, type FlowTimeouts } from '../../src/flowtable/expiry.ts';
import { FragmentTable } from '../../src/flowtable/fragments.ts';
import { FlowTable } from '../../src/flowtable/table.ts';
import { buildFrame, type FrameSpec, type IpFields, viewOf } from './frames.ts';
import { loadGood } from './load-text.ts';

/** The NIC of every rig, unless its policy says otherwise: in 10.0.1.0/24 of the virtual network 10.0.0.0/16. */
export const LOCAL = '10.0.1.4';
export const LOCAL6 = 'fd00:db8:1::4';
/** Hosts on the Internet (documentation addresses, RFC 5737 and RFC 3849). */
export const REMOTE = '203.0.113.9';
export const REMOTE6 = '2001:db8::9';

/** What a rig's policy may say. */
export interface RigPolicy {
  /** Rules of the subnet's NSG (`NSG1`) and of the NIC's own (`NSG2`); absent: there is no such group. See `rule`. */
  readonly subnet?: readonly string[];
  readonly nic?: readonly string[];
  /** `flushConnection` of both groups. */
  readonly flush?: boolean;
  /** Of `vm1`; default `LOCAL` and `LOCAL6`. Empty: it takes every address. */
  readonly addresses?: readonly string[];
  /** Addresses of `vm2` on the same wire; it has no NSG of its own. */
  readonly neighbour?: readonly string[];
  /** Other sections of the configuration: `{ tcp: { pickup: 'loose' } }`. */
  readonly settings?: Readonly<Record<string, unknown>>;
}

/** `NAME PRIORITY DIRECTION ACCESS PROTOCOL SOURCE SOURCEPORT DESTINATION DESTINATIONPORT` to a rule of a configuration. */
function rule(line: string): Record<string, unknown> {
  const [name, priority, direction, access, protocol, ...match] = line.split(' ');
  const [source, sourcePort, destination, destinationPort] = match;
  return {
    name,
    priority: Number(priority),
    direction,
    access,
    protocol,
    sourceAddressPrefix: source,
    sourcePortRange: sourcePort,
    destinationAddressPrefix: destination,
    destinationPortRange: destinationPort,
  };
}

/** The configuration as text. */
export function configurationText(policy: RigPolicy): string {
  const group = (name: string, rules: readonly string[] | undefined): object[] =>
    rules === undefined
      ? []
      : [{ name, flushConnection: policy.flush ?? false, securityRules: rules.map(rule) }];
  const ofSubnet = policy.subnet === undefined ? {} : { networkSecurityGroup: 'NSG1' };
  const ofNic = policy.nic === undefined ? {} : { networkSecurityGroup: 'NSG2' };
  const addresses = policy.addresses ?? [LOCAL, LOCAL6];
  return JSON.stringify({
    virtualNetwork: {
      addressSpace: ['10.0.0.0/16', 'fd00:db8::/32'],
      subnets: [{ name: 's1', addressPrefixes: ['10.0.1.0/24', 'fd00:db8:1::/64'], ...ofSubnet }],
    },
    networkSecurityGroups: [...group('NSG1', policy.subnet), ...group('NSG2', policy.nic)],
    networkInterfaces: [
      {
        name: 'vm1',
        subnet: 's1',
        ...(addresses.length === 0 ? {} : { addresses }),
        ...ofNic,
        wire: 'w0',
      },
      ...(policy.neighbour === undefined
        ? []
        : [{ name: 'vm2', subnet: 's1', addresses: policy.neighbour, wire: 'w0' }]),
    ],
    wires: [{ name: 'w0', outside: 'out0', inside: 'in0' }],
    ...policy.settings,
  });
}

export interface RigOptions {
  readonly maxFlows?: number;
  readonly maxFrameLength?: number;
  readonly timeouts?: FlowTimeouts;
}

/** Counters of one rule. */
export interface RuleCounts {
  readonly hits: number;
  readonly packets: number;
  readonly bytes: number;
}

const START_SECONDS = 1000;

export class PipelineRig {
  readonly counters = new Counters(new ArrayBuffer(Counters.bytes));
  readonly fragments = new FragmentTable([3, 4]);
  readonly events: FlowEventReader;
  readonly registry = new PolicyRegistry();
  flows: FlowTable;
  pipeline: Pipeline;
  compiled: CompiledImage;
  readonly #options: RigOptions;
  readonly #events: FlowEvents;
  #generation = 1;

  constructor(policy: RigPolicy, options: RigOptions = {}) {
    this.#options = options;
    this.compiled = this.#compile(policy);
    const ring = new ArrayBuffer(FlowEvents.bytes);
    this.#events = FlowEvents.create(ring);
    this.events = new FlowEventReader(ring);
    this.flows = this.#newFlows();
    this.pipeline = this.#newPipeline();
    this.at(0);
  }

  /** Forgets every flow; the policy stays. The clock has to be set anew. */
  forgetFlows(): this {
    this.flows = this.#newFlows();
    this.pipeline = this.#newPipeline();
    return this;
  }

  /** Moves the clock to that many seconds after the start. */
  at(seconds: number): this {
    this.pipeline.setTime((START_SECONDS + seconds) * 1000);
    return this;
  }

  /** As the daemon reloads: another image with the same registry, put in force between two frames. */
  reload(policy: RigPolicy): this {
    this.#generation++;
    this.compiled = this.#compile(policy);
    for (const slot of this.compiled.newRuleSlots) this.counters.clearRule(slot);
    this.pipeline.usePolicy(PolicyImage.attach(this.compiled.buffer));
    return this;
  }

  /** A frame from outside. @returns the name of the reason */
  inbound(frame: FrameSpec | Uint8Array): string {
    return this.#judge(frame, 0);
  }

  /** A frame from inside. @returns the name of the reason */
  outbound(frame: FrameSpec | Uint8Array): string {
    return this.#judge(frame, 1);
  }

  /** @param name as `NSG1|Inbound|securityRules/AllowHttp` */
  rule(name: string): RuleCounts {
    const slot = this.registry.rules.slotOf(name);
    if (slot < 0) throw new Error(`no rule is counted as ${name}`);
    return {
      hits: this.counters.rule(slot, RuleCounter.Hits),
      packets: this.counters.rule(slot, RuleCounter.Packets),
      bytes: this.counters.rule(slot, RuleCounter.Bytes),
    };
  }

  /** Name of the rule that decided the last frame by the rules, `vm/rule`; undefined when none did. */
  decidedBy(): string | undefined {
    const { isEvaluated, evaluation } = this.pipeline;
    const step = evaluation.decidingStep;
    if (!isEvaluated || step < 0) return undefined;
    const list = this.compiled.lists[evaluation.lists[step] ?? -1];
    return `${list?.owner}/${list?.rules[evaluation.rules[step] ?? -1]?.name}`;
  }

  #judge(frame: FrameSpec | Uint8Array, side: number): string {
    const bytes = frame instanceof Uint8Array ? frame : buildFrame(frame);
    const verdict = this.pipeline.judge(viewOf(bytes), 0, bytes.length, side);
    const { reason } = this.pipeline;
    const access: Access = reason < FIRST_DROP ? 1 : 0;
    if (verdict !== access)
      throw new Error(`verdict ${verdict} with reason ${reasonNames[reason]}`);
    return reasonNames[reason] ?? `reason ${reason}`;
  }

  #newFlows(): FlowTable {
    const { maxFlows = 1024, timeouts = DEFAULT_TIMEOUTS } = this.#options;
    const segment = new ArrayBuffer(FlowTable.bytesFor(maxFlows));
    return FlowTable.create(segment, 0, { maxFlows, seeds: [1, 2], timeouts });
  }

  #newPipeline(): Pipeline {
    const { maxFrameLength = 1518 } = this.#options;
    return new Pipeline(
      { maxFrameLength },
      {
        image: PolicyImage.attach(this.compiled.buffer),
        flows: this.flows,
        fragments: this.fragments,
        counters: this.counters,
        events: this.#events,
      },
    );
  }

  #compile(policy: RigPolicy): CompiledImage {
    const loaded = loadGood(configurationText(policy));
    return compileImage(loaded.policy, loaded.policy.nics, this.#generation, this.registry);
  }
}

/** Everything in and out is allowed, by one rule per direction. */
export const ALLOW_ALL: RigPolicy = {
  nic: ['AllowIn 100 Inbound Allow * * * * *', 'AllowOut 100 Outbound Allow * * * * *'],
};

/** HTTP and ping may come in; what goes out is left to the default rules. */
export const WEB: RigPolicy = {
  nic: [
    'AllowHttp 100 Inbound Allow Tcp Internet * * 80',
    'AllowDns 110 Inbound Allow Udp Internet * * 53',
    'AllowPing 120 Inbound Allow Icmp Internet * * *',
  ],
};

/** `10.0.1.4:80` or `[fd00::4]:80`. */
function endpoint(text: string): { address: string; port: number } {
  const at = text.lastIndexOf(':');
  return {
    address: text.slice(0, at).replace(/^\[(.*)\]$/, '$1'),
    port: Number(text.slice(at + 1)),
  };
}

export interface TcpParts {
  readonly sequence?: number;
  readonly acknowledgment?: number;
  readonly payload?: string | Uint8Array;
  readonly ip?: Partial<IpFields>;
  readonly vlans?: FrameSpec['vlans'];
}

/** A TCP segment. @param flags letters as in `TcpFields` */
export function tcp(
  from: string,
  to: string,
  flags: string | number,
  parts: TcpParts = {},
): FrameSpec {
  const [source, destination] = [endpoint(from), endpoint(to)];
  const { sequence = 0, acknowledgment = 0, payload, ip, vlans } = parts;
  return {
    ip: { src: source.address, dst: destination.address, ...ip },
    tcp: { srcPort: source.port, dstPort: destination.port, flags, sequence, acknowledgment },
    ...(payload === undefined ? {} : { payload }),
    ...(vlans === undefined ? {} : { vlans }),
  };
}

/** A UDP datagram. */
export function udp(from: string, to: string, parts: Omit<TcpParts, 'sequence'> = {}): FrameSpec {
  const [source, destination] = [endpoint(from), endpoint(to)];
  return {
    ip: { src: source.address, dst: destination.address, ...parts.ip },
    udp: { srcPort: source.port, dstPort: destination.port },
    payload: parts.payload ?? 'hello',
    ...(parts.vlans === undefined ? {} : { vlans: parts.vlans }),
  };
}

/** An ICMP or ICMPv6 message by its type; for echo also the identifier. */
export function icmp(
  src: string,
  dst: string,
  type: number,
  id = 0,
  ip: Partial<IpFields> = {},
): FrameSpec {
  return { ip: { src, dst, ...ip }, icmp: { type, id, sequence: 1 }, payload: 'ping' };
}

/** One TCP connection with the right numbers on both sides; each call gives the next segment of that side. */
export class TcpConversation {
  readonly #ends: readonly [string, string];
  readonly #next: [number, number];

  /** @param client opens the connection @param first initial sequence numbers */
  constructor(client: string, server: string, first: readonly [number, number] = [1000, 9000]) {
    this.#ends = [client, server];
    this.#next = [...first];
  }

  client(flags: string, payload = ''): FrameSpec {
    return this.#segment(0, flags, payload);
  }

  server(flags: string, payload = ''): FrameSpec {
    return this.#segment(1, flags, payload);
  }

  #segment(side: 0 | 1, flags: string, payload: string): FrameSpec {
    const [from, to] = side === 0 ? this.#ends : ([this.#ends[1], this.#ends[0]] as const);
    const sequence = this.#next[side];
    const acknowledgment = flags.includes('A') ? this.#next[side === 0 ? 1 : 0] : 0;
    this.#next[side] = (sequence + payload.length + (/[SF]/.test(flags) ? 1 : 0)) >>> 0;
    return tcp(from, to, flags, { sequence, acknowledgment, payload });
  }
}
