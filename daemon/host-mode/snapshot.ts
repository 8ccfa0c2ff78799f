/**
 * Snapshot: what an interface has that makes the host reachable by it: addresses, routes of every table, neighbours. Read
 * from `ip -j`, kept in its words (the state file holds them), and written as commands that give it to another interface.
 *
 * Strict on purpose: an attribute that this file does not know would be lost by the move, so it is an error before anything
 * has changed.
 */
import { z } from 'zod';

import type { Family, HostSystem } from './system.ts';

/** What iproute2 prints for a lifetime without end. */
const FOREVER = 0xffff_ffff;
const LABEL_LIMIT = 15;

const flag = z.literal(true).optional();
const addressSchema = z.strictObject({
  family: z.enum(['inet', 'inet6']),
  local: z.string(),
  /** The other end, of a point-to-point address. */
  address: z.string().optional(),
  prefixlen: z.int(),
  metric: z.int().optional(),
  broadcast: z.string().optional(),
  scope: z.string(),
  label: z.string().optional(),
  protocol: z.string().optional(),
  /** Seconds. */
  valid_life_time: z.int(),
  preferred_life_time: z.int(),
  home: flag,
  mngtmpaddr: flag,
  noprefixroute: flag,
  autojoin: flag,
  nodad: flag,
  // These say how it is, not how it was made.
  dynamic: flag,
  secondary: flag,
  temporary: flag,
  deprecated: flag,
  tentative: flag,
  optimistic: flag,
  dadfailed: flag,
  'stable-privacy': flag,
});

const METRICS = z.strictObject({
  mtu: z.int().optional(),
  advmss: z.int().optional(),
  window: z.int().optional(),
  cwnd: z.int().optional(),
  initcwnd: z.int().optional(),
  initrwnd: z.int().optional(),
  ssthresh: z.int().optional(),
  reordering: z.int().optional(),
  hoplimit: z.int().optional(),
  quickack: z.int().optional(),
});

const routeSchema = z.strictObject({
  family: z.union([z.literal(4), z.literal(6)]),
  type: z.enum(['unicast', 'local', 'broadcast', 'anycast', 'multicast']),
  dst: z.string(),
  from: z.string().optional(),
  gateway: z.string().optional(),
  dev: z.string(),
  table: z.string(),
  protocol: z.string(),
  scope: z.string(),
  prefsrc: z.string().optional(),
  metric: z.int().optional(),
  tos: z.string().optional(),
  pref: z.string().optional(),
  /** Seconds. */
  expires: z.int().optional(),
  metrics: z.array(METRICS).optional(),
  flags: z.array(
    z.enum(['onlink', 'linkdown', 'dead', 'pervasive', 'offload', 'rt_offload', 'trap', 'rt_trap']),
  ),
});

const neighbourSchema = z.object({
  dst: z.string(),
  lladdr: z.string(),
  state: z.array(z.string()),
  router: z.unknown().optional(),
});

export const snapshotSchema = z.strictObject({
  addresses: z.array(addressSchema),
  routes: z.array(routeSchema),
  neighbours: z.array(neighbourSchema),
});

export type Address = z.infer<typeof addressSchema>;
export type Route = z.infer<typeof routeSchema>;
export type Neighbour = z.infer<typeof neighbourSchema>;
export type Snapshot = z.infer<typeof snapshotSchema>;

/** Something of the interface that a move would lose. */
export class UnknownAttributeError extends Error {
  readonly code = 'UNKNOWN_ATTRIBUTE';
}

export const FAMILIES = [4, 6] as const;

export function familyOf({ family }: Address): Family {
  return family === 'inet' ? 4 : 6;
}

/** What an interface has, to be given to another. @throws UnknownAttributeError */
export function readSnapshot(system: HostSystem, device: string): Snapshot {
  return read(system, device, oneWay);
}

/**
 * What an interface has, in the middle of a move: IPv6 keeps routes of both interfaces as next hops of one.
 * @throws UnknownAttributeError
 */
