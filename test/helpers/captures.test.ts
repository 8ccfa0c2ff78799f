/**
 * The traffic builder: its frames must be sound, or what is tested with them is not.
 */
import { spawnSync } from 'node:child_process';
import { describe, expect, test } from 'vitest';
import { DecodeCode, decode } from '../../src/capture/decode.ts';
import { readCapture } from '../../src/capture/capture-file.ts';
import { Packet } from '../../src/capture/packet.ts';
import { TrafficScript, webServerTraffic } from './captures.ts';
import { drain } from './drain.ts';

const hasTcpdump = spawnSync('tcpdump', ['--version']).status === 0;

function sixTraffic(): TrafficScript {
  const local = '2001:db8::4';
  const far = '2001:db8:1::1';
  const ends = { from: far, fromPort: 5000, to: local, toPort: 80 };
  return new TrafficScript(local)
    .tcp('HTTP in', ends, 'request', 'response'.repeat(500))
    .ping('ping in', far, local, 1)
    .fragmentedUdp('fragments in', ends, 3000)
    .udpUnreachable('unreachable', { ...ends, from: local, to: far }, far);
}

describe.each([
  { name: 'web server, IPv4', script: webServerTraffic() },
  { name: 'IPv6', script: sixTraffic() },
])('TrafficScript: $name', ({ script }) => {
  test('every frame decodes, and time never goes back', () => {
    const packet = new Packet();
    const source = script.source();
    let before = 0;
    while (source.next()) {
      const code = decode(source.view, source.offset, source.length, packet);
      expect(code).toBe(packet.etherType === 0x0806 ? DecodeCode.Arp : DecodeCode.Ip);
      expect(source.timestamp).toBeGreaterThan(before);
      before = source.timestamp;
    }
    expect(source.count).toBe(script.frames.length);
  });

  test('the capture file holds the same frames', () => {
    expect(drain(() => readCapture(script.captureFile(), 'x'))).toEqual(
      drain(() => script.source()),
    );
  });

  test.skipIf(!hasTcpdump)('tcpdump finds no fault (needs tcpdump)', () => {
    const { stdout, status } = spawnSync('tcpdump', ['-Z', 'root', '-nnvvr', '-'], {
      input: script.captureFile(),
      encoding: 'utf8',
    });
    expect(status).toBe(0);
    expect(stdout).toContain('cksum');
    const faults = /incorrect|bad |invalid|truncated|\[\|(?!http\])/;
    expect(stdout.split('\n').filter((line) => faults.test(line))).toEqual([]);
  });
});

test('directions are told from the workload', () => {
  const directions = new Map<string, string>();
  for (const { name, direction } of webServerTraffic().frames) {
    directions.set(name, (directions.get(name) ?? '') + direction.slice(0, 1));
  }
  expect(Object.fromEntries(directions)).toMatchObject({
    ARP: 'IO',
    'ping in': 'IOIO',
    'SSH in': 'III',
    'port scan': 'IIIIIIIIII',
    'DNS out': 'OI',
    'fragmented UDP out': 'OOOIII',
    'traceroute out': 'OI',
    'HTTP in': 'IOIIOOIOIOIOIOIO',
  });
});
