import { readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type BlockCache, blockBytes, createBlockCache } from '../../schemas/storage/block-cache.ts';
import { createCachedReads } from '../../schemas/storage/cached-reads.ts';
import { createDiskCache } from '../../schemas/storage/disk-cache.ts';
import { createS3Storage } from '../../schemas/storage/s3-storage.ts';
import type { ObjectFacts, Storage } from '../../schemas/storage/storage.ts';
import { temporaryFolder } from '../support.ts';
import { bucket, type ObjectStore, settingsFor, startObjectStore } from './object-store.ts';

const small = 1000;
const block = (seed: number, length = small) => new Uint8Array(length).fill(seed % 256);

async function bytesIn(folder: string): Promise<number> {
  const names = await readdir(folder, { recursive: true });
  const facts = await Promise.all(names.map((name) => stat(join(folder, name))));
  return facts.reduce((sum, one) => sum + (one.isFile() ? one.size : 0), 0);
}

describe('the cache on disk', () => {
  const bound = 20 * (small + 64);

  it('gives back what was put, over processes and runs, and nothing else', async () => {
    const folder = await temporaryFolder();
    const cache = createDiskCache(folder, bound, small);
    await cache.put('one', block(1));
    await cache.put('short', block(2, 3));
    await cache.put('none', block(2, 0));
    const later = createDiskCache(folder, bound, small);
    expect(await later.get('one')).toEqual(Buffer.from(block(1)));
    expect(await later.get('short')).toEqual(Buffer.from(block(2, 3)));
    expect((await later.get('none'))?.length).toBe(0);
    expect(await later.get('two')).toBeNull();
  });

  it('never grows over its bound, with two at work in it, and keeps what was used last', async () => {
    const folder = await temporaryFolder();
    const both = [createDiskCache(folder, bound, small), createDiskCache(folder, bound, small)];
    for (let i = 0; i < 30; i += 1) {
      // At once, they may choose one file: then one block is kept, and it is whole.
      await Promise.all(both.map((cache, k) => cache.put(`${k}:${i}`, block(i))));
      expect(await bytesIn(folder)).toBeLessThanOrEqual(bound);
      const found = await Promise.all([0, 1].map((k) => both[1 - k]?.get(`${k}:${i}`)));
      expect(found.some((one) => one !== null)).toBe(true);
      for (const one of found) if (one !== null) expect(one).toEqual(Buffer.from(block(i)));
    }
    const kept = await Promise.all(Array.from({ length: 30 }, (_, i) => both[0]?.get(`0:${i}`)));
    expect(kept.filter((one) => one !== null).length).toBeLessThanOrEqual(20);
    expect(kept.slice(0, 15).filter((one) => one !== null).length).toBeLessThan(8);
  });

  it('takes no spoiled block for a sound one', async () => {
    const folder = await temporaryFolder();
    const cache = createDiskCache(folder, 4 * (small + 64), small);
    await cache.put('key', block(7));
    const [name = ''] = (await readdir(folder, { recursive: true })).filter((one) => /-0$/.test(one));
    const whole = await readFile(join(folder, name));
    await fc.assert(
      fc.asyncProperty(fc.nat(small + 63), fc.integer({ min: 1, max: 255 }), async (at, by) => {
        const spoiled = Buffer.from(whole);
        spoiled[at] = (spoiled[at] ?? 0) ^ by;
        await writeFile(join(folder, name), at % 2 ? spoiled : whole.subarray(0, at));
        const got = await cache.get('key');
        // What follows the digest in the header means nothing.
        if (got !== null) expect(got).toEqual(Buffer.from(block(7)));
        if (at < 52 || at >= 64 || at % 2 === 0) expect(got).toBeNull();
      }),
      { numRuns: 60 },
    );
  });

  it('clears away what one of another size left, and lives without its folder', async () => {
    const folder = await temporaryFolder();
    await createDiskCache(folder, 40 * (small + 64), small).put('one', block(1));
    await writeFile(join(folder, 'not-ours'), 'x');
    const smaller = createDiskCache(folder, bound, small);
    await smaller.put('two', block(2));
    expect((await readdir(folder)).sort()).toEqual([`blocks-5-${small}`, 'not-ours']);
    await writeFile(join(folder, 'file'), 'x');
    const nowhere = createDiskCache(join(folder, 'file', 'below'), bound, small);
    await nowhere.put('one', block(1));
    expect(await nowhere.get('one')).toBeNull();
  });
});

