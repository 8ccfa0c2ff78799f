/**
 * RuleSet: a compiled rule list, ready for `matchRule`. Views over an image (rule-set-layout.ts), checked once.
 */
import { Header, Trie, summaryWordCount } from './rule-set-layout.ts';
import { checkImage, viewImage } from './rule-set-check.ts';
import { finish, type Steps } from './steps.ts';

/** Lists shorter than this are matched as fast as they are remembered. */
const MEMO_MIN_RULES = 256;
/** Memo entries per rule, rounded up to a power of two. */
const MEMO_ENTRIES_PER_RULE = 8;
const MEMO_MAX_ENTRIES = 1 << 15;
/** Words of a memo entry: source vector, destination vector, service vector, answer. */
export const MEMO_ENTRY_WORDS = 4;

/** Entries of the address memo, for short lists and for those that have a memo. */
const FEW_ADDRESSES = 16;
const MANY_ADDRESSES = 1 << 12;
/** Words of an address memo entry: the address, the root of its trie, the leaf, and two that align it. */
export const ADDRESS_MEMO_ENTRY_WORDS = 8;

function memoEntryCount(ruleCount: number, isMerged: boolean): number {
  if (ruleCount < MEMO_MIN_RULES || !isMerged) return 0;
  const wanted = ruleCount * MEMO_ENTRIES_PER_RULE;
  return Math.min(MEMO_MAX_ENTRIES, 1 << (32 - Math.clz32(wanted - 1)));
}

export class RuleSet {
  /** The image; shares memory with the segment it is in, which must outlive this and not change. */
  readonly words: Int32Array;
  readonly ruleCount: number;
  readonly summaryWords: number;
  /** Offset of the service table; 0 when there is none. */
  readonly service: number;
  /** 32 minus the bits of an address that the first table of its trie takes. */
  readonly addressShift: number;
  /** Root entries of the tries. */
  readonly sourceIpv4: number;
  readonly destinationIpv4: number;
  readonly sourceIpv6: number;
  readonly destinationIpv6: number;
  readonly protocol: number;
  readonly sourcePort: number;
  readonly destinationPort: number;
  /**
   * Direct-mapped answers by vector triple, written by `matchRule`. Private memory, because the image is shared and
   * read-only. Its hash needs no secret: the worst that chosen packets can do is to miss.
   */
  readonly memo: Int32Array;
  /** Number of memo entries minus 1; -1 when there is no memo. */
  readonly memoMask: number;
  /**
   * Direct-mapped leaves by IPv6 address, because walking 128 bits costs several times what 32 cost and one side of
   * most packets is one of few addresses. A stored root is negative, so zeros mean empty.
   */
  readonly addressMemo: Int32Array;
  /** Number of address memo entries minus 1. */
  readonly addressMemoMask: number;

  /**
   * The image that starts `offset` words into `segment`. Everything that matching relies on is checked here.
   * @throws BrokenImageError
   */
  static attach(segment: Int32Array, offset: number): RuleSet {
    return finish(RuleSet.attachInSteps(segment, offset));
  }

  /** `attach`, a little at a time. */
  static *attachInSteps(segment: Int32Array, offset: number): Steps<RuleSet> {
    const image = viewImage(segment, offset);
    yield* checkImage(image);
    return new RuleSet(image);
  }

  private constructor(image: Int32Array) {
    const root = (trie: number): number => image[Header.Tries + 2 * trie];
    const vectorsEnd = image[Header.VectorsEnd];
    this.words = image;
    this.ruleCount = image[Header.RuleCount];
    this.summaryWords = summaryWordCount(this.ruleCount);
    this.service = image[Header.ServiceEnd] > vectorsEnd ? vectorsEnd : 0;
    this.addressShift = 32 - image[Header.AddressRootBits];
    this.sourceIpv4 = root(Trie.SourceIpv4);
    this.destinationIpv4 = root(Trie.DestinationIpv4);
    this.sourceIpv6 = root(Trie.SourceIpv6);
    this.destinationIpv6 = root(Trie.DestinationIpv6);
    this.protocol = root(Trie.Protocol);
    this.sourcePort = root(Trie.SourcePort);
    this.destinationPort = root(Trie.DestinationPort);
    const entries = memoEntryCount(this.ruleCount, this.service !== 0);
    this.memo = new Int32Array(entries * MEMO_ENTRY_WORDS).fill(-1);
    this.memoMask = entries - 1;
    const addresses = this.ruleCount < MEMO_MIN_RULES ? FEW_ADDRESSES : MANY_ADDRESSES;
    this.addressMemo = new Int32Array(addresses * ADDRESS_MEMO_ENTRY_WORDS);
    this.addressMemoMask = addresses - 1;
  }
}
