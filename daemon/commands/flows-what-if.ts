/**
 * `nsgd flows --what-if`: what another configuration would say of the live flows.
 */
import { type OutputFormat, print, printError, printJson, printTable } from '../output.ts';
import type { FlowStatus } from '../status.ts';
import { admittingRules, type WhatIf, whatIf } from '../what-if.ts';
import { loadPolicy } from './load-policy.ts';

const CHANGES: Readonly<Record<WhatIf['change'], string>> = {
  denied: 'denied',
  rule: 'another rule',
  interface: 'no interface',
};

/** @param file the configuration @throws CommandError (2) when it is not valid */
export function printWhatIf(
  flows: readonly FlowStatus[],
  file: string,
  format: OutputFormat,
): void {
  const changes = whatIf(flows, loadPolicy(file).policy);
  const rows = changes.map(({ flow, change, networkInterface, explanation }) => ({
    ...flow,
    change,
    networkInterface: networkInterface ?? null,
    wouldBe: explanation === undefined ? [] : admittingRules(explanation),
  }));
  if (format === 'json') {
    printJson(rows);
    return;
  }
  if (format === 'ndjson') {
    for (const row of rows) print(JSON.stringify(row));
    return;
  }
  if (rows.length > 0) {
    printTable(
      ['wire', 'protocol', 'direction', 'local', 'remote', 'change', 'rules', 'would be'],
      rows.map((row) => [
        row.wire,
        row.protocol,
        row.direction,
        row.local,
        row.remote,
        CHANGES[row.change],
        row.rules.map((rule) => `${rule.networkSecurityGroup}/${rule.ruleName}`).join(' ') || '-',
        row.wouldBe.join(' ') || '-',
      ]),
    );
  }
  printError(
    `nsgd: ${rows.length} of ${flows.length} flows would be admitted otherwise, or not at all`,
  );
}
