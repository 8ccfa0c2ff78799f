/**
 * How many queues a network device has: a frame arrives on one of them, and AF_XDP has a socket for each.
 */
import { readdirSync } from 'node:fs';

import { loadLibc, SystemCallError } from './libc.ts';

const SIOCETHTOOL = 0x8946;
const ETHTOOL_GCHANNELS = 0x3c;
/** struct ethtool_channels { cmd, max_rx, max_tx, max_other, max_combined, rx, tx, other, combined } */
const CHANNELS_BYTES = 36;
const RX_AT = 20;
const TX_AT = 24;
const COMBINED_AT = 32;

export interface QueueCounts {
  readonly receiveQueues: number;
  readonly sendQueues: number;
}

/** Queues in use. @throws SystemCallError where the device cannot be asked */
export function queueCounts(device: string): QueueCounts {
  const channels = Buffer.alloc(CHANNELS_BYTES);
  channels.writeUInt32LE(ETHTOOL_GCHANNELS, 0);
  try {
    loadLibc().deviceIoctl(device, SIOCETHTOOL, channels);
  } catch (error) {
    if (!(error instanceof SystemCallError) || error.code === 'ENODEV') throw error;
    return sysfsCounts(device);
  }
  const combined = channels.readUInt32LE(COMBINED_AT);
  return {
    receiveQueues: combined + channels.readUInt32LE(RX_AT),
    sendQueues: combined + channels.readUInt32LE(TX_AT),
  };
}

/** For drivers that do not tell by ioctl. sysfs shows the namespace it was mounted in, mostly this one. */
function sysfsCounts(device: string): QueueCounts {
  let names: string[] = [];
  try {
    names = readdirSync(`/sys/class/net/${device}/queues`);
  } catch {
    // No sysfs here: a device has one queue at least.
  }
  const count = (prefix: string): number =>
    Math.max(1, names.filter((name) => name.startsWith(prefix)).length);
  return { receiveQueues: count('rx-'), sendQueues: count('tx-') };
}
