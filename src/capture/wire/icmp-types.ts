/**
 * Kinds of ICMP and ICMPv6 messages by type number (IANA), for a packet and for one that an error quotes.
 */
const LAST_ERROR_V6 = 127;
const ECHO_REQUEST = 8;
const ECHO_REPLY = 0;
const ECHO_REQUEST_V6 = 128;
const ECHO_REPLY_V6 = 129;

/** Multicast listener query, report and done; version 2 report. */
const MLD_FIRST = 130;
const MLD_LAST = 132;
const MLD_V2_REPORT = 143;
/** Router and neighbour solicitation and advertisement, redirect; certification path (SEND). */
const ND_FIRST = 133;
const ND_LAST = 137;
const SEND_FIRST = 148;
const SEND_LAST = 149;

/** True for the types that quote a packet: destination unreachable, time exceeded and their kind. */
export function isIcmpError(type: number, isIpv6: boolean): boolean {
  if (isIpv6) return type >= 1 && type <= LAST_ERROR_V6;
  return type === 3 || type === 4 || type === 5 || type === 11 || type === 12;
}

/** True for echo request and reply. */
export function isIcmpEcho(type: number, isIpv6: boolean): boolean {
  if (isIpv6) return type === ECHO_REQUEST_V6 || type === ECHO_REPLY_V6;
  return type === ECHO_REQUEST || type === ECHO_REPLY;
}

/** True for the ICMPv6 types that never leave the link and may not be fragmented: MLD, ND, SEND. */
export function isLinkMessage(type: number): boolean {
  return (
    (type >= MLD_FIRST && type <= MLD_LAST) ||
    (type >= ND_FIRST && type <= ND_LAST) ||
    type === MLD_V2_REPORT ||
    (type >= SEND_FIRST && type <= SEND_LAST)
  );
}