export function readPresent(system: HostSystem, device: string): Snapshot {
  return read(system, device, everyWay);
}

/** A route as `ip -j` prints it, as far as it says whose it is. */
interface RouteRow {
  readonly dev?: string;
  readonly table?: string;
  readonly protocol?: string;
  readonly nexthops?: readonly { readonly dev?: string; readonly weight?: number }[];
}

/** The routes by a device that a row stands for. */
type Ways = (row: RouteRow, device: string) => RouteRow[];

function oneWay(row: RouteRow, device: string): RouteRow[] {
  if (row.nexthops?.some(({ dev }) => dev === device) === true) {
    throw new UnknownAttributeError(
      `cannot move route ${JSON.stringify(row)}: it has several next hops; give it one`,
    );
  }
  return row.dev === device ? [row] : [];
}

function everyWay(row: RouteRow, device: string): RouteRow[] {
  if (row.nexthops === undefined) return row.dev === device ? [row] : [];
  const { nexthops, ...route } = row;
  return nexthops
    .filter(({ dev }) => dev === device)
    .map(({ weight, ...way }) => {
      void weight;
      return { ...route, ...way };
    });
}

function read(system: HostSystem, device: string, ways: Ways): Snapshot {
  const [link] = system.ipJson(['-d', 'addr', 'show', 'dev', device]) as [
    { addr_info?: unknown[] } | undefined,
  ];
  return {
    addresses: (link?.addr_info ?? []).map((value) => parsed(addressSchema, value, 'address')),
    routes: FAMILIES.flatMap((family) => readRoutes(system, device, { family, ways })),
    neighbours: readNeighbours(system, device),
  };
}

function parsed<T extends z.ZodType>(schema: T, value: unknown, what: string): z.infer<T> {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const reasons = result.error.issues.map(
    (issue) => `${issue.path.join('.') || what}: ${issue.message}`,
  );
  throw new UnknownAttributeError(
    `cannot move ${what} ${JSON.stringify(value)}: ${reasons.join('; ')}`,
  );
}

/** Routes by this device, without those that the kernel makes of addresses in its own table. */
function readRoutes(
  system: HostSystem,
  device: string,
  { family, ways }: { readonly family: Family; readonly ways: Ways },
): Route[] {
  const rows = system.ipJson(['-d', `-${family}`, 'route', 'show', 'table', 'all']) as RouteRow[];
  return rows
    .flatMap((row) => ways(row, device))
    .filter(({ table, protocol }) => table !== 'local' || protocol !== 'kernel')
    .map((row) => parsed(routeSchema, { ...row, family }, 'route'));
}

const KNOWN_STATES = new Set(['PERMANENT', 'REACHABLE', 'STALE', 'DELAY', 'PROBE']);

function readNeighbours(system: HostSystem, device: string): Neighbour[] {
  return system.ipJson(['neigh', 'show', 'dev', device]).flatMap((row) => {
    const result = neighbourSchema.safeParse(row);
    const isKnown = result.success && result.data.state.some((state) => KNOWN_STATES.has(state));
    return isKnown ? [result.data] : [];
  });
}

/** A label starts with the name of its interface (RFC 1122 knows none; ip-address(8)). */
export function labelOn(label: string, from: string, to: string): string {
  return label === from || label.startsWith(`${from}:`) ? to + label.slice(from.length) : label;
}

/** True when the label fits an interface of that name. */
export function isLabelPossible({ label }: Address, from: string, to: string): boolean {
  return label === undefined || labelOn(label, from, to).length <= LABEL_LIMIT;
}

function optional(word: string, value: string | number | undefined): string[] {
  return value === undefined ? [] : [word, String(value)];
}

function lifetime(seconds: number): string {
  return seconds >= FOREVER ? 'forever' : String(seconds);
}

export interface AddressMove {
  readonly from: string;
  readonly to: string;
  /** Without the check for duplicates: nothing may be delayed by it, and the address is our own. */
  readonly isChecked: boolean;
}

