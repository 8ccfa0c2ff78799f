/**
 * Attachment: how one interface was before host mode, what was made for it, and how far it has come. A file in a folder
 * that only root may write, replaced as a whole before every change that it describes, so that whoever comes next, after a
 * kill at any moment too, can put everything back.
 *
 *   attaching -> attached (until the deadline) -> confirmed -> detaching -> (no file)
 */
import {
  closeSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';

import { isDeviceName } from '../native/network-device.ts';
import { prepareRuntimeDirectory, RuntimeDirectoryError, RuntimeLock } from '../supervisor-lock.ts';
import { snapshotSchema } from './snapshot.ts';

/** Beside the runtime directory of the daemon, which systemd empties when the daemon stops. */
export const DEFAULT_HOST_DIRECTORY = '/run/nsgd-host';

/** Longer than an attachment waits for a data plane. */
const LOCK_TIMEOUT_MILLISECONDS = 30_000;
const LOCK_POLL_MILLISECONDS = 50;
const SUFFIX = '.json';

const deviceName = z.string().refine(isDeviceName);

const attachmentSchema = z.strictObject({
  version: z.literal(1),
  wire: z.string(),
  /** The network interface: `outside` of the wire. */
  nic: deviceName,
  /** The end of the pair that the host uses, and the one that is `inside` of the wire. */
  host: deviceName,
  inside: deviceName,
  /** What has both sides of the wire, so that no frame reaches the host's stack beside nsgd. */
  bridge: deviceName,
  phase: z.enum(['attaching', 'attached', 'confirmed', 'detaching']),
  /** Milliseconds since 1970 at which an attachment that is not confirmed is undone. */
  deadline: z.number(),
  snapshot: snapshotSchema,
  hardwareAddress: z.string(),
  mtu: z.int(),
  addressGeneration: z.string(),
  /** Settings of the NIC by path below /proc/sys/net, as they were. */
  settings: z.record(z.string(), z.string()),
  offloads: z.strictObject({
    device: deviceName,
    index: z.int(),
    features: z.array(z.string()).readonly(),
  }),
  /** Lifetimes that were lifted, by address or route, in milliseconds since 1970. */
  leases: z.array(
    z.strictObject({ local: z.string(), validUntil: z.number(), preferredUntil: z.number() }),
  ),
});

export type Attachment = z.infer<typeof attachmentSchema>;

/** A file that says how an interface was and cannot be read. */
export class AttachmentFileError extends Error {
  readonly code = 'ATTACHMENT_FILE';
}

/** The folder of attachments, made and checked: it belongs to this user, and nobody else may write to it. */
export class Attachments {
  readonly #directory: string;

  /** @throws RuntimeDirectoryError */
  constructor(directory: string) {
    this.#directory = prepareRuntimeDirectory(directory).path;
  }

  /** Names of the interfaces that are attached, or on their way. */
  names(): string[] {
    return readdirSync(this.#directory)
      .filter((name) => name.endsWith(SUFFIX))
      .map((name) => name.slice(0, -SUFFIX.length));
  }

  /** Undefined where the interface is not attached. @throws AttachmentFileError */
  read(nic: string): Attachment | undefined {
    const path = this.#path(nic);
    let text: string;
    try {
      text = readFileSync(path, 'utf8');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      throw error;
    }
    try {
      return attachmentSchema.parse(JSON.parse(text));
    } catch (error) {
      throw new AttachmentFileError(
        `${path} cannot be read, so what ${nic} had is not known: ${(error as Error).message}`,
        { cause: error },
      );
    }
  }

  /** Replaces the file: whoever reads sees the old or the new one, whole, also after a crash. */
  write(attachment: Attachment): void {
    const path = this.#path(attachment.nic);
    const next = `${path}.next`;
    rmSync(next, { force: true });
    const descriptor = openSync(next, 'wx', 0o600);
    try {
      writeSync(descriptor, JSON.stringify(attachment));
      fsyncSync(descriptor);
    } finally {
      closeSync(descriptor);
    }
    renameSync(next, path);
  }

  remove(nic: string): void {
    rmSync(this.#path(nic), { force: true });
  }

  /** Runs a change while nobody else makes one. @throws RuntimeDirectoryError when another takes too long */
  async exclusively<T>(change: () => T | Promise<T>): Promise<T> {
    const lock = await this.#lock();
    try {
      return await change();
    } finally {
      lock.release();
    }
  }

  async #lock(): Promise<RuntimeLock> {
    mkdirSync(this.#directory, { recursive: true, mode: 0o700 });
    const end = performance.now() + LOCK_TIMEOUT_MILLISECONDS;
    for (;;) {
      try {
        return RuntimeLock.take(this.#directory);
      } catch (error) {
        const isBusy =
          error instanceof RuntimeDirectoryError && error.code === 'RUNTIME_DIRECTORY_IN_USE';
        if (!isBusy || performance.now() >= end) throw error;
      }
      // oxlint-disable-next-line no-await-in-loop -- polls; there is nothing to run in parallel
      await sleep(LOCK_POLL_MILLISECONDS);
    }
  }

  #path(nic: string): string {
    if (!isDeviceName(nic)) throw new RangeError(`"${nic}" cannot be the name of an interface`);
    return join(this.#directory, `${nic}${SUFFIX}`);
  }
}

/** Why an attachment is undone without anybody asking; undefined while it is not. */
export function undoReason(
  { phase, deadline }: Attachment,
  circumstances: {
    /** Milliseconds since 1970. */
    readonly now: number;
    /** The process that began it has ended. */
    readonly isStarterGone: boolean;
  },
): string | undefined {
  if (phase === 'confirmed') return undefined;
  if (circumstances.now >= deadline) return 'not confirmed in time';
  const isHalf = phase === 'attaching' && circumstances.isStarterGone;
  return isHalf ? 'nsgd attach ended half way' : undefined;
}
