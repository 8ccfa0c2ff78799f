import { describe, expect, test } from 'vitest';
import { TcpFlag } from '../../../src/capture/packet.ts';
import { decodeFrame } from '../../helpers/decode-frame.ts';
import { buildFrame, hexBytes } from '../../helpers/frames.ts';
import { V4, V6 } from '../../helpers/seed-frames.ts';

const PORTS = { srcPort: 1, dstPort: 2 };
const LINK = '020000000002 020000000001';
/** Version 6, no flow, next header TCP, hop limit 64; the payload length goes in between. */
const ipv6Header = (length: string): string =>
  `${LINK} 86dd 60000000 ${length} 06 40 ${'00'.repeat(15)}01 ${'00'.repeat(15)}02`;

describe('tcp', () => {
  test('taken apart: segment written by hand', () => {
    const { name, packet } = decodeFrame(
      hexBytes(
        `${ipv6Header('001b')} ffff0050 deadbeef 80000001 6f52 8000 0000 0000 01010100 aabbcc`,
      ),
    );
    expect(name).toBe('ip');
    expect(packet).toMatchObject({
      hasPorts: true,
      srcPort: 0xffff,
      dstPort: 80,
      tcpSequence: 0xdeadbeef | 0,
      tcpAcknowledgment: 0x80000001 | 0,
      tcpFlags: TcpFlag.Syn | TcpFlag.Ack | TcpFlag.Ece,
      tcpWindow: 0x8000,
      tcpPayloadLength: 3,
    });
  });

  test.each([
    ['IPv4', V4],
    ['IPv6', V6],
  ])('built: %s, padding is not payload', (_name, ip) => {
    const options = [2, 4, 5, 0xb4, 1, 1, 4, 2];
    const { packet } = decodeFrame(
      buildFrame({ ip, tcp: { ...PORTS, options, flags: 'A' }, payload: 'x', padTo: 120 }),
    );
    expect(packet).toMatchObject({ tcpPayloadLength: 1, tcpFlags: TcpFlag.Ack, l4Length: 29 });
  });

  test.each([
    ['19 bytes', '0013', '00'.repeat(19), 'malformed_tcp'],
    ['0 bytes', '0000', '', 'malformed_tcp'],
    ['data offset 0', '0014', '00010002 00000000 00000000 0002 0000 0000 0000', 'malformed_tcp'],
    ['data offset 4', '0014', '00010002 00000000 00000000 4002 0000 0000 0000', 'malformed_tcp'],
    [
      'data offset 6 of 20 bytes',
      '0014',
      '00010002 00000000 00000000 6002 0000 0000 0000',
      'malformed_tcp',
    ],
    [
      'data offset 15 of 20 bytes',
      '0014',
      '00010002 00000000 00000000 f002 0000 0000 0000',
      'malformed_tcp',
    ],
  ])('impossible length: %s', (_name, length, segment, code) => {
    expect(decodeFrame(hexBytes(`${ipv6Header(length)} ${segment} ${'ff'.repeat(20)}`)).name).toBe(
      code,
    );
  });

  test('all 256 flag bytes: only those that some TCP sends are fit', () => {
    const { Fin, Syn, Rst, Psh, Ack, Urg } = TcpFlag;
    // Combinations of FIN, SYN, RST and ACK in RFC 9293; PSH, URG and the ECN bits come with any of them.
    const sent = new Set<number>([Syn, Syn | Ack, Ack, Fin | Ack, Rst, Rst | Ack]);
    for (let flags = 0; flags < 256; flags++) {
      const essential = flags & ~(Psh | Urg | TcpFlag.Ece | TcpFlag.Cwr);
      const { name, packet } = decodeFrame(buildFrame({ ip: V4, tcp: { ...PORTS, flags } }));
      expect(name, `flags 0x${flags.toString(16)}`).toBe(
        sent.has(essential) ? 'ip' : 'impossible_tcp_flags',
      );
      expect(packet.hasPorts).toBe(sent.has(essential));
    }
  });

  test.each([
    ['null', ''],
    ['xmas', 'FPU'],
    ['FIN alone', 'F'],
    ['SYN and FIN', 'SF'],
    ['SYN and RST', 'SR'],
    ['all', 'FSRPAUEC'],
    ['ECE alone (CVE-2001-0183)', 'E'],
  ])('scan: %s', (_name, flags) => {
    expect(decodeFrame(buildFrame({ ip: V6, tcp: { ...PORTS, flags } })).name).toBe(
      'impossible_tcp_flags',
    );
  });

  test('reserved bits and option bytes are not judged', () => {
    const frame = buildFrame({ ip: V4, tcp: { ...PORTS, options: [8, 0, 0, 0] } });
    frame[14 + 20 + 12] = (frame[14 + 20 + 12] ?? 0) | 0x0f;
    expect(decodeFrame(frame).name).toBe('ip');
  });
});
