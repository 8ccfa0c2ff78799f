/**
 * Every store that a flow table makes into its segment, in order: what a test needs to stop a process between any two of
 * them. `recordStores` wraps the parts of a segment; the table reads and writes through the wrapping.
 */
import type { SegmentParts } from '../../src/flowtable/segment.ts';

type Part = keyof SegmentParts;

interface Store {
  readonly part: Part;
  readonly index: number;
  readonly value: number;
}

export class StoreLog {
  readonly stores: Store[] = [];

  clear(): void {
    this.stores.length = 0;
  }

  /** Makes the stores that `isMade` picks, by their place in the log, into another copy of the segment. */
  replay(parts: SegmentParts, isMade: (place: number) => boolean): void {
    this.stores.forEach(({ part, index, value }, place) => {
      if (isMade(place)) parts[part][index] = value;
    });
  }
}

/** The same parts; single stores into them, not `fill` or `set`, are noted in `log`. */
export function recordStores(parts: SegmentParts, log: StoreLog): SegmentParts {
  return {
    header: recorded(parts.header, 'header', log),
    stats: recorded(parts.stats, 'stats', log),
    index: recorded(parts.index, 'index', log),
    words: recorded(parts.words, 'words', log),
  };
}

function recorded<T extends Int32Array | Float64Array>(array: T, part: Part, log: StoreLog): T {
  return new Proxy(array, {
    get(target, property) {
      const value: unknown = Reflect.get(target, property, target);
      return typeof value === 'function' ? value.bind(target) : value;
    },
    set(target, property, value: number) {
      log.stores.push({ part, index: Number(property), value });
      return Reflect.set(target, property, value, target);
    },
  });
}
