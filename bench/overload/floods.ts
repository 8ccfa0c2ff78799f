/**
 * What somebody who wants the filter to give up would send: each flood as one frame and the fields in which its copies differ.
 * Addresses change together with the identification, so that the checksum of the IPv4 header stays right.
 */
import { buildFrame, type FrameSpec } from '../../test/helpers/frames.ts';
import type { GeneratorOptions } from '../generator.ts';
import { ALLOWED_PORT, DENIED_PORT, LOCAL } from '../rules/trial-policy.ts';
import type { Field } from '../traffic/live-program.ts';

const IPV4_ID = 18;
const SOURCE_LOW = 28;
const SOURCE_PORT = 34;
/** Upper half of the remote addresses, 203.0.0.0/16: far from the hosts of the bed. */
const SOURCE = '203.0.0.0';
const WORD = 0xffff;
const WORD_BITS = 16;
/** Ports that are not 0: such a packet is dropped before anything is asked. */
const PORT_BASE = 1024;
const PORT_MASK = 0x7fff;

export const FLOODS = [
  'syn, random sources',
  'udp, random sources, allowed: a flow each',
  'udp, random sources, denied by the last of the rules',
  'ack scan',
  'fragments, never completed',
] as const;
export type Flood = (typeof FLOODS)[number];

const ip = { src: SOURCE, dst: LOCAL[4] };

const TEMPLATES: Readonly<Record<Flood, FrameSpec>> = {
  'syn, random sources': { ip, tcp: { srcPort: 0, dstPort: ALLOWED_PORT, flags: 'S' } },
  'udp, random sources, allowed: a flow each': {
    ip,
    udp: { srcPort: 0, dstPort: ALLOWED_PORT, checksum: 0 },
  },
  'udp, random sources, denied by the last of the rules': {
    ip,
    udp: { srcPort: 0, dstPort: DENIED_PORT, checksum: 0 },
  },
  'ack scan': { ip, tcp: { srcPort: 0, dstPort: ALLOWED_PORT, flags: 'A' } },
  'fragments, never completed': {
    ip: { ...ip, moreFragments: true },
    udp: { srcPort: 4000, dstPort: ALLOWED_PORT, checksum: 0, length: 2000 },
    payload: new Uint8Array(24),
  },
};

/** The sources run through 65,536 addresses, scattered, and 32,768 ports. */
export function floodTraffic(flood: Flood): Pick<GeneratorOptions, 'frame' | 'fields'> {
  const address = { bytes: 2, mask: WORD, isScattered: true } as const;
  const fields: Field[] = [
    { ...address, at: SOURCE_LOW, base: 0 },
    { ...address, at: IPV4_ID, base: WORD, isNegative: true },
  ];
  const isPortFree = flood !== 'fragments, never completed';
  if (isPortFree) {
    fields.push({
      at: SOURCE_PORT,
      bytes: 2,
      base: PORT_BASE,
      mask: PORT_MASK,
      shift: WORD_BITS / 2,
      isScattered: true,
    });
  }
  return { frame: buildFrame({ ...TEMPLATES[flood], padTo: 60 }), fields };
}
