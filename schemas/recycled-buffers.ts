/** Memory that is written to again and again: what is given back is taken by who comes next. */
export interface RecycledBuffers {
  /** A buffer of `length` bytes at the least, of any content. */
  take(length: number): Uint8Array<ArrayBuffer>;
  give(buffer: Uint8Array<ArrayBuffer>): void;
}

const leastBuffer = 64 * 1024;
/** Larger ones, and more of a size than this, are left to be collected. */
const [largestKept, mostKept] = [16 * 1024 * 1024, 16];

/** Buffers by powers of two, of which a few of each are kept. */
export function createRecycledBuffers(): RecycledBuffers {
  const kept = new Map<number, Uint8Array<ArrayBuffer>[]>();
  return {
    take(length) {
      const size = Math.max(leastBuffer, 2 ** Math.ceil(Math.log2(length)));
      return kept.get(size)?.pop() ?? new Uint8Array(size > largestKept ? length : size);
    },
    give(buffer) {
      if (buffer.length > largestKept) return;
      const same = kept.get(buffer.length) ?? [];
      kept.set(buffer.length, same);
      if (same.length < mostKept) same.push(buffer);
    },
  };
}
