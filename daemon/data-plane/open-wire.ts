/**
 * Chooses and opens the live backend of a wire. `auto` is af-xdp where that can work, else cap; what only stands in
 * the way for now (an interface that is down, another program attached) is an error in both cases, because the choice
 * would differ from one start to the next.
 */
import type { EstablishedFlows } from '../../src/capture/live/af-xdp/admission.ts';
import { openAfXdpWire } from '../../src/capture/live/af-xdp/open.ts';
import { openCapWire } from '../../src/capture/live/cap.ts';
import {
  BackendUnsupportedError,
  type LiveWire,
  type WireHandler,
  WireMode,
} from '../../src/capture/live/live-wire.ts';
import { isStrippingTags } from '../native/offloads.ts';
import { packetSocketCalls } from '../native/packet-socket.ts';
import { afXdpSystem } from '../native/xdp-socket.ts';
import { LiveBackend, type StartMessage } from './messages.ts';

export interface OpenedWire {
  readonly wire: LiveWire;
  readonly backend: LiveBackend;
  /** How it is attached, or why it is not af-xdp; for the operator. */
  readonly detail: string;
  /** Frames that a receive ring of each interface holds, by side; empty where a backend has none. */
  readonly ringSlots: readonly number[];
}

export interface WireParts {
  readonly handler: WireHandler;
  readonly flows: EstablishedFlows;
  /** Called when an open wire loses an interface. */
  readonly lost: (error: Error) => void;
}

/** @throws LiveOpenError, NativeUnavailableError */
export function openWire(start: StartMessage, parts: WireParts): OpenedWire {
  const { handler } = parts;
  if (start.backend === LiveBackend.Cap) return openCap(start, handler, '');
  if (start.mode === WireMode.Monitor) {
    if (start.backend === 'auto') return openCap(start, handler, '');
    throw new BackendUnsupportedError(
      'af-xdp takes frames away from the host, so it cannot only watch; set backend: cap',
    );
  }
  try {
    return openAfXdp(start, parts);
  } catch (error) {
    if (start.backend !== 'auto' || !(error instanceof BackendUnsupportedError)) throw error;
    return openCap(start, handler, `af-xdp cannot be used: ${error.message}`);
  }
}

function openCap(start: StartMessage, handler: WireHandler, detail: string): OpenedWire {
  const wire = openCapWire(start, handler, packetSocketCalls());
  return { wire, backend: LiveBackend.Cap, detail, ringSlots: [] };
}

function openAfXdp(start: StartMessage, { handler, flows, lost }: WireParts): OpenedWire {
  const { outside, inside, busyPoll } = start;
  const options = { outside, inside, busyPoll, lost, flows };
  const { wire, isZeroCopy, interfaces } = openAfXdpWire(options, handler, afXdpSystem());
  const descriptions = interfaces.map(({ name, mode, queues }) => {
    const many = queues === 1 ? '' : `, ${queues} queues`;
    // Known to be so for drivers where that cannot be switched off; tags come back only where the driver tells them.
    const stripping = isStrippingTags(name) ? ', its driver takes VLAN tags out of frames' : '';
    return `${name} ${mode}${many}${stripping}`;
  });
  const detail = `${descriptions.join('; ')}; ${isZeroCopy ? 'zero-copy' : 'copying'}`;
  const ringSlots = interfaces.map((each) => each.ringSlots);
  return { wire, backend: LiveBackend.AfXdp, detail, ringSlots };
}
