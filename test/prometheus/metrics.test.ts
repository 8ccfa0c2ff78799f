/**
 * /metrics of a daemon that runs, as Prometheus and its tools see it, and docs/METRICS.md.
 */
import { describe, expect, test } from 'vitest';
import { METRICS } from '../../daemon/metrics.ts';
import { NIC_SERIES_MAX, OTHER, RULE_SERIES_MAX } from '../../daemon/metrics-readers.ts';

/** docs/METRICS.md; `npx vitest run test/prometheus -u` writes it. */
function page(): string {
  const rows = METRICS.map(
    ({ name, type, labels, help }) =>
      `| \`${name}\` | ${type} | ${labels.map((label) => `\`${label}\``).join(', ')} | ${help} |`,
  );
  return `# Metrics

What \`/metrics\` has, at \`metrics.listen\` (127.0.0.1:9469 unless told otherwise) and on the control socket. Written from the
definitions in \`daemon/metrics.ts\` and \`metrics-process.ts\`; a test keeps this page current.

Labels come from closed sets: names of the configuration, directions (\`inbound\`, \`outbound\`), accesses, reasons. Nothing
that a packet carries becomes a label. Counters begin at 0 when the daemon starts, and every series is there from the first
scrape on, so that \`rate()\` sees the first event. Reading them costs the packet loop nothing. The series of a rule or of a
network interface go when a reload takes it out of the policy.

The number of series is bounded: of each wire the first ${RULE_SERIES_MAX} rules in evaluation order and the first ${NIC_SERIES_MAX} network interfaces
have series of their own; those behind them are added up under the name \`${OTHER}\`, rules by direction and access. With 500 rules
there are fewer than 2,000 in all.

\`nsgd_packets_received_total\` = forwarded + dropped, for each interface and direction, once the frames in flight are through;
what the kernel dropped (\`nsgd_kernel_drops_total\`) was never received.

| metric | type | labels | what |
|---|---|---|---|
${rows.join('\n')}

Alerts and recording rules over these are in \`prometheus/nsgd.rules.yaml\`, their explanation in [RUNBOOK.md](RUNBOOK.md).
`;
}

describe('docs/METRICS.md', () => {
  test('is current', async () => {
    await expect(page()).toMatchFileSnapshot('../../docs/METRICS.md');
  });

  test('names follow the conventions of Prometheus', () => {
    for (const { name, type, help } of METRICS) {
      expect(name).toMatch(/^(nsgd|process)_[a-z]+(_[a-z]+)*$/);
      expect(name.endsWith('_total'), name).toBe(type === 'counter');
      expect(help, name).toMatch(/\.$/);
    }
  });
});
