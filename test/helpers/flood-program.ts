/**
 * Sends copies of one frame out of a device as fast as the kernel can make them, far faster than anything reads them:
 *
 *     node flood-program.js DEVICE FRAMES HEX
 */
import { networkInterfaces } from 'node:os';
import { assemble, call, exit, set } from '../../daemon/native/bpf-assembler.ts';
import { Bpf } from '../../daemon/native/bpf.ts';
import { readNetworkDevice } from '../../daemon/native/network-device.ts';
import { hexBytes } from './frames.ts';

const REDIRECT = 23;
/** Of one call. */
const FRAMES_MAX = 100_000;

const [, , name = '', frames = '0', hex = ''] = process.argv;
const device = readNetworkDevice(name);
if (device === undefined) {
  throw new Error(`there is no ${name}, only ${Object.keys(networkInterfaces()).join(', ')}`);
}
const bpf = new Bpf();
const program = bpf.loadXdpProgram(
  assemble([set(1, device.index), set(2, 0), call(REDIRECT), exit()]),
);
for (let left = Number(frames); left > 0; left -= FRAMES_MAX) {
  bpf.runLive(program, hexBytes(hex), Math.min(left, FRAMES_MAX));
}
bpf.close(program);
