/** Secret numbers for the hash of a flow table, new for each table. */
import { randomBytes } from 'node:crypto';

export function randomSeeds(): [number, number] {
  const bytes = randomBytes(8);
  return [bytes.readInt32LE(0), bytes.readInt32LE(4)];
}
