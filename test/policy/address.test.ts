/**
 * Address text: every accepted and refused spelling, and agreement with ipaddr.js on random addresses.
 */
import ipaddr from 'ipaddr.js';
import { describe, expect, test } from 'vitest';
import {
  contains,
  explainPrefixFault,
  formatAddressSet,
  formatIpv4,
  formatIpv6,
  formatPrefix,
  overlaps,
  parseIpv4,
  parseIpv6,
  parsePrefix,
  setOf,
} from '../../src/policy/address.ts';
import type { Prefix } from '../../src/policy/address.ts';
import { ANY_ADDRESS, NO_ADDRESS } from '../../src/engine/address-set.ts';
import { Random } from '../helpers/random.ts';

function prefixOf(text: string): Prefix {
  const prefix = parsePrefix(text);
  if (typeof prefix === 'string') throw new Error(`${text}: ${prefix}`);
  return prefix;
}

describe('parsePrefix takes', () => {
  test.each([
    ['a single address', '8.8.8.8', '8.8.8.8/32'],
    ['a prefix', '10.0.0.0/8', '10.0.0.0/8'],
    ['all of IPv4', '0.0.0.0/0', '0.0.0.0/0'],
    ['the last address', '255.255.255.255/32', '255.255.255.255/32'],
    ['the upper half', '128.0.0.0/1', '128.0.0.0/1'],
    ['an IPv6 address', 'FD00:DB8::4', 'fd00:db8::4/128'],
    ['all of IPv6', '::/0', '::/0'],
    ['a leading gap', '::1', '::1/128'],
    ['a trailing gap', '2001:db8::/32', '2001:db8::/32'],
    ['eight groups', '1:2:3:4:5:6:7:8', '1:2:3:4:5:6:7:8/128'],
    ['an IPv4 tail', '::ffff:1.2.3.4', '::ffff:102:304/128'],
    ['an IPv4 tail after six groups', '1:2:3:4:5:6:1.2.3.4', '1:2:3:4:5:6:102:304/128'],
    ['an odd mask', 'fe80::/10', 'fe80::/10'],
  ])('%s', (_, text, canonical) => {
    expect(formatPrefix(prefixOf(text))).toBe(canonical);
  });
});

describe('parsePrefix refuses', () => {
  test.each([
    ['nothing', '', 'syntax'],
    ['a name', 'Internet', 'syntax'],
    ['a dotted name', 'Storage.WestEurope', 'syntax'],
    ['three parts', '10.0.0', 'syntax'],
    ['five parts', '10.0.0.0.0', 'syntax'],
    ['a part above 255', '10.0.0.256', 'syntax'],
    ['a leading zero', '010.0.0.1', 'syntax'],
    ['two zeros', '10.00.0.1', 'syntax'],
    ['a missing part', '10..0.1', 'syntax'],
    ['a space', ' 10.0.0.1', 'syntax'],
    ['hexadecimal', '0x0a.0.0.1', 'syntax'],
    ['a range', '10.0.0.1-10.0.0.9', 'syntax'],
    ['mask 33', '10.0.0.0/33', 'mask'],
    ['no mask', '10.0.0.0/', 'mask'],
    ['a zero-led mask', '10.0.0.0/08', 'mask'],
    ['a dotted mask', '10.0.0.0/255.0.0.0', 'mask'],
    ['two masks', '10.0.0.0/8/8', 'mask'],
    ['host bits', '50.206.209.68/27', 'host bits'],
    ['seven groups', '1:2:3:4:5:6:7', 'syntax'],
    ['nine groups', '1:2:3:4:5:6:7:8:9', 'syntax'],
    ['two gaps', '1::2::3', 'syntax'],
    ['a gap for nothing', '1:2:3:4::5:6:7:8', 'syntax'],
    ['a zone', 'fe80::1%eth0', 'syntax'],
    ['a long group', '12345::', 'syntax'],
    ['three colons', ':::', 'syntax'],
    ['a leading colon', ':1::', 'syntax'],
    ['a trailing colon', '1:2:3:4:5:6:7:', 'syntax'],
    ['a group that is no number', 'g::', 'syntax'],
    ['IPv4 after seven groups', '1:2:3:4:5:6:7:1.2.3.4', 'syntax'],
    ['IPv4 in the middle', '::1.2.3.4:5', 'syntax'],
    ['IPv4 before the gap', '1.2.3.4::', 'syntax'],
    ['IPv6 mask 129', '::/129', 'mask'],
    ['IPv6 host bits', '2001:db8::1/32', 'host bits'],
  ])('%s', (_, text, fault) => {
    expect(parsePrefix(text)).toBe(fault);
  });
});

