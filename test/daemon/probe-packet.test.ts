/**
 * The packets of `nsgd probe`: sound, with right checksums; and which packets count as an answer to one.
 */
import { describe, expect, test } from 'vitest';
import { decode, DecodeCode } from '../../src/capture/decode.ts';
import { IpProtocol, Packet, TcpFlag } from '../../src/capture/packet.ts';
import { internetChecksum, pseudoHeaderSum } from '../../src/capture/wire/checksum.ts';
import { answerOf, probeFrame, probePacket, type ProbeTuple } from '../../daemon/probe/packet.ts';
import { parseAddress } from '../../daemon/tuple.ts';
import { packetEndpoints } from '../../daemon/packet-text.ts';
import { buildFrame, buildIcmpError, type FrameSpec, viewOf } from '../helpers/frames.ts';
import { icmp, tcp, udp } from '../helpers/pipeline-rig.ts';

const { Tcp, Udp, Icmp, Icmpv6 } = IpProtocol;
const FROM = '203.0.113.9';
const TO = '10.0.1.4';
const FROM6 = '2001:db8::9';
const TO6 = 'fd00::4';

function tupleOf(protocol: number, from: string, to: string): ProbeTuple {
  const hasPorts = protocol === Tcp || protocol === Udp;
  const [source, destination] = [parseAddress(from), parseAddress(to)];
  const toPort = hasPorts ? 80 : 0;
  return { protocol, from: source, to: destination, fromPort: 40_000, toPort, sequence: 7 };
}

describe('a probe', () => {
  test.each<readonly [string, ProbeTuple, string, string]>([
    ['TCP', tupleOf(Tcp, FROM, TO), `${FROM}:40000`, `${TO}:80`],
    ['UDP', tupleOf(Udp, FROM, TO), `${FROM}:40000`, `${TO}:80`],
    ['ping', tupleOf(Icmp, FROM, TO), FROM, TO],
    ['TCP over IPv6', tupleOf(Tcp, FROM6, TO6), `[${FROM6}]:40000`, `[${TO6}]:80`],
    ['UDP over IPv6', tupleOf(Udp, FROM6, TO6), `[${FROM6}]:40000`, `[${TO6}]:80`],
    ['ping over IPv6', tupleOf(Icmpv6, FROM6, TO6), FROM6, TO6],
  ])('%s is a sound packet with a right checksum', (_, tuple, source, destination) => {
    const frame = probeFrame(tuple);
    const view = viewOf(frame);
    const packet = new Packet();
    expect(decode(view, 0, frame.length, packet)).toBe(DecodeCode.Ip);
    expect(packetEndpoints(packet)).toEqual({ source, destination });
    const initial = tuple.protocol === Icmp ? 0 : pseudoHeaderSum(packet, packet.l4Length);
    expect(internetChecksum(view, packet.l4Offset, packet.l4Length, initial)).toBe(0);
    if (tuple.protocol === Tcp) {
      expect([packet.tcpFlags, packet.tcpSequence, packet.tcpPayloadLength]).toEqual([
        TcpFlag.Syn,
        7,
        0,
      ]);
    }
    if (!packet.hasPorts) expect(packet.icmpId).toBe(40_000);
    const sent = probePacket(tuple);
    const isIpv4 = packet.ipVersion === 4;
    expect([...sent]).toEqual([...frame.subarray(isIpv4 ? 14 : 54)]);
  });
});

describe('an answer', () => {
  const syn = tupleOf(Tcp, FROM, TO);
  const datagram = tupleOf(Udp, FROM, TO);
  const ping = tupleOf(Icmp, FROM, TO);
  const server = `${TO}:80`;
  const client = `${FROM}:40000`;
  const error = (tuple: ProbeTuple): Uint8Array =>
    buildIcmpError({ src: '10.0.1.1', dst: FROM, type: 3, code: 13, quoted: probeFrame(tuple) });

  test.each<readonly [string, ProbeTuple, FrameSpec | Uint8Array, string | undefined]>([
    ['SYN+ACK', syn, tcp(server, client, 'SA'), 'SYN+ACK'],
    ['RST', syn, tcp(server, client, 'RA'), 'RST'],
    ['a bare ACK', syn, tcp(server, client, 'A'), undefined],
    ['a SYN+ACK for another port', syn, tcp(server, `${FROM}:40001`, 'SA'), undefined],
    ['a SYN+ACK from another port', syn, tcp(`${TO}:81`, client, 'SA'), undefined],
    ['a SYN+ACK from another host', syn, tcp(`10.0.1.5:80`, client, 'SA'), undefined],
    ['the probe itself', syn, tcp(client, server, 'S'), undefined],
    ['a datagram', datagram, udp(server, client), 'datagram'],
    ['TCP for a datagram', datagram, tcp(server, client, 'SA'), undefined],
    ['an echo reply', ping, icmp(TO, FROM, 0, 40_000), 'echo reply'],
    ['the reply to another ping', ping, icmp(TO, FROM, 0, 40_001), undefined],
    ['an echo request', ping, icmp(TO, FROM, 8, 40_000), undefined],
    ['an error about it', syn, error(syn), 'ICMP error'],
    ['an error about a ping', ping, error(ping), 'ICMP error'],
    ['an error about another', syn, error({ ...syn, fromPort: 1 }), undefined],
    ['an error about another port', datagram, error({ ...datagram, toPort: 1 }), undefined],
    ['an error about another protocol', datagram, error(syn), undefined],
    ['garbage', syn, new Uint8Array(20), undefined],
  ])('%s', (_, tuple, spec, kind) => {
    const frame = spec instanceof Uint8Array ? spec : buildFrame(spec);
    const message = frame.subarray(14);
    const answer = answerOf(tuple, message, tuple.protocol, TO);
    expect(answer?.kind).toBe(kind);
    if (kind === 'ICMP error') {
      expect(answer).toMatchObject({ from: '10.0.1.1', icmpType: 3, icmpCode: 13 });
    }
  });

  test('over IPv6, where the header is made from what the socket tells', () => {
    const tuple = tupleOf(Tcp, FROM6, TO6);
    const message = buildFrame(tcp(`[${TO6}]:80`, `[${FROM6}]:40000`, 'SA')).subarray(54);
    expect(answerOf(tuple, message, Tcp, `${TO6}%eth0`)).toEqual({
      kind: 'SYN+ACK',
      from: `[${TO6}]:80`,
    });
    expect(answerOf(tuple, message, Tcp, FROM6)).toBeUndefined();
  });
});
