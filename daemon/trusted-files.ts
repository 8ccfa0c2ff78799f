/**
 * The files that decide what the daemon lets through, read only where nobody but root and the daemon's own user could have
 * written them: whoever can change the policy can open every port. As sshd's StrictModes, for each file that the
 * configuration names and the folder it lies in. The offline commands read any file: they enforce nothing.
 */
import { realpathSync, statSync, type Stats } from 'node:fs';
import { dirname } from 'node:path';
import { diskFiles, type FileSource } from '../src/policy/load.ts';

const GROUP_AND_OTHER_WRITE = 0o022;
/** In a folder with this bit only a file's owner can replace it (inode(7)). */
const STICKY = 0o1000;
const ROOT = 0;

/** Why a file or folder cannot be trusted; undefined when it can. */
function distrust(path: string, status: Stats): string | undefined {
  const own = process.geteuid?.() ?? ROOT;
  if (status.uid !== ROOT && status.uid !== own) {
    return `${path} belongs to user ${status.uid}, neither to root nor to the daemon's user; chown root it`;
  }
  const isWritable = (status.mode & GROUP_AND_OTHER_WRITE) !== 0;
  const isProtected = status.isDirectory() && (status.mode & STICKY) !== 0;
  if (isWritable && !isProtected) {
    const mode = (status.mode & 0o7777).toString(8).padStart(4, '0');
    return `${path}: others may write to it (mode ${mode}); chmod go-w it`;
  }
  return undefined;
}

/** @throws Error whose message says which file or folder others could change, and what to do */
function requireTrust(path: string): void {
  const real = realpathSync(path);
  for (const each of [real, dirname(real)]) {
    const reason = distrust(each, statSync(each));
    if (reason !== undefined) throw new Error(reason);
  }
}

/** Regular files of this machine that only root and this process's user can change. */
export const trustedFiles: FileSource = {
  readText(path) {
    // What cannot be looked at is reported by the reading.
    if (statSync(path, { throwIfNoEntry: false }) !== undefined) requireTrust(path);
    return diskFiles.readText(path);
  },
  versionOf(path) {
    return diskFiles.versionOf(path);
  },
};
