import { describe, expect, test } from 'vitest';

import {
  add,
  assemble,
  call,
  exit,
  fetchAdd,
  jump,
  jumpIfAtLeast,
  jumpIfGreater,
  label,
  load,
  loadMapValue,
  set,
  store,
  toBigEndian,
} from '../../daemon/native/bpf-assembler.ts';
import { hashKeyFrom } from '../../src/flowtable/hash.ts';
import type { ProgramParts } from '../../src/capture/live/af-xdp/system.ts';
import { Bpf, BpfProgramError, MapType } from '../../daemon/native/bpf.ts';
import { findFunction, kernelFunction } from '../../daemon/native/btf.ts';
import { redirectProgram } from '../../daemon/native/xdp-program.ts';
import { liveTestObstacle } from '../helpers/network-namespace.ts';

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}

const XDP_DROP = 1;

/** One instruction per line, as `llvm-objdump -d` shows the bytes. */
function listing(program: Uint8Array): string[] {
  const lines: string[] = [];
  for (let at = 0; at < program.length; at += 8) lines.push(hex(program.subarray(at, at + 8)));
  return lines;
}

describe('the assembler', () => {
  test.each([
    ['r0 = 1', set(0, 1), 'b700000001000000'],
    ['r4 += -18', add(4, -18), '07040000eeffffff'],
    ['r2 = *(u32 *)(r1 + 16)', load(2, 1, 16, 4), '6112100000000000'],
    ['r4 = *(u64 *)(r2 + 4)', load(4, 2, 4, 8), '7924040000000000'],
    ['*(u16 *)(r2 + 34) = r8', store(2, 34, 8, 2), '6b82220000000000'],
    ['lock r7 = fetch_add(*(u64 *)r5, r7)', fetchAdd(5, 0, 7, 8), 'db75000001000000'],
    ['r8 = be16 r8', toBigEndian(8, 16), 'dc08000010000000'],
    ['call 51', call(51), '8500000033000000'],
    ['exit', exit(), '9500000000000000'],
    ['r5 = map value 9 + 0', loadMapValue(5, 9, 0), '18250000090000000000000000000000'],
  ])('%s', (_, instruction, bytes) => {
    expect(hex(assemble([instruction]))).toBe(bytes);
  });
});

describe('labels', () => {
  test('are as far as they are', () => {
    const program = assemble([
      jumpIfGreater(4, 3, 'end'),
      jumpIfAtLeast(8, 7, 'end'),
      jump('end'),
      loadMapValue(5, 9, 0),
      label('end'),
      exit(),
    ]);
    expect(listing(program).slice(0, 3)).toEqual([
      '2d34040000000000', // if r4 > r3 goto +4
      '3508030007000000', // if r8 >= 7 goto +3
      '0500020000000000', // goto +2
    ]);
  });

  test('before their jump are refused', () => {
    expect(() => assemble([label('start'), jump('start')])).toThrow(
      new RangeError('no label start behind its jump'),
    );
  });
});

test('the program asks for the tag first, and goes on to the same end', () => {
  const parts: ProgramParts = {
    sockets: 5,
    queues: 6,
    marks: 7,
    buckets: 256,
    hashKey: hashKeyFrom(1, 2),
    side: 0,
    reserve: 16,
    linkReserve: 8,
  };
  const plain = listing(redirectProgram(parts));
  const lines = listing(redirectProgram(parts, 66164));
  expect(plain.slice(-6)).toEqual([
    '6162100000000000', // r2 = *(u32 *)(r6 + 16)   rx_queue_index
    '1811000005000000', // r1 = map 5
    '0000000000000000',
    'b703000001000000', // r3 = XDP_DROP
    '8500000033000000', // call bpf_redirect_map
    '9500000000000000', // exit
  ]);
  expect(lines.slice(-plain.length + 1)).toEqual(plain.slice(1));
  const question = lines.indexOf('8520000074020100'); // call kernel function 66164
  expect(question).toBeGreaterThan(0);
  const skipped = Buffer.from(lines[question + 1] ?? '', 'hex').readInt16LE(2);
  expect(question + 2 + skipped).toBe(lines.length - plain.length + 1);
});

describe('kernel functions', () => {
  /** Type information with an int, a struct of two members, a function prototype and functions. */
  function typeInformation(names: readonly string[]): Buffer {
    const strings = `\0${names.map((name) => `${name}\0`).join('')}`;
    const word = (...values: readonly number[]): Buffer =>
      Buffer.from(Uint32Array.from(values).buffer);
    const kind = (number: number, members = 0): number => (number << 24) | members;
    const types = [
      word(0, kind(1), 4, 32), // 1: int
      word(0, kind(4, 2), 8, 0, 1, 0, 0, 1, 32), // 2: struct { int, int }
      word(0, kind(13, 1), 1, 0, 1), // 3: int (int)
      ...names.map((name) => word(strings.indexOf(`\0${name}\0`) + 1, kind(12), 3)),
    ];
    const body = Buffer.concat(types);
    const header = Buffer.alloc(24);
    header.writeUInt16LE(0xeb9f, 0);
    header.writeUInt32LE(24, 4);
    header.writeUInt32LE(body.length, 12);
    header.writeUInt32LE(body.length, 16);
    header.writeUInt32LE(strings.length, 20);
    return Buffer.concat([header, body, Buffer.from(strings, 'latin1')]);
  }

  test('are numbered in the order of all types', () => {
    const information = typeInformation(['xtag', 'tag', 'tagged']);
    expect(['xtag', 'tag', 'tagged'].map((name) => findFunction(information, name))).toEqual([
      4, 5, 6,
    ]);
  });

  test('that are not there have no number', () => {
    expect(findFunction(typeInformation(['xtag']), 'tag')).toBeUndefined();
    expect(findFunction(Buffer.alloc(64), 'tag')).toBeUndefined();
    expect(kernelFunction('no_such_function_anywhere')).toBeUndefined();
  });
});

const obstacle = liveTestObstacle();
describe.skipIf(obstacle !== undefined)(`the kernel (${obstacle ?? 'live'})`, () => {
  test('takes our programs and runs them', () => {
    const bpf = new Bpf();
    const counter = bpf.createMap(MapType.Array, 8, 1);
    const counting = assemble([
      loadMapValue(5, counter, 0),
      set(7, 1),
      fetchAdd(5, 0, 7, 8),
      set(0, XDP_DROP),
      exit(),
    ]);
    const program = bpf.loadXdpProgram(counting);
    // Drops its frames, so that none goes anywhere.
    expect(bpf.runLive(program, new Uint8Array(60), 1000)).toBe(true);
    for (const descriptor of [program, counter]) bpf.close(descriptor);
  });

  test('says what is wrong with a program', () => {
    const bpf = new Bpf();
    const broken = assemble([load(0, 1, 4000, 4), exit()]);
    let error: unknown;
    try {
      bpf.loadXdpProgram(broken);
    } catch (caught) {
      error = caught;
    }
    expect(error).toBeInstanceOf(BpfProgramError);
    expect(error).toMatchObject({ code: 'EACCES', syscall: 'bpf' });
    expect((error as Error).message).toMatch(/XDP program: EACCES: .*invalid bpf_context access/s);
  });
});
