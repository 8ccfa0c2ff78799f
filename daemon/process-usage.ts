/**
 * What processes use, from /proc: the data planes are other processes, so Node has no call for them.
 */
import { readdirSync, readFileSync } from 'node:fs';

/** USER_HZ (proc(5)): 100 on every architecture that Node has for Linux. */
const TICKS_PER_SECOND = 100;
const KIBIBYTE = 1024;

export interface ProcessUsage {
  /** Of all its threads, in user mode and in the kernel. */
  readonly cpuSeconds: number;
  readonly residentBytes: number;
}

/** @returns undefined where there is no such process, or no right to look */
export function processUsage(processId: number): ProcessUsage | undefined {
  if (processId <= 0) return undefined;
  try {
    const stat = readFileSync(`/proc/${processId}/stat`, 'utf8');
    const status = readFileSync(`/proc/${processId}/status`, 'utf8');
    return {
      cpuSeconds: cpuTicks(stat) / TICKS_PER_SECOND,
      residentBytes: Number(/^VmRSS:\s*(\d+) kB$/m.exec(status)?.[1] ?? 0) * KIBIBYTE,
    };
  } catch {
    return undefined;
  }
}

/** Fields 14 and 15, utime and stime (proc(5)). The second field, a name, may hold spaces and parentheses. */
function cpuTicks(stat: string): number {
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return Number(fields[11]) + Number(fields[12]);
}

export function openDescriptors(): number {
  // One of them is that of the folder being read.
  return readdirSync('/proc/self/fd').length - 1;
}

/** The soft limit; +Infinity where there is none. */
export function openDescriptorsLimit(): number {
  const limits = readFileSync('/proc/self/limits', 'utf8');
  const [, soft = 'unlimited'] = /^Max open files\s+(\S+)/m.exec(limits) ?? [];
  return soft === 'unlimited' ? Infinity : Number(soft);
}
