/**
 * What the machine's cores did, from /proc/stat: all of them, because a packet may be worked on by the sender's softirq,
 * a kernel thread and a process, and only their sum can be compared.
 */
import { readFileSync } from 'node:fs';

/** Seconds since boot, by core. */
export interface CoreTimes {
  readonly busy: readonly number[];
  readonly total: readonly number[];
  /** A virtual machine's: the core had something to do, and the host gave its time to another machine. */
  readonly stolen: readonly number[];
}

/** USER_HZ: the unit of /proc/stat, 100 on every Linux that Node runs on. */
const TICKS_PER_SECOND = 100;

export function readCores(): CoreTimes {
  const busy: number[] = [];
  const total: number[] = [];
  const stolen: number[] = [];
  for (const line of readFileSync('/proc/stat', 'utf8').split('\n')) {
    if (!/^cpu\d/.test(line)) continue;
    // user nice system idle iowait irq softirq steal; guest time is in user already
    const ticks = line.split(/\s+/).slice(1, 9).map(Number);
    const sum = ticks.reduce((all, part) => all + part, 0);
    const idle = (ticks[3] ?? 0) + (ticks[4] ?? 0);
    total.push(sum / TICKS_PER_SECOND);
    busy.push((sum - idle) / TICKS_PER_SECOND);
    stolen.push((ticks[7] ?? 0) / TICKS_PER_SECOND);
  }
  return { busy, total, stolen };
}

/** Busy seconds of each core between two readings. */
export function busySeconds(before: CoreTimes, after: CoreTimes): number[] {
  return after.busy.map((busy, core) => busy - (before.busy[core] ?? 0));
}

/** Part of the time of all cores that was stolen between two readings. */
export function stolenPart(before: CoreTimes, after: CoreTimes): number {
  const sum = (values: readonly number[]): number => values.reduce((all, part) => all + part, 0);
  return (sum(after.stolen) - sum(before.stolen)) / (sum(after.total) - sum(before.total));
}
