/**
 * Puts an interface back: for `nsgd detach`, and for every attachment that failed or was not confirmed. It can be done
 * twice, and goes on where another was killed; what fails on the way does not stop what comes after it.
 */
import { setTimeout as sleep } from 'node:timers/promises';

import { SystemCallError } from '../native/libc.ts';
import type { Attachment, Attachments } from './attachment.ts';
import { returnLeases } from './leases.ts';
import { type Batch, give, missing, type Move, settle } from './move.ts';
import { type Link, readLinks } from './obstacles.ts';
import { readSnapshot, type Snapshot, UnknownAttributeError } from './snapshot.ts';
import { HostCommandError, type HostSystem } from './system.ts';

/** How long a data plane may take to see that its inside is gone, and leave the NIC. */
const LEAVE_MILLISECONDS = 5_000;
const POLL_MILLISECONDS = 10;

/** The interface does not have again all that it had; its file stays, so that it can be tried again. */
export class RestoreError extends Error {
  readonly code = 'RESTORE';
}

/**
 * @returns what failed and did no harm, for the operator
 * @throws RestoreError
 */
export async function restore(
  system: HostSystem,
  attachments: Attachments,
  attachment: Attachment,
): Promise<string[]> {
  const { nic, host } = attachment;
  const links = readLinks(system);
  const nicLink = links.find(({ ifname }) => ifname === nic);
  if (nicLink === undefined) {
    removePair(system, attachment, links);
    attachments.remove(nic);
    return [`there is no interface ${nic} any more`];
  }
  const snapshot = wantedSnapshot(system, attachment, links);
  attachments.write({ ...attachment, phase: 'detaching', snapshot });

  const failures: string[] = [];
  const attempt = (change: () => void): void => {
    try {
      change();
    } catch (error) {
      if (!isExpected(error)) throw error;
      failures.push(error.message);
    }
  };
  const batch: Batch = (family, lines) =>
    void failures.push(...system.ipBatchForced(family, lines));
  attempt(() => batch(4, [`link set dev ${nic} addrgenmode none nomaster`]));
  for (const [path, value] of Object.entries(attachment.settings)) {
    if (system.readSetting(path) !== value) attempt(() => system.writeSetting(path, value));
  }
  const move: Move = { from: host, to: nic, snapshot };
  attempt(() => give(system, batch, move));
  const lost = missing(system, move);
  // The host's end goes only when the NIC has everything: better two than none.
  if (lost.length > 0) throw incomplete(nic, `${nic} lacks ${lost.join(', ')}`, failures);
  attempt(() => removePair(system, attachment, links));
  attempt(() => settle(batch, move));
  attempt(() => batch(4, [`link set dev ${nic} addrgenmode ${attachment.addressGeneration}`]));
  if (!(await isLeft(system, nic))) failures.push(`an XDP program is still on ${nic}`);
  attempt(() => system.restoreOffloads(attachment.offloads));
  const left = leftOver(system, attachment);
  if (left.length > 0) throw incomplete(nic, `still there: ${left.join(', ')}`, failures);
  attachments.remove(nic);
  return failures;
}

/**
 * What the NIC is to have: after a confirmation what the host's end has now, since addresses may have come and gone there;
 * before one, and where that end cannot be read or is gone, what the file says.
 */
function wantedSnapshot(
  system: HostSystem,
  attachment: Attachment,
  links: readonly Link[],
): Snapshot {
  const { phase, host, snapshot, leases } = attachment;
  if (phase !== 'confirmed' || !links.some(({ ifname }) => ifname === host)) return snapshot;
  try {
    const present = readSnapshot(system, host);
    return present.addresses.length === 0 ? snapshot : returnLeases(present, leases, Date.now());
  } catch (error) {
    if (error instanceof UnknownAttributeError) return snapshot;
    throw error;
  }
}

/** What a machine may answer; anything else is a mistake of this program. */
function isExpected(error: unknown): error is Error {
  return (
    error instanceof HostCommandError ||
    error instanceof SystemCallError ||
    error instanceof UnknownAttributeError
  );
}

function incomplete(nic: string, what: string, failures: readonly string[]): RestoreError {
  return new RestoreError([`${what}; run "nsgd detach ${nic}" again`, ...failures].join('\n'));
}

/** What was made or set for the attachment and has not gone, in words. */
function leftOver(system: HostSystem, attachment: Attachment): string[] {
  const made = new Set([attachment.host, attachment.inside, attachment.bridge]);
  const links = readLinks(system).filter(({ ifname }) => made.has(ifname));
  const settings = Object.entries(attachment.settings).filter(
    ([path, value]) => system.readSetting(path) !== value,
  );
  return [...links.map(({ ifname }) => ifname), ...settings.map(([path]) => path)];
}

/** Either end of a pair takes the other with it. */
function removePair(
  system: HostSystem,
  { inside, bridge }: Attachment,
  links: readonly Link[],
): void {
  const made = [inside, bridge].filter((name) => links.some(({ ifname }) => ifname === name));
  system.ipBatch(
    4,
    made.map((name) => `link del dev ${name}`),
  );
}

/** Waits until no program takes the frames of the NIC away. @returns false when it takes too long */
async function isLeft(system: HostSystem, nic: string): Promise<boolean> {
  const end = performance.now() + LEAVE_MILLISECONDS;
  for (;;) {
    const link = readLinks(system).find(({ ifname }) => ifname === nic);
    if (link?.xdp === undefined) return true;
    if (performance.now() >= end) return false;
    // oxlint-disable-next-line no-await-in-loop -- polls; there is nothing to run in parallel
    await sleep(POLL_MILLISECONDS);
  }
}