/** The words after `ip addr replace` (or `change`) that put an address on another interface. */
export function addressWords(address: Address, { from, to, isChecked }: AddressMove): string {
  const { local, prefixlen } = address;
  const words =
    address.address === undefined
      ? [`${local}/${prefixlen}`]
      : [local, 'peer', `${address.address}/${prefixlen}`];
  words.push('dev', to);
  if (address.family === 'inet') {
    words.push(...optional('broadcast', address.broadcast), 'scope', address.scope);
    if (address.label !== undefined) words.push('label', labelOn(address.label, from, to));
  }
  words.push(...optional('metric', address.metric), ...optional('proto', address.protocol));
  words.push('valid_lft', lifetime(address.valid_life_time));
  words.push('preferred_lft', lifetime(address.preferred_life_time));
  for (const name of ['home', 'mngtmpaddr', 'noprefixroute', 'autojoin'] as const) {
    if (address[name] === true) words.push(name);
  }
  if (address.family === 'inet6' && (!isChecked || address.nodad === true)) words.push('nodad');
  return words.join(' ');
}

/** The words after `ip route prepend` (IPv4) or `append` (IPv6) that give a route to another interface. */
export function routeWords(route: Route, to: string): string {
  const { family } = route;
  const words = [route.type, route.dst, ...optional('from', route.from)];
  words.push(...optional('tos', route.tos), ...optional('via', route.gateway));
  words.push('dev', to, 'table', route.table, 'proto', route.protocol);
  if (family === 4) words.push('scope', route.scope);
  words.push(...optional('src', route.prefsrc), ...optional('metric', route.metric));
  if (route.flags.includes('onlink')) words.push('onlink');
  if (family === 6) words.push(...optional('pref', route.pref));
  words.push(...optional('expires', route.expires));
  for (const metrics of route.metrics ?? []) {
    for (const [name, value] of Object.entries(metrics)) words.push(name, String(value));
  }
  return words.join(' ');
}

/** The words after `ip neigh replace`. */
export function neighbourWords(neighbour: Neighbour, to: string): string {
  const { dst, lladdr, state } = neighbour;
  const nud = state.includes('PERMANENT')
    ? 'permanent'
    : state.includes('REACHABLE')
      ? 'reachable'
      : 'stale';
  const router = neighbour.router === undefined ? [] : ['router'];
  return [dst, 'lladdr', lladdr, 'dev', to, 'nud', nud, ...router].join(' ');
}

/** What makes two routes the same, whatever the interface and the time. */
function routeKey(route: Route): string {
  const { type, dst, from, gateway, table, protocol, scope, prefsrc, metric, tos, metrics } = route;
  const isOnLink = route.flags.includes('onlink');
  const way = [dst, from, gateway, isOnLink, prefsrc, metric, tos, metrics];
  return JSON.stringify({ type, table, protocol, scope, way });
}

/** Those of `wanted` that are not among `present`, in the order in which the kernel takes them: links before gateways. */
export function missingRoutes(wanted: readonly Route[], present: readonly Route[]): Route[] {
  const keys = new Set(present.map(routeKey));
  const missing = wanted.filter((route) => !keys.has(routeKey(route)));
  return [
    ...missing.filter((route) => route.gateway === undefined),
    ...missing.filter((route) => route.gateway !== undefined),
  ];
}

/** Those of `wanted` that are not among `present`. */
export function missingAddresses(
  wanted: readonly Address[],
  present: readonly Address[],
): Address[] {
  const key = ({ local, address, prefixlen }: Address): string =>
    `${local} ${address ?? ''} ${prefixlen}`;
  const keys = new Set(present.map(key));
  return wanted.filter((address) => !keys.has(key(address)));
}

/** True for an address or a route that ends by itself unless somebody renews it. */
export function isLimited(lifetimeSeconds: number | undefined): lifetimeSeconds is number {
  return lifetimeSeconds !== undefined && lifetimeSeconds < FOREVER;
}

/** Without end. */
export const NO_END = FOREVER;