describe('the cache in memory', () => {
  it('is bounded by bytes', async () => {
    const cache = createBlockCache({ bytes: 3 * blockBytes }) as BlockCache;
    for (let i = 0; i < 6; i += 1) await cache.put(String(i), block(i, blockBytes - 10));
    const kept = await Promise.all(Array.from({ length: 6 }, (_, i) => cache.get(String(i))));
    expect(kept.map((one) => one !== null)).toEqual([false, false, false, true, true, true]);
    expect(createBlockCache({ bytes: 0 })).toBeNull();
  });
});

describe('reads through a cache', () => {
  const object = { location: 's3://b/k', size: 5 * blockBytes + 77, version: 'v', sha256: null };
  const whole = new Uint8Array(object.size).map((_, i) => (i * 31 + (i >> 11)) % 251);

  const counting = (bytes: number) => {
    const asked: [number, number][] = [];
    const reads = createCachedReads(createBlockCache({ bytes }), async (_: ObjectFacts, start, length) => {
      asked.push([start, length]);
      return whole.slice(start, start + length);
    });
    return {
      asked,
      read: (start: number, length: number) => reads.read(object, start, length),
      readAhead: (start: number, length: number) => reads.readAhead(object, start, length),
    };
  };

  it('give the object’s bytes, whatever is in the cache', async () => {
    const { read } = counting(24 * blockBytes);
    const range = fc
      .tuple(fc.nat(object.size), fc.nat(object.size))
      .map(([a, b]) => [Math.min(a, b), Math.abs(a - b)]);
    await fc.assert(
      fc.asyncProperty(range, async ([start = 0, length = 0]) => {
        expect(Buffer.compare(await read(start, length), whole.subarray(start, start + length))).toBe(0);
      }),
      { numRuns: 40 },
    );
  });

  it('ask for a block once, however many want it, and for neighbours together', async () => {
    const { asked, read } = counting(24 * blockBytes);
    await Promise.all([read(10, 5), read(20, blockBytes), read(100, 5)]);
    await read(0, 2 * blockBytes);
    expect(asked).toEqual([
      [0, blockBytes],
      [blockBytes, blockBytes],
    ]);
    await read(blockBytes, object.size - blockBytes);
    expect(asked.slice(2)).toEqual([[2 * blockBytes, object.size - 2 * blockBytes]]);
  });

  it('ahead of need bring what is needed next, as far as there is room, and hide no failure', async () => {
    const { asked, read, readAhead } = counting(8 * blockBytes);
    readAhead(blockBytes, blockBytes);
    readAhead(3 * blockBytes, 2 * blockBytes);
    readAhead(object.size, blockBytes);
    expect(Buffer.compare(await read(blockBytes, 100), whole.subarray(blockBytes, blockBytes + 100))).toBe(0);
    // A quarter of the cache is for what nobody has asked for yet: the second was too much.
    expect(asked).toEqual([[blockBytes, blockBytes]]);
    const failing = createCachedReads(createBlockCache({ bytes: 8 * blockBytes }), async () => {
      throw new Error('down');
    });
    failing.readAhead(object, 0, blockBytes);
    await expect(failing.read(object, 0, 10)).rejects.toThrow('down');
  });

  it('fail as reading fails, and ask again the next time', async () => {
    let isDown = true;
    const reads = createCachedReads(
      createBlockCache({ bytes: 24 * blockBytes }),
      async (_, start, length) => {
        if (isDown) throw new Error('down');
        return whole.slice(start, start + length);
      },
    );
    await expect(reads.read(object, 0, 3 * blockBytes)).rejects.toThrow('down');
    isDown = false;
    expect((await reads.read(object, 0, 3 * blockBytes)).length).toBe(3 * blockBytes);
  });
});

describe('an object store with a cache', () => {
  let store: ObjectStore;
  let storage: Storage;

  beforeAll(async () => {
    store = await startObjectStore();
    storage = createS3Storage(settingsFor(store, { cache: { bytes: 16 * blockBytes } }));
  });
  beforeEach(() => {
    store.seen.length = 0;
  });
  afterAll(async () => {
    await storage.close();
    await store.stop();
  });

  it('is asked for a range once, and again when the object is another', async () => {
    const at = `s3://${bucket}/object`;
    const gets = () => store.seen.filter(({ range }) => range !== undefined).length;
    await storage.put(at, new Uint8Array(100).fill(1));
    for (let i = 0; i < 3; i += 1) await (await storage.open(at)).read(0, 100);
    expect(gets()).toBe(1);
    await storage.put(at, new Uint8Array(100).fill(2));
    expect((await (await storage.open(at)).read(0, 100))[5]).toBe(2);
    expect(gets()).toBe(2);
  });
});
