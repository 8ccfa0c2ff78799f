/**
 * The demo without root: a capture of a small web server's minute, written by the project's own builder, judged by
 * `nsgd replay`.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TrafficScript, webServerTraffic } from '../test/helpers/captures.ts';
import { nsgd } from '../test/helpers/daemon.ts';
import { Account, say } from './account.ts';
import { demoConfiguration, GATEWAYS, VM1 } from './policy.ts';

const FORWARDED = 'forwarded';
const DROPPED = 'dropped';
/** Nobody's rule: a frame of a flow, or one the link itself needs. */
const NO_RULE = '-';

/** What becomes of each conversation, and the rules that its packets met. */
const EXPECTED: readonly (readonly [string, string, ...string[]])[] = [
  ['ARP', FORWARDED, NO_RULE],
  ['HTTP in', FORWARDED, 'securityRules/AllowHttp'],
  ['ping in', FORWARDED, 'securityRules/AllowPing'],
  ['SSH in', DROPPED, 'defaultSecurityRules/DenyAllInBound'],
  ['port scan', DROPPED, 'defaultSecurityRules/DenyAllInBound', 'securityRules/DenyAdmin'],
  ['stray ACK to port 80', DROPPED, NO_RULE],
  ['unasked UDP in', DROPPED, 'defaultSecurityRules/DenyAllInBound'],
  ['DNS out', FORWARDED, 'defaultSecurityRules/AllowInternetOutBound'],
  ['HTTPS out', FORWARDED, 'defaultSecurityRules/AllowInternetOutBound'],
  ['fragmented UDP out', FORWARDED, 'defaultSecurityRules/AllowInternetOutBound'],
  ['traceroute out', FORWARDED, 'defaultSecurityRules/AllowInternetOutBound'],
  ['ping out', FORWARDED, 'defaultSecurityRules/AllowInternetOutBound'],
];

interface JudgedPacket {
  readonly number: number;
  readonly access: 'Allow' | 'Deny';
  readonly ruleName: string | null;
}

/** @returns how many conversations ended differently from what was expected */
export function runReplayedDemo(): number {
  const directory = mkdtempSync(join(tmpdir(), 'nsgd-demo-'));
  try {
    return perform(directory);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

function perform(directory: string): number {
  const capture = join(directory, 'web-server.pcap');
  const configuration = join(directory, 'nsgd.yaml');
  const traffic = webServerTraffic(VM1, GATEWAYS.vm1);
  writeFileSync(capture, traffic.captureFile());
  writeFileSync(configuration, demoConfiguration()({}));
  const options = ['--config', configuration, '--nic', 'vm1'];
  const packets = nsgd(['replay', capture, ...options, '--per-packet', '-o', 'ndjson']);
  const judged = packets.stdout
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line) as JudgedPacket);

  const account = new Account();
  for (const [name, expected, ...rules] of EXPECTED) {
    const rows = judged.filter(({ number }) => traffic.frames[number - 1]?.name === name);
    account.add({
      what: name,
      expected,
      seen: fate(rows),
      expectedRules: rules,
      rules: rulesOf(rows),
    });
  }
  addTotals(account, traffic, judged);
  say('');
  account.print();
  say('\nnsgd replay web-server.pcap --config nsgd.yaml --nic vm1');
  say(nsgd(['replay', capture, ...options]).stdout.trimEnd());
  return account.differences;
}

/** No frame is lost: as many verdicts as frames. */
function addTotals(
  account: Account,
  traffic: TrafficScript,
  judged: readonly JudgedPacket[],
): void {
  account.add({
    what: 'all frames',
    expected: `${traffic.frames.length} judged`,
    seen: `${judged.length} judged`,
    expectedRules: [],
    rules: [],
  });
}

function fate(rows: readonly JudgedPacket[]): string {
  const verdicts = new Set(rows.map(({ access }) => access));
  if (verdicts.size !== 1) return verdicts.size === 0 ? 'not judged' : 'partly forwarded';
  return verdicts.has('Allow') ? FORWARDED : DROPPED;
}

function rulesOf(rows: readonly JudgedPacket[]): string[] {
  const names = rows.flatMap(({ ruleName }) => (ruleName === null ? [] : [ruleName]));
  return names.length === 0 ? [NO_RULE] : [...new Set(names)];
}
