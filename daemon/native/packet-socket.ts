/**
 * Socket options of a packet socket that npm `cap` does not set or read itself (packet(7)): they are called on the
 * descriptor that libpcap opened. This is what `src/capture/live/cap.ts` gets injected.
 */
import type { PacketSocketCalls } from '../../src/capture/live/cap.ts';
import { loadLibc } from './libc.ts';
import { readNetworkDevice } from './network-device.ts';

const SOL_SOCKET = 1;
const SO_DOMAIN = 39;
const AF_PACKET = 17;
const SOL_PACKET = 263;
const PACKET_STATISTICS = 6;
const PACKET_IGNORE_OUTGOING = 23;

/** @throws NativeUnavailableError where koffi cannot be loaded */
export function packetSocketCalls(): PacketSocketCalls {
  const libc = loadLibc();
  // struct tpacket_stats { tp_packets, tp_drops }; the kernel counts both from zero again at every read.
  const statistics = new Uint32Array(2);
  const statisticsBytes = new Uint8Array(statistics.buffer);
  const domain = new Int32Array(1);
  const domainBytes = new Uint8Array(domain.buffer);
  return {
    isUsable(device) {
      const state = readNetworkDevice(device);
      return state !== undefined && state.isEthernet && state.isUp;
    },
    isPacketSocket(descriptor) {
      libc.getSocketOption(descriptor, SOL_SOCKET, SO_DOMAIN, domainBytes);
      return domain[0] === AF_PACKET;
    },
    ignoreOutgoing(descriptor) {
      libc.setSocketOption(descriptor, SOL_PACKET, PACKET_IGNORE_OUTGOING, 1);
    },
    takeStatistics(descriptor, result) {
      libc.getSocketOption(descriptor, SOL_PACKET, PACKET_STATISTICS, statisticsBytes);
      const [packets = 0, drops = 0] = statistics;
      result.packets = packets;
      result.drops = drops;
    },
  };
}
