/**
 * Import this in every process that judges packets, before the first packet: V8's limits on inlining are set for pages,
 * where code size counts. The path of a packet is a few dozen small functions called from one loop; with these limits
 * V8 compiles it as one, and a packet takes a fifth to a third less time (bench/NOTES.md).
 *
 * A V8 that does not know a flag leaves it out.
 */
import { setFlagsFromString } from 'node:v8';

/** Bytes of bytecode of one function that may be inlined; V8's own limit is 460. */
setFlagsFromString('--max-inlined-bytecode-size=2000');
/** Of all functions inlined into one; V8's own limit is 920. */
setFlagsFromString('--max-inlined-bytecode-size-cumulative=6000');
