/**
 * IPv6 fragments whose first carries extension headers in the fragmentable part: offsets count from those, not from the
 * upper-layer header.
 */
import { expect, test } from 'vitest';
import { FragmentCode, FragmentTable } from '../../src/flowtable/fragments.ts';
import { decodeFrame } from '../helpers/decode-frame.ts';

/** Ethernet, IPv6, fragment header (next header, offset, more), data. */
function fragment(next: number, offset: number, more: number, data: number[]): Uint8Array {
  const header = [next, 0, offset >> 8, (offset & 0xf8) | more, 0, 0, 0, 7];
  const payload = [...header, ...data];
  const address = (last: number): number[] => [
    0x20,
    1,
    0xd,
    0xb8,
    0,
    0,
    0,
    0,
    0,
    0,
    0,
    0,
    0,
    0,
    0,
    last,
  ];
  const ip = [
    0x60,
    0,
    0,
    0,
    payload.length >> 8,
    payload.length & 255,
    44,
    64,
    ...address(1),
    ...address(2),
  ];
  return Uint8Array.from([2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x86, 0xdd, ...ip, ...payload]);
}

test('a later fragment over the TCP header behind destination options', () => {
  const options = [6, 7, 1, 60, ...Array<number>(60).fill(0)]; // 64 bytes, PadN
  const tcp = [0x30, 0x39, 0, 80, 0, 0, 0, 1, 0, 0, 0, 0, 0x50, 2, 1, 0, 0, 0, 0, 0, 1, 2, 3, 4];
  const table = new FragmentTable([3, 4]);
  const first = decodeFrame(fragment(60, 0, 1, [...options, ...tcp]));
  expect([first.name, first.packet.dstPort, first.packet.l4Length]).toEqual(['ip', 80, 24]);
  expect(table.isNew(first.packet, 0, 1)).toBe(true);
  table.note(first.packet, 0, 1, 1);
  const evil = decodeFrame(fragment(60, 64, 0, [0x30, 0x39, 0, 22, ...tcp.slice(4)]));
  expect(evil.name).toBe('ip');
  expect(table.later(evil.packet, 0, 1)).toBe(FragmentCode.Overlap);
});

test('a whole datagram with destination options is complete', () => {
  const options = [17, 0, 1, 4, 0, 0, 0, 0];
  const udp = [0x30, 0x39, 0, 53, 0, 24, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8];
  const table = new FragmentTable([3, 4]);
  const first = decodeFrame(fragment(60, 0, 1, [...options, ...udp]));
  table.note(first.packet, 0, 1, 1);
  const last = decodeFrame(fragment(60, 24, 0, [1, 2, 3, 4, 5, 6, 7, 8]));
  expect(table.later(last.packet, 0, 1)).toBe(FragmentCode.Allow);
  expect(table.size).toBe(0);
});
