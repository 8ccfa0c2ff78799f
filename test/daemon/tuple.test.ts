/**
 * Tuples as people write them: what is read, and what is refused with a word on how to write it.
 */
import { describe, expect, test } from 'vitest';
import { CommandError, ExitCode } from '../../daemon/exit-code.ts';
import {
  parseAddress,
  parseDirection,
  parseEndpoint,
  parsePort,
  parseProtocol,
} from '../../daemon/tuple.ts';

/** The message of the usage error that `call` ends with. */
function usageError(call: () => unknown): string {
  try {
    call();
  } catch (error) {
    if (!(error instanceof CommandError)) throw error;
    expect(error.exitCode).toBe(ExitCode.Usage);
    return error.message;
  }
  throw new Error('no error');
}

describe('protocol', () => {
  const V4 = 0x0a000004;
  const V6 = 1n;
  test.each<readonly [string, number | bigint, number]>([
    ['TCP', V4, 6],
    ['tcp', V6, 6],
    ['Udp', V4, 17],
    ['icmp', V4, 1],
    ['ICMP', V6, 58],
    ['ICMPv6', V6, 58],
    ['esp', V4, 50],
    ['AH', V4, 51],
    ['0', V4, 0],
    ['47', V4, 47],
    ['255', V4, 255],
  ])('%s', (text, address, number) => {
    expect(parseProtocol(text, address)).toBe(number);
  });

  test.each(['', '256', '-1', '1e1', '0x6', 'tcp ', 'gre', '*', '1000'])(
    '%j is refused',
    (text) => {
      expect(usageError(() => parseProtocol(text, V4))).toMatch(
        /^protocol ".*": use TCP, UDP, ICMP, ESP, AH(?:, \*)? or a number from 0 to 255$/,
      );
    },
  );
});

describe('direction', () => {
  test.each<readonly [string, 0 | 1]>([
    ['Inbound', 0],
    ['inbound', 0],
    ['IN', 0],
    ['Outbound', 1],
    ['out', 1],
  ])('%s', (text, direction) => {
    expect(parseDirection(text)).toBe(direction);
  });

  test.each(['', 'inbound ', 'both', '0'])('%j is refused', (text) => {
    expect(usageError(() => parseDirection(text))).toContain('use Inbound or Outbound');
  });
});

describe('address and port', () => {
  test('addresses of both families', () => {
    expect([parseAddress('10.0.1.4'), parseAddress('::1')]).toEqual([0x0a000104, 1n]);
  });

  test.each([
    '',
    '10.0.1',
    '10.0.1.4/32',
    '010.0.0.1',
    '1.2.3.4.5',
    '256.1.1.1',
    'fe80::1%eth0',
    '[::1]',
    'localhost',
    '::1::2',
  ])('address %j is refused', (text) => {
    expect(usageError(() => parseAddress(text))).toBe(
      `${JSON.stringify(text)} is not an IPv4 or IPv6 address`,
    );
  });

  test('ports', () => {
    expect(['0', '80', '65535', '*'].map(parsePort)).toEqual([0, 80, 65_535, 0]);
  });

  test.each(['', '-1', '65536', '99999', '8 0', '0x50', '80.0', 'http', '1-2'])(
    'port %j is refused',
    (text) => {
      expect(usageError(() => parsePort(text))).toContain('use a number from 0 to 65535');
    },
  );
});

describe('endpoint', () => {
  test.each<readonly [string, number | bigint, number | undefined]>([
    ['10.0.1.4:80', 0x0a000104, 80],
    ['10.0.1.4:*', 0x0a000104, 0],
    ['10.0.1.4', 0x0a000104, undefined],
    ['[::4]:80', 4n, 80],
    ['[::4]', 4n, undefined],
    ['::4', 4n, undefined],
  ])('%s', (text, address, port) => {
    expect(parseEndpoint(text)).toEqual({ address, port });
  });

  test.each<readonly [string, RegExp]>([
    ['10.0.1.4:', /port ""/],
    [':80', /"" is not an IPv4 or IPv6 address/],
    ['10.0.1.4:80:90', /write an IPv6 address with a port as \[address\]:port/],
    ['[::4]:', /port ""/],
    ['[::4', /write an IPv6 address/],
    ['[::4]80', /write an IPv6 address/],
    ['[]:80', /"" is not/],
    ['', /"" is not/],
    ['fd00::4:99999', /write an IPv6 address with a port/],
  ])('%j is refused', (text, message) => {
    expect(usageError(() => parseEndpoint(text))).toMatch(message);
  });
});
