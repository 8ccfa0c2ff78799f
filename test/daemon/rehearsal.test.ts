/**
 * The rehearsal takes the ways of real traffic.
 */
import { spawnSync } from 'node:child_process';
import { expect, test } from 'vitest';
import { rehearse } from '../../daemon/data-plane/rehearsal.ts';
import { FIRST_MALFORMED, reasonNames } from '../../src/engine/reason.ts';
import { compiled } from '../helpers/compiled.ts';

/** None comes in a rehearsal: the decoder drops such segments before, and a frame is never so long or no Ethernet frame. */
const NEVER = new Set(['tcp_invalid', 'oversize', 'unsupported_link_type']);

test('a rehearsal meets every reason', () => {
  const counters = rehearse();
  const met = reasonNames.filter(
    (_, reason) => counters.reasonFrames(0, reason) + counters.reasonFrames(1, reason) >= 8,
  );
  const wanted = reasonNames.slice(0, FIRST_MALFORMED).filter((name) => !NEVER.has(name));
  expect(met).toEqual(expect.arrayContaining(wanted));
});

/** Functions whose compiled code V8 threw away because it came to a place that it never was at. */
function thrownAway(...args: readonly string[]): string[] {
  const program = compiled('test/daemon/fixtures/first-times.ts');
  const { stdout, stderr } = spawnSync(process.execPath, ['--trace-deopt', program, ...args], {
    encoding: 'utf8',
  });
  const [, measured] = /^first times$([^]*)^over$/m.exec(stdout) ?? [];
  if (measured === undefined) throw new Error(`no trace: ${stderr}`);
  return [...measured.matchAll(/reason: Insufficient type feedback.*<JSFunction (\S+)/g)].map(
    ([, name]) => name ?? '',
  );
}

test('what happens for the first time costs no compiled code', () => {
  expect(thrownAway().length).toBeGreaterThan(5);
  expect(thrownAway('rehearsed')).toEqual([]);
});
