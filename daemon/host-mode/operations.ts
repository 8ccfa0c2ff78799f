/**
 * What can be done with host mode, each under the lock of the folder, so that the command, the watcher and a second command
 * never change an interface at the same time.
 */
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

import type { Attachment, Attachments } from './attachment.ts';
import { type AttachRequest, makePair, moveHost, ObstacleError, planAttachment } from './attach.ts';
import { restore, RestoreError } from './restore.ts';
import type { HostSystem } from './system.ts';

export interface AttachHelp {
  /** More that stands in the way, in words. */
  readonly check: () => string[];
  /** Starts what undoes it when this process does not live to do so. */
  readonly watch: () => void;
  /** Waits until a data plane is on the wire. @throws Error where none comes */
  readonly ready: () => Promise<void>;
}

/**
 * Attaches an interface; where that fails half way, it is as before.
 * @throws ObstacleError, HostCommandError, OffloadError, what `ready` throws; RestoreError where undoing failed too
 */
export function attach(
  system: HostSystem,
  attachments: Attachments,
  request: AttachRequest,
  help: AttachHelp,
): Promise<Attachment> {
  const { nic } = request.interfaces;
  return attachments.exclusively(async () => {
    const present = attachments.read(nic);
    if (present !== undefined) {
      throw new ObstacleError(`${nic} is ${present.phase} already; see "nsgd detach ${nic}"`);
    }
    const planned = planAttachment(system, request);
    const more = help.check();
    if (more.length > 0) throw new ObstacleError(more.join('\n'));
    attachments.write(planned);
    try {
      help.watch();
      makePair(system, planned);
      // Nothing of the host is moved before there is somebody to carry it.
      await help.ready();
      moveHost(system, planned);
      const deadline = Date.now() + request.window;
      const attached: Attachment = { ...planned, phase: 'attached', deadline };
      attachments.write(attached);
      return attached;
    } catch (error) {
      await restore(system, attachments, planned).catch((cause: unknown) => {
        throw new RestoreError(`${messageOf(error)}\n${messageOf(cause)}`, { cause });
      });
      throw error;
    }
  });
}

/** @returns what became of it: confirmed now, or what it was instead */
export function confirm(
  attachments: Attachments,
  nic: string,
): Promise<'confirmed' | 'not attached' | 'confirmed before' | 'half way'> {
  return attachments.exclusively(() => {
    const present = attachments.read(nic);
    if (present === undefined) return 'not attached';
    if (present.phase === 'confirmed') return 'confirmed before';
    if (present.phase !== 'attached') return 'half way';
    attachments.write({ ...present, phase: 'confirmed' });
    return 'confirmed';
  });
}

/** Puts an interface back unless its attachment is confirmed. @returns whether there was anything to put back */
export function undo(system: HostSystem, attachments: Attachments, nic: string): Promise<boolean> {
  return attachments.exclusively(async () => {
    const present = attachments.read(nic);
    if (present === undefined || present.phase === 'confirmed') return false;
    await restore(system, attachments, present);
    return true;
  });
}

/** Puts an interface back. @returns what failed and did no harm; undefined where it is not attached */
export function detach(
  system: HostSystem,
  attachments: Attachments,
  nic: string,
): Promise<string[] | undefined> {
  return attachments.exclusively(() => {
    const present = attachments.read(nic);
    return present === undefined ? undefined : restore(system, attachments, present);
  });
}

/** Starts a watcher (watcher.ts) in a session of its own, which outlives this process and its terminal. */
export function startWatcher(directory: string, nic: string): void {
  const program = fileURLToPath(new URL('./watcher.js', import.meta.url));
  const child = spawn(process.execPath, [program, directory, nic], {
    detached: true,
    env: { PATH: process.env['PATH'] },
    stdio: ['pipe', 'ignore', 'inherit'],
  });
  // Held open, and never written to: it closes when this process ends, however it ends.
  child.stdin.on('error', () => undefined);
  child.unref();
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
