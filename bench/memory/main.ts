/**
 * Memory of a flow table by number of flows: nsgd's, and npm lru-cache with the same content, each in a process of its own.
 * Writes bench/results/memory.json.
 *
 *     node dist/bench/memory/main.js
 */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { LRUCache } from 'lru-cache';
import { Packet } from '../../src/capture/packet.ts';
import { FlowKey, flowKey } from '../../src/flowtable/key.ts';
import { NO_FLOW, packSlots } from '../../src/flowtable/record.ts';
import { FlowTable } from '../../src/flowtable/table.ts';
import { readEnvironment } from '../environment.ts';
import { writeResults } from '../results-file.ts';
import type { MemoryRow } from './results.ts';

const COUNTS = [1024, 4096, 16_384, 65_536, 262_144, 1_048_576] as const;
const NOW = 1000;
const UDP = 17;

function packetOf(flow: number, packet: Packet): void {
  packet.ipVersion = 4;
  packet.protocol = UDP;
  packet.hasPorts = true;
  packet.dst3 = 0x0a00_0104;
  packet.dstPort = 5001;
  packet.src3 = (0xcb00_0000 + (flow >>> 8)) | 0;
  packet.srcPort = 1024 + (flow & 255);
}

/** Heap and array buffers of this process. */
function usedBytes(): number {
  globalThis.gc?.();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

function fillTable(count: number): number {
  const packet = new Packet();
  const key = new FlowKey();
  const before = usedBytes();
  const buffer = new ArrayBuffer(FlowTable.bytesFor(count));
  const flows = FlowTable.create(buffer, 0, { maxFlows: count, seeds: [17, 4711] });
  for (let flow = 0; flow < count; flow++) {
    packetOf(flow, packet);
    flowKey(packet, 0, key);
    if (flows.insert(key, 0, NOW, 1, packSlots(0, 1)) === NO_FLOW) throw new Error('full');
  }
  const bytes = usedBytes() - before;
  if (flows.size !== count) throw new Error('full');
  return bytes;
}

function fillCache(count: number): number {
  const packet = new Packet();
  const before = usedBytes();
  const flows = new LRUCache<string, { packets: number; bytes: number; lastSeen: number }>({
    max: count,
  });
  for (let flow = 0; flow < count; flow++) {
    packetOf(flow, packet);
    const key = `${packet.src3}:${packet.srcPort}>${packet.dst3}:${packet.dstPort}/${packet.protocol}`;
    flows.set(key, { packets: 0, bytes: 0, lastSeen: NOW });
  }
  const bytes = usedBytes() - before;
  if (flows.size !== count) throw new Error('full');
  return bytes;
}

function inChild(kind: string, count: number): number {
  const args = ['--expose-gc', fileURLToPath(import.meta.url), kind, String(count)];
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(stderr);
  return Number(stdout);
}

const [, , kind, count] = process.argv;
if (kind !== undefined) {
  const fill = kind === 'table' ? fillTable : fillCache;
  process.stdout.write(String(fill(Number(count))));
} else {
  const rows = COUNTS.map((flows) => {
    const row: MemoryRow = {
      flows,
      table: inChild('table', flows),
      lruCache: inChild('cache', flows),
    };
    const each = (bytes: number): string => `${(bytes / flows).toFixed(0)} bytes a flow`;
    process.stdout.write(
      `${flows} flows: nsgd ${each(row.table)}, lru-cache ${each(row.lruCache)}\n`,
    );
    return row;
  });
  writeResults('memory', { environment: readEnvironment(), rows });
}
