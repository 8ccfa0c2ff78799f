/**
 * The chain of IPv6 extension headers (RFC 8200 section 4), walked with a bound.
 *
 *     0             1        2
 *     | next header | length | ...      length in units of 8 bytes after the first 8; the fragment header has none
 *
 * Hop-by-hop, routing, destination options and fragment headers are walked. Everything else ends the chain and is the
 * packet's protocol: ESP and AH because rules name them, mobility (135), HIP (139) and shim6 (140) because they carry
 * a protocol of their own and no other header follows them in practice, and unknown numbers because what they hold
 * is unknown (RFC 7045 section 2.1 leaves that choice to the filter).
 */
import { DecodeCode } from './code.ts';

const IP = DecodeCode.Ip;
const MALFORMED = DecodeCode.MalformedIpv6;
const TOO_LONG = DecodeCode.ExtensionChainTooLong;
const JUMBOGRAM = DecodeCode.Ipv6Jumbogram;

export const HOP_BY_HOP = 0;
const ROUTING = 43;
const FRAGMENT = 44;
const DESTINATION_OPTIONS = 60;

const MAX_HEADERS = 8;
const MAX_OPTIONS_LENGTH = 256;
const UNIT = 8;
const LENGTH = 1;
const ROUTING_TYPE = 2;
const FRAGMENT_FIELD = 2;
const FRAGMENT_OFFSET_MASK = 0xfff8;

const OPTION_PAD1 = 0;
const OPTION_JUMBO = 0xc2;

/** Where the chain ended. Scratch: overwritten by every call of `walkExtensions`. */
class ExtensionChain {
  /** Number of the first header that is not walked: the upper-layer protocol. */
  protocol = 0;
  /** Absolute offset of that header, or of the data of a later fragment. */
  offset = 0;
  /** Absolute offset of the fragment header, -1 when there is none. */
  fragmentOffset = -1;
}
export const chain = new ExtensionChain();

/**
 * Walks at most 8 headers in [offset, end) and leaves the result in `chain`, also when it finds a fault.
 * A fragment header with an offset above 0 ends the chain: what follows is data.
 * @param nextHeader the number that the fixed header carries
 * @returns Ip, or the first fault found; MalformedIpv6 when a header ends beyond `end`
 */
export function walkExtensions(
  view: DataView,
  offset: number,
  end: number,
  nextHeader: number,
): DecodeCode {
  chain.protocol = nextHeader;
  chain.offset = offset;
  chain.fragmentOffset = -1;
  for (let count = 0; isExtension(chain.protocol); count++) {
    const code = stepExtension(view, end, count);
    if (code !== IP) return code;
    if (chain.fragmentOffset >= 0 && isLaterFragment(view)) {
      return checkLaterFragment(chain.protocol);
    }
  }
  return IP;
}

/** Checks the header at the end of the chain and moves behind it; `count` headers stand before it. */
function stepExtension(view: DataView, end: number, count: number): DecodeCode {
  const type = chain.protocol;
  const at = chain.offset;
  if (count === MAX_HEADERS) return TOO_LONG;
  if (type === HOP_BY_HOP && count > 0) return DecodeCode.HopByHopNotFirst;
  if (at + UNIT > end) return MALFORMED;
  let length = UNIT;
  if (type === FRAGMENT) {
    if (chain.fragmentOffset >= 0) return DecodeCode.SeveralFragmentHeaders;
    chain.fragmentOffset = at;
  } else {
    length += view.getUint8(at + LENGTH) * UNIT;
    if (at + length > end) return MALFORMED;
    if (type === ROUTING) {
      if (view.getUint8(at + ROUTING_TYPE) === 0) return DecodeCode.RoutingType0;
    } else if (length > MAX_OPTIONS_LENGTH) return TOO_LONG;
  }
  chain.protocol = view.getUint8(at);
  chain.offset = at + length;
  return type === HOP_BY_HOP ? checkHopByHop(view, at + 2, at + length) : IP;
}

/** True for the header numbers that are walked. */
export function isExtension(type: number): boolean {
  return (
    type === HOP_BY_HOP || type === ROUTING || type === FRAGMENT || type === DESTINATION_OPTIONS
  );
}

function isLaterFragment(view: DataView): boolean {
  return (view.getUint16(chain.fragmentOffset + FRAGMENT_FIELD) & FRAGMENT_OFFSET_MASK) !== 0;
}

/** What may not begin a fragmentable part may not be named by a later fragment either. */
function checkLaterFragment(type: number): DecodeCode {
  if (type === FRAGMENT) return DecodeCode.SeveralFragmentHeaders;
  return type === HOP_BY_HOP ? DecodeCode.HopByHopNotFirst : IP;
}

/** Walks the hop-by-hop options in [offset, end), at most 254 bytes: well formed, and no jumbo payload. */
function checkHopByHop(view: DataView, offset: number, end: number): DecodeCode {
  let at = offset;
  while (at < end) {
    const type = view.getUint8(at);
    if (type === OPTION_PAD1) {
      at++;
      continue;
    }
    if (type === OPTION_JUMBO) return JUMBOGRAM;
    if (at + 2 > end) return MALFORMED;
    at += 2 + view.getUint8(at + 1);
    if (at > end) return MALFORMED;
  }
  return IP;
}
