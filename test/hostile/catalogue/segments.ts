/**
 * TCP connections as text, for entries of the catalogue that are long: a line per segment, in the notation of packetdrill,
 * with the reason and the change of the flow behind a bar.
 *
 *     > S 0               | rule +SYN_SENT             the opener's segment, sequence number 0
 *     < SA 0 ack 1        | flow SYN_SENT>SYN_RECV     the other side's
 *     > PA 1(1460) ack 1  | flow                       with 1460 bytes of data
 */
import { tcp } from '../../helpers/pipeline-rig.ts';
import { CLIENT, SERVER } from './attackers.ts';
import { type Direction, type FrameStep, into, out } from './case.ts';

const LINE = /^([<>]) ([FSRPAUEC]+) (\d+)(?:\((\d+)\))?(?: ack (\d+))? *\| (\S+)(?: (.+))?$/;

/** @param opener `in`: CLIENT opens the connection to SERVER; `out`: SERVER's address opens it, to CLIENT's */
export function segments(opener: Direction, text: string): readonly FrameStep[] {
  const ends = opener === 'in' ? ([CLIENT, SERVER] as const) : ([SERVER, CLIENT] as const);
  return text
    .trim()
    .split(/\s*\n\s*/)
    .map((line) => {
      const match = LINE.exec(line);
      if (match === null) throw new Error(`not a segment: ${line}`);
      const [, arrow, flags = '', sequence, length = '0', acknowledgment, reason = '', change] =
        match;
      const isOpener = arrow === '>';
      const frame = tcp(isOpener ? ends[0] : ends[1], isOpener ? ends[1] : ends[0], flags, {
        sequence: Number(sequence),
        acknowledgment: Number(acknowledgment ?? 0),
        payload: new Uint8Array(Number(length)),
      });
      return isOpener === (opener === 'in')
        ? into(frame, reason, change)
        : out(frame, reason, change);
    });
}
