/**
 * Nothing that a packet carries reaches a terminal, a log or a metric as it came (row 57 of the catalogue).
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { MemorySource } from '../../src/capture/memory.ts';
import { encodeCapture } from '../../src/capture/pcap-writer.ts';
import { buildFrame, type FrameSpec } from '../helpers/frames.ts';
import { nsgd } from '../helpers/nsgd.ts';
import { tcp, udp } from '../helpers/pipeline-rig.ts';

const MARK = 'owned';
const ESCAPES = `\u001b[2J\u001b]0;${MARK}\u0007\r\n# HELP ${MARK}{y="z"} 1\n\${jndi:ldap://${MARK}}\u0000\u009b`;
/** Escape and the letters of the mark as addresses, ports, link addresses and protocol: bytes that text is made of. */
const IN_FIELDS: readonly FrameSpec[] = [
  { ...udp('27.91.50.74:6939', '10.0.1.4:6958'), srcMac: '1b:5b:32:4a:0d:0a' },
  {
    ip: {
      src: '111.119.110.101',
      dst: '10.0.1.4',
      protocol: 27,
      options: [7, 7, 4, 27, 91, 50, 74],
    },
    raw: [27],
  },
  { etherType: 0x1b5b, raw: new TextEncoder().encode(ESCAPES) },
  {
    vlans: [{ vid: 0x1b }, { vid: 0xa }],
    ...tcp('203.0.113.9:1', '10.0.1.4:80', 'S', { payload: ESCAPES }),
  },
];
const folder = mkdtempSync(join(tmpdir(), 'nsgd-injection-'));
afterAll(() => rmSync(folder, { recursive: true }));

test.each(['table', 'json'])('nothing that a packet carries is printed, as %s', (format) => {
  const capture = join(folder, 'hostile.pcap');
  const frames = [
    tcp('203.0.113.9:1000', '10.0.1.4:80', 'S', { payload: ESCAPES }),
    udp('203.0.113.9:1000', '10.0.1.4:514', { payload: ESCAPES }),
    ...IN_FIELDS,
  ].map((spec) => buildFrame(spec));
  writeFileSync(capture, encodeCapture(MemorySource.of(frames)));
  const options = ['--per-packet', '-o', format];
  const { status, stdout, stderr } = nsgd([
    'replay',
    capture,
    '-c',
    'test/golden/web-server.yaml',
    ...options,
  ]);
  expect(stderr).toBe('');
  expect(status).toBe(0);
  expect(stdout.split('\n').length).toBeGreaterThanOrEqual(frames.length);
  expect(stdout).not.toContain(MARK);
  expect(stdout).toMatch(/^[\n\x20-\x7e]*$/);
});