test('agrees with ipaddr.js on random addresses', () => {
  const random = new Random();
  for (let round = 0; round < 2000; round++) {
    const ipv4 = random.uint32();
    const text4 = formatIpv4(ipv4);
    expect(parseIpv4(text4), `seed ${random.seed}`).toBe(ipv4);
    expect(ipaddr.IPv4.parse(text4).toByteArray().join('.'), `seed ${random.seed}`).toBe(text4);
    // Groups of zero are common, so that gaps of every length and place occur.
    const groups = Array.from({ length: 8 }, () =>
      random.below(2) === 0 ? 0 : random.below(65536),
    );
    const address = new ipaddr.IPv6(groups);
    const expected = groups.reduce((value, group) => (value << 16n) | BigInt(group), 0n);
    for (const text6 of [address.toString(), address.toNormalizedString()]) {
      expect(parseIpv6(text6), `seed ${random.seed} ${text6}`).toBe(expected);
    }
    expect(parseIpv6(formatIpv6(expected)), `seed ${random.seed}`).toBe(expected);
  }
});

describe('explainPrefixFault', () => {
  test.each([
    ['syntax', 'Internet', 'is no IP address or prefix'],
    ['IPv4 mask', '10.0.0.0/33', 'needs a mask of 0 to 32 after the slash'],
    ['IPv6 mask', '::/129', 'needs a mask of 0 to 128 after the slash'],
    [
      'host bits',
      '50.206.209.68/27',
      'has bits set to the right of its mask; the prefix is 50.206.209.64/27',
    ],
    [
      'IPv6 host bits',
      '2001:db8::1/32',
      'has bits set to the right of its mask; the prefix is 2001:db8::/32',
    ],
  ])('%s', (_, text, message) => {
    const fault = parsePrefix(text);
    if (typeof fault !== 'string') throw new Error('the row is no fault');
    expect(explainPrefixFault(text, fault)).toBe(message);
  });
});

describe('relations', () => {
  test.each([
    ['same', '10.0.0.0/8', '10.0.0.0/8', true, true],
    ['inside', '10.0.0.0/8', '10.1.0.0/16', true, true],
    ['around', '10.1.0.0/16', '10.0.0.0/8', false, true],
    ['beside', '10.0.0.0/9', '10.128.0.0/9', false, false],
    ['IPv6 inside', 'fd00::/8', 'fd00:1::/32', true, true],
    ['other family', '0.0.0.0/0', '::/0', false, false],
  ])('%s', (_, a, b, isContained, isOverlapping) => {
    expect(contains(prefixOf(a), prefixOf(b))).toBe(isContained);
    expect(overlaps(prefixOf(a), prefixOf(b))).toBe(isOverlapping);
  });
});

describe('formatAddressSet', () => {
  test.each([
    ['any', ANY_ADDRESS, ['0.0.0.0/0', '::/0']],
    ['none', NO_ADDRESS, []],
    [
      'an unaligned interval',
      { ipv4: [[1, 6]] as const, ipv6: [] },
      ['0.0.0.1/32', '0.0.0.2/31', '0.0.0.4/31', '0.0.0.6/32'],
    ],
    [
      'the top of both',
      setOf('255.255.255.254/31', 'ffff::/16'),
      ['255.255.255.254/31', 'ffff::/16'],
    ],
    ['merged halves', setOf('10.128.0.0/9', '10.0.0.0/9'), ['10.0.0.0/8']],
    ['all but the first', { ipv4: [], ipv6: [[1n, 3n]] as const }, ['::1/128', '::2/127']],
  ])('%s', (_, set, texts) => {
    expect(formatAddressSet(set)).toEqual(texts);
  });

  test('setOf refuses a text that is no prefix', () => {
    expect(() => setOf('10.0.0.1/8')).toThrow('10.0.0.1/8 is no prefix: host bits');
  });
});
