/**
 * DPDK's ACL library on a rule set and its trace, by DPDK's own test program: the matcher alone, on headers in memory.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { RuleSetFiles } from '../rules/set-files.ts';
import { missingProgram } from './process.ts';

export type AclAlgorithm = 'scalar' | 'default';

export interface AclMeasurement {
  readonly nanoseconds: number;
  /** Bytes that lookups need; undefined where the program does not say. */
  readonly memoryBytes: number | undefined;
}

const CORE = '1';
/** The trace over and over, for about half a second. */
const LOOKUPS = 10_000_000;
const MEMORY_MB = '4096';
const TIMEOUT_MS = 120_000;
/** What follows the protocol in a line of ClassBench; the program does not take it. */
const FLAGS = /\s+0x[0-9a-f]+\/0x[0-9a-f]+\s*$/i;
const TRAILING_COLUMNS = /^((?:\S+\s+){5}).*$/;

export function dpdkAclObstacle(): string | undefined {
  return missingProgram({ 'dpdk-test-acl': 'dpdk-dev' });
}

/** One run of the program: build, then lookups on one core. @throws Error when its output is not understood */
export function measureDpdkAcl(files: RuleSetFiles, algorithm: AclAlgorithm): AclMeasurement {
  const folder = mkdtempSync(join(tmpdir(), 'nsgd-acl-'));
  try {
    const rules = join(folder, 'rules');
    const trace = join(folder, 'trace');
    const packets = lines(files.trace);
    writeFileSync(rules, `${lines(files.rules).map(withoutFlags).join('\n')}\n`);
    writeFileSync(
      trace,
      `${packets.map((line) => line.replace(TRAILING_COLUMNS, '$10\t0')).join('\n')}\n`,
    );
    const isIpv6 = packets[0]?.includes(':') === true;
    const { stdout, stderr } = spawnSync(
      'dpdk-test-acl',
      [
        ...['-l', CORE, '-n', '1', '--no-huge', '-m', MEMORY_MB, '--no-pci', '--no-telemetry'],
        ...['--log-level=lib.acl:debug', `--file-prefix=acl${process.pid}`, '--'],
        ...[`--rulesf=${rules}`, `--tracef=${trace}`, `--tracenum=${packets.length}`],
        ...[`--iter=${Math.ceil(LOOKUPS / packets.length)}`, '--verbose=0', '--bldcat=1'],
        ...(algorithm === 'default' ? [] : [`--alg=${algorithm}`]),
        ...(isIpv6 ? ['--ipv6'] : []),
      ],
      { encoding: 'utf8', timeout: TIMEOUT_MS },
    );
    const output = `${stdout}${stderr}`;
    const rate = Number(/([\d.]+) pkt\/sec/.exec(output)?.[1]);
    if (!(rate > 0)) throw new Error(`dpdk-test-acl said something new:\n${output}`);
    // Building tries several layouts, each with its own line.
    const sizes = [...output.matchAll(/^total: (\d+) bytes/gm)].map(([, bytes]) => Number(bytes));
    return {
      nanoseconds: 1e9 / rate,
      memoryBytes: sizes.length === 0 ? undefined : Math.max(...sizes),
    };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function lines(path: string): string[] {
  return readFileSync(path, 'latin1')
    .split('\n')
    .filter((line) => line.trim() !== '');
}

/** A generated line has no flags to take away, and its protocol looks like them. */
function withoutFlags(line: string): string {
  const columns = line.trim().split(/\s+/);
  return columns.length > 9 ? line.replace(FLAGS, '') : line;
}
