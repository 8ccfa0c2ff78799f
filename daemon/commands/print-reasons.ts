/**
 * Why frames passed or were dropped, as a table: of a running wire, and of a replay.
 */
import { printTable } from '../output.ts';
import type { ReasonStatus } from '../status.ts';

export function printReasons(reasons: readonly ReasonStatus[]): void {
  printTable(
    ['reason', 'access', 'inbound', 'outbound'],
    reasons.map((row) => [row.reason, row.access, String(row.inbound), String(row.outbound)]),
  );
}
