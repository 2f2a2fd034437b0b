import { type BlockCache, blockBytes } from './block-cache.ts';
import type { ObjectFacts } from './storage.ts';

/** Reads a range of an object from where it is kept. */
export type ReadRange = (
  object: ObjectFacts,
  start: number,
  length: number,
) => Promise<Uint8Array<ArrayBuffer>>;

/** Reads of which some ask nobody. */
export interface CachedReads {
  readonly read: ReadRange;
  /** Brings a range into the cache, as far as there is room, while something else is done. */
  readAhead(object: ObjectFacts, start: number, length: number): void;
}

/** Blocks that are asked for at once, so that memory is bounded. */
const mostBlocksAtOnce = 16;

/**
 * Reads through a cache of blocks: what is in it isn't asked for again, neighbouring blocks that aren't are asked for
 * together, and each is asked for once however many wait for it. A range that would push out most of a cache in memory
 * goes by it. An object of another version is another object.
 */
export function createCachedReads(cache: BlockCache | null, readRange: ReadRange): CachedReads {
  const coming = new Map<string, Promise<Uint8Array>>();

  /** Asks for blocks [from, to) of an object at once, each under its key. */
  const fetchBlocks = (object: ObjectFacts, from: number, to: number): Promise<Uint8Array>[] => {
    const start = from * blockBytes;
    const length = Math.min(object.size, to * blockBytes) - start;
    const bytes = readRange(object, start, length);
    return Array.from({ length: to - from }, (_, i) => {
      const key = keyOf(object, from + i);
      const block = bytes.then(async (all) => {
        // A piece of a larger buffer would keep all of it.
        const own = to - from === 1 ? all : all.slice(i * blockBytes, (i + 1) * blockBytes);
        await cache?.put(key, own);
        return own;
      });
      coming.set(key, block);
      const done = () => coming.delete(key);
      block.then(done, done);
      return block;
    });
  };

  /** Blocks [first, last] of an object, from the cache or asked for. */
  const blocksOf = async (object: ObjectFacts, first: number, last: number, from: BlockCache) => {
    const keys = Array.from({ length: last - first + 1 }, (_, i) => keyOf(object, first + i));
    const asked = keys.map((key) => coming.get(key));
    const known = await Promise.all(keys.map((key, i) => (asked[i] ? null : from.get(key))));
    // Others may have asked meanwhile; from here to the asking nothing waits.
    const blocks: (Promise<Uint8Array> | Uint8Array)[] = [];
    const missing: number[] = [];
    for (const [i, key] of keys.entries()) {
      const block = asked[i] ?? known[i] ?? coming.get(key);
      if (block === undefined) missing.push(first + i);
      else blocks[i] = block;
    }
    for (const [start, end] of runsOf(missing)) {
      for (const [i, block] of fetchBlocks(object, start, end).entries()) blocks[start - first + i] = block;
    }
    // All are waited for, so that none fails unheard.
    return Promise.all(blocks);
  };
  const spanOf = (start: number, length: number) =>
    [Math.floor(start / blockBytes), Math.floor((start + length - 1) / blockBytes)] as const;
  let ahead = 0;

  return {
    async read(object, start, length) {
      if (length === 0) return new Uint8Array();
      if (cache === null || length > cache.bytes / 4) return readRange(object, start, length);
      const bytes = new Uint8Array(length);
      const [first, last] = spanOf(start, length);
      for (const [i, block] of (await blocksOf(object, first, last, cache)).entries()) {
        const at = (first + i) * blockBytes - start;
        bytes.set(block.subarray(Math.max(0, -at), Math.max(0, length - at)), Math.max(0, at));
      }
      return bytes;
    },
    readAhead(object, start, wanted) {
      const length = Math.min(wanted, object.size - start);
      if (cache === null || length <= 0 || ahead + length > cache.bytes / 4) return;
      ahead += length;
      const done = () => {
        ahead -= length;
      };
      // What fails here is asked for again by whoever needs it.
      blocksOf(object, ...spanOf(start, length), cache).then(done, done);
    },
  };
}

const keyOf = ({ location, version }: ObjectFacts, block: number): string =>
  `${location}\n${version}\n${block}`;

/** Neighbours together, as many as are asked for at once. */
function runsOf(blocks: readonly number[]): [from: number, to: number][] {
  const runs: [number, number][] = [];
  for (const block of blocks) {
    const last = runs.at(-1);
    if (last !== undefined && last[1] === block && last[1] - last[0] < mostBlocksAtOnce) last[1] += 1;
    else runs.push([block, block + 1]);
  }
  return runs;
}
