/**
 * Attaches an interface: makes a veth pair and gives one end what the host has on its network interface (NIC); the other end
 * and the NIC are the two sides of the wire.
 *
 *     network === nic [ nsgd ] inside === host: addresses, routes
 *
 * The host's end has the NIC's hardware address, so neighbours and the network notice nothing, and the NIC goes on
 * receiving what is for it. Both sides of the wire are in a bridge that is down: such a bridge takes every frame that
 * nsgd did not (rx_handler comes after XDP and after packet sockets) and drops it. So from the first moment, and
 * whenever nsgd does not run, the host's stack sees no frame that nsgd did not let through. Up, the bridge is the way
 * around nsgd that `onStop: open` asks for.
 */
import type { Attachment } from './attachment.ts';
import { isAutoconfigured, liftLeases } from './leases.ts';
import { give, type Move, settle, takeCommands } from './move.ts';
import { type HostInterfaces, obstacles, readLinks } from './obstacles.ts';
import { readSnapshot } from './snapshot.ts';
import type { HostSystem } from './system.ts';

/** Folders of settings that the host's end gets from the NIC; an interface's own folder is below. */
const SETTING_FOLDERS = ['ipv4/conf', 'ipv6/conf', 'ipv4/neigh', 'ipv6/neigh'] as const;
/** Read only, or another spelling of one that is copied; how IPv6 makes addresses comes last and by itself. */
const NOT_COPIED = new Set([
  'mc_forwarding',
  'stable_secret',
  'addr_gen_mode',
  'base_reachable_time',
  'retrans_time',
  'unres_qlen',
]);
/** Reverse path filter, strict: a source that is not reached by this interface is dropped, and none is (RFC 3704). */
const STRICT = '1';

/** An interface that host mode cannot take; the message lists everything that stands in the way. */
export class ObstacleError extends Error {
  readonly code = 'OBSTACLE';
}

export interface AttachRequest {
  readonly wire: string;
  readonly interfaces: HostInterfaces;
  /** Milliseconds since 1970. */
  readonly now: number;
  /** Milliseconds until everything has to be in place, and from then on until it has to be confirmed. */
  readonly patience: number;
  readonly window: number;
}

/** How the interface is now, as it goes into the file. @throws ObstacleError */
export function planAttachment(system: HostSystem, request: AttachRequest): Attachment {
  const { wire, interfaces, now, patience } = request;
  const found = obstacles(system, interfaces);
  if (found.length > 0) throw new ObstacleError(found.join('\n'));
  const { nic } = interfaces;
  const link = readLinks(system).find(({ ifname }) => ifname === nic);
  if (link === undefined) throw new ObstacleError(`there is no interface ${nic}`);
  const snapshot = readSnapshot(system, nic);
  const { leases } = liftLeases(snapshot, {
    isAutoconfigured: isAutoconfigured(system, nic),
    now,
  });
  return {
    version: 1,
    wire,
    ...interfaces,
    phase: 'attaching',
    deadline: now + patience,
    snapshot,
    hardwareAddress: link.address,
    mtu: link.mtu,
    addressGeneration: link.inet6_addr_gen_mode ?? 'eui64',
    settings: readSettings(system, nic),
    offloads: system.readOffloads(nic),
    leases,
  };
}

/** Settings of the NIC that change while it is attached. */
const CHANGED_SETTINGS = ['ipv4/conf/NIC/rp_filter', 'ipv6/conf/NIC/disable_ipv6'] as const;

function readSettings(system: HostSystem, nic: string): Record<string, string> {
  return Object.fromEntries(
    CHANGED_SETTINGS.flatMap((pattern) => {
      const path = pattern.replace('NIC', nic);
      const value = system.readSetting(path);
      return value === undefined ? [] : [[path, value]];
    }),
  );
}

/**
 * Makes the pair, both ends up, so that a data plane can start on the wire. The host's addresses stay where they are. The
 * attachment has been written before, so that `restore` can undo what was done until a failure, here and in `moveHost`.
 * @throws HostCommandError, OffloadError
 */
export function makePair(system: HostSystem, attachment: Attachment): void {
  const { nic, host, inside, bridge } = attachment;
  system.ipBatch(4, creationCommands(attachment));
  copySettings(system, nic, host);
  for (const device of [inside, bridge]) silence(system, device);
  system.disableOffloads(host);
  system.ipBatch(4, [`link set dev ${inside} up`, `link set dev ${host} up`]);
}

/**
 * Moves what the host has to its end of the pair, and closes the NIC to it.
 * @throws HostCommandError
 */
export function moveHost(system: HostSystem, attachment: Attachment): void {
  const { nic, host, inside, bridge } = attachment;
  const { snapshot } = liftLeases(attachment.snapshot, {
    isAutoconfigured: isAutoconfigured(system, nic),
    now: 0,
  });
  const move: Move = { from: nic, to: host, snapshot };
  const batch = system.ipBatch.bind(system);
  give(system, batch, move);
  system.ipBatch(4, [
    `link set dev ${nic} addrgenmode none master ${bridge}`,
    ...takeCommands(snapshot, nic),
  ]);
  // Otherwise the bridge takes the NIC's address, which is the host's too, for its own.
  system.bridge(['fdb', 'replace', attachment.hardwareAddress, 'dev', inside, 'master', 'static']);
  silence(system, nic);
  settle(batch, move);
  system.ipBatch(4, [`link set dev ${host} addrgenmode ${attachment.addressGeneration}`]);
}

function creationCommands({
  host,
  inside,
  bridge,
  hardwareAddress,
  mtu,
}: Attachment): readonly string[] {
  return [
    `link add name ${inside} mtu ${mtu} type veth peer name ${host} address ${hardwareAddress} mtu ${mtu}`,
    // Its addresses come from the NIC; none of its own meanwhile.
    `link set dev ${host} addrgenmode none`,
    `link set dev ${inside} addrgenmode none`,
    `link add name ${bridge} type bridge stp_state 0 forward_delay 0 mcast_snooping 0`,
    `link set dev ${bridge} addrgenmode none`,
    `link set dev ${bridge} arp off`,
    `link set dev ${inside} master ${bridge}`,
  ];
}

/** The host's stack neither speaks nor listens on this interface, whatever reaches it there. */
function silence(system: HostSystem, device: string): void {
  system.writeSetting(`ipv4/conf/${device}/rp_filter`, STRICT);
  if (system.readSetting(`ipv6/conf/${device}/disable_ipv6`) !== undefined) {
    system.writeSetting(`ipv6/conf/${device}/disable_ipv6`, '1');
  }
}

/** What an administrator set for the NIC holds for the host's end. */
function copySettings(system: HostSystem, nic: string, host: string): void {
  for (const folder of SETTING_FOLDERS) {
    for (const name of system.settingNames(`${folder}/${nic}`)) {
      if (NOT_COPIED.has(name)) continue;
      const value = system.readSetting(`${folder}/${nic}/${name}`);
      const path = `${folder}/${host}/${name}`;
      if (value !== undefined && value !== system.readSetting(path)) {
        system.writeSetting(path, value);
      }
    }
  }
}
