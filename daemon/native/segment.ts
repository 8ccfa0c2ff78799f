/**
 * Segment: a file on tmpfs, mapped shared, as one ArrayBuffer. This is how the control process and the data plane see
 * the same policy, flows and counters, and how flows outlive a data plane that was killed.
 *
 * There is no unmap. JavaScript cannot know whether a typed array over the buffer is still alive, and a load through
 * one after munmap ends the process with SIGSEGV. So a mapping lives as long as the process; one that grows useless
 * early (an old policy) gives its pages back with `release()` and keeps only its address range.
 */
import { closeSync, constants, fstatSync, openSync, rmSync, writeSync } from 'node:fs';

import { privateFileProblem, replacePrivateFile } from '../private-file.ts';
import { loadLibc } from './libc.ts';

const { O_NOFOLLOW, O_RDWR } = constants;

/** A file that must not be mapped: not ours, readable by others, or empty. */
export class SegmentError extends Error {
  readonly code = 'SEGMENT_UNFIT';
}

export class Segment {
  readonly path: string;
  /** All bytes of the file. Zeros after `release()`. */
  readonly buffer: ArrayBuffer;
  readonly #address: bigint;
  #isReleased = false;

  private constructor(path: string, mapping: { address: bigint; buffer: ArrayBuffer }) {
    this.path = path;
    this.buffer = mapping.buffer;
    this.#address = mapping.address;
  }

  /**
   * Makes a zeroed segment of `bytes` bytes, mode 0600, replacing any file of that name in one step: nobody sees it
   * half made, and a process that has the old file mapped keeps the old one.
   * @throws SystemCallError (ENOSPC) where the file system cannot hold it
   */
  static create(path: string, bytes: number): Segment {
    if (!Number.isSafeInteger(bytes) || bytes <= 0) {
      throw new RangeError(`a segment has at least 1 byte, not ${bytes}`);
    }
    return replacePrivateFile(path, (descriptor) => {
      const libc = loadLibc();
      libc.allocate(descriptor, bytes, path);
      return new Segment(path, libc.mapShared(descriptor, bytes));
    });
  }

  /** Writes a file that another process will open as a segment, in one step; maps nothing here. */
  static write(path: string, content: Uint8Array): void {
    replacePrivateFile(path, (descriptor) => {
      loadLibc().allocate(descriptor, content.byteLength, path);
      let at = 0;
      while (at < content.byteLength) {
        at += writeSync(descriptor, content, at, content.byteLength - at, at);
      }
    });
  }

  /**
   * Maps an existing segment, all of it.
   * @throws SegmentError unless it is a regular file of this user with mode 0600
   */
  static open(path: string): Segment {
    const descriptor = openSync(path, O_RDWR | O_NOFOLLOW);
    try {
      const problem = privateFileProblem(descriptor);
      if (problem !== undefined) throw new SegmentError(`${path} ${problem}`);
      const { size } = fstatSync(descriptor);
      if (size === 0) throw new SegmentError(`${path} is empty`);
      return new Segment(path, loadLibc().mapShared(descriptor, size));
    } finally {
      closeSync(descriptor);
    }
  }

  /** Gives the pages back to the kernel. The buffer stays usable and reads zeros; the file is not touched. */
  release(): void {
    if (this.#isReleased) return;
    this.#isReleased = true;
    loadLibc().releasePages(this.#address, this.buffer.byteLength);
  }

  /** Removes the name. Whoever has it mapped, this process too, keeps the memory. */
  unlink(): void {
    rmSync(this.path, { force: true });
  }
}
