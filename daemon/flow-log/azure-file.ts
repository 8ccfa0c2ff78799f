/**
 * PT1H.json: the file of one hour, `{"records":[...]}` with a record on each line. Azure writes such a file as blocks of a
 * blob, the last of which closes it; here each addition takes the place of the closing brackets and brings its own, so the
 * file is valid JSON after every one. An addition that fails, for a full disk above all, is taken back.
 */
import { constants } from 'node:fs';
import { type FileHandle, mkdir, open, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';

const { O_APPEND, O_CREAT, O_NOFOLLOW, O_RDWR, O_WRONLY } = constants;
const FILE_NAME = 'PT1H.json';
/** Its group may read it, as the control socket's may ask. */
const FILE_MODE = 0o640;
const FOLDER_MODE = 0o750;
const HEAD = '{"records":[\n';
const BETWEEN = ',\n';
const TAIL = '\n]}';

/**
 * Adds records to the file of a folder, which is made when it is not there.
 * @param folder absolute
 * @param records JSON objects without line breaks
 * @throws Error of the system; the file is then as before
 */
export async function appendRecords(folder: string, records: readonly string[]): Promise<void> {
  await mkdir(folder, { recursive: true, mode: FOLDER_MODE });
  const path = join(folder, FILE_NAME);
  const file = await open(path, O_CREAT | O_NOFOLLOW | O_RDWR, FILE_MODE);
  let end: number | undefined = 0;
  try {
    end = await endOf(file);
    if (end !== undefined) {
      await append(file, end, records);
      return;
    }
  } finally {
    await file.close();
    // Nothing was written into a new one: it would not be JSON.
    if (end === 0 && (await isEmpty(path))) await rm(path, { force: true });
  }
  // It was cut short by somebody else; whoever knows how to read it still can.
  await rename(path, `${path}.damaged`);
  await appendRecords(folder, records);
}

/**
 * Adds records, a line each, to the file of a folder: how Azure writes resource logs.
 * @throws Error of the system
 */
export async function appendLines(folder: string, records: readonly string[]): Promise<void> {
  await mkdir(folder, { recursive: true, mode: FOLDER_MODE });
  await appendText(join(folder, FILE_NAME), records.map((record) => `${record}\n`).join(''));
}

/**
 * Adds to the end of a file, all or nothing.
 * @throws Error of the system; the file is then as before
 */
export async function appendText(path: string, text: string): Promise<void> {
  const file = await open(path, O_APPEND | O_CREAT | O_NOFOLLOW | O_WRONLY, FILE_MODE);
  try {
    const { size } = await file.stat();
    try {
      await writeAll(file, text, size);
    } catch (error) {
      await file.truncate(size);
      throw error;
    }
  } finally {
    await file.close();
  }
}

/** Where the next record goes: 0 in an empty file; undefined when it does not end as this code ends it. */
async function endOf(file: FileHandle): Promise<number | undefined> {
  const { size } = await file.stat();
  if (size === 0) return 0;
  const end = size - TAIL.length;
  if (end < HEAD.length) return undefined;
  const { buffer } = await file.read(Buffer.alloc(TAIL.length), 0, TAIL.length, end);
  return buffer.toString('latin1') === TAIL ? end : undefined;
}

async function append(file: FileHandle, end: number, records: readonly string[]): Promise<void> {
  const start = end === 0 ? HEAD : BETWEEN;
  try {
    await writeAll(file, `${start}${records.join(BETWEEN)}${TAIL}`, end);
  } catch (error) {
    await file.truncate(end);
    // Where it stands there was a tail before, so this needs no room.
    if (end > 0) await writeAll(file, TAIL, end);
    throw error;
  }
}

async function writeAll(file: FileHandle, text: string, position: number): Promise<void> {
  const bytes = Buffer.from(text);
  for (let at = 0; at < bytes.length;) {
    // One after another: each may be cut short.
    // oxlint-disable-next-line no-await-in-loop
    const { bytesWritten } = await file.write(bytes, at, bytes.length - at, position + at);
    at += bytesWritten;
  }
}

async function isEmpty(path: string): Promise<boolean> {
  const file = await open(path, constants.O_RDONLY | O_NOFOLLOW);
  try {
    return (await file.stat()).size === 0;
  } finally {
    await file.close();
  }
}
