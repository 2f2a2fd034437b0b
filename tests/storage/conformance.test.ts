import { createHash } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fileStorage } from '../../schemas/storage/file-storage.ts';
import { joinLocation } from '../../schemas/storage/locations.ts';
import { createS3Storage } from '../../schemas/storage/s3-storage.ts';
import type { Storage } from '../../schemas/storage/storage.ts';
import { collect, temporaryFolder } from '../support.ts';
import { bucket, type ObjectStore, settingsFor, startObjectStore } from './object-store.ts';

/** Bytes that differ from place to place. */
function bytesOf(count: number, seed = 1): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(count);
  let state = seed;
  for (let i = 0; i < count; i += 1) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    bytes[i] = state >>> 24;
  }
  return bytes;
}

const digestOf = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');

let store: ObjectStore;
let files: string;
const open: Storage[] = [];

beforeAll(async () => {
  store = await startObjectStore();
  files = await temporaryFolder();
});

afterAll(async () => {
  for (const storage of open) await storage.close();
  await store.stop();
});

const s3 = (cache: object) => {
  const storage = createS3Storage(settingsFor(store, { cache, partBytes: 5 * 1024 * 1024 }));
  open.push(storage);
  return storage;
};

const kinds = [
  { name: 'files by path', make: () => fileStorage, root: () => join(files, 'path') },
  { name: 'files by URL', make: () => fileStorage, root: () => `${pathToFileURL(files)}/url` },
  { name: 's3, cached in memory', make: () => s3({}), root: () => `s3://${bucket}/memory` },
  {
    name: 's3, cached on disk',
    make: () => s3({ folder: join(files, 'cache'), bytes: 8 * 1024 * 1024 }),
    root: () => `s3://${bucket}/disk`,
  },
  { name: 's3, not cached', make: () => s3({ bytes: 0 }), root: () => `s3://${bucket}/none` },
];

describe.each(kinds)('storage: $name', ({ make, root }) => {
  const at = (...names: string[]) => joinLocation(root(), ...names);
  let storage: Storage;

  beforeAll(async () => {
    storage = make();
    for (const name of [
      'b.parquet',
      'a/z.parquet',
      'a/deep/x.parquet',
      'a/deep/x.txt',
      '.hidden/y.parquet',
    ]) {
      await storage.put(at('tree', name), bytesOf(10));
    }
  });

  const listed = async (pattern: string) => {
    const all = await collect(storage.list(pattern));
    return all.map(({ location }) => location.slice(location.lastIndexOf('/tree/') + 6));
  };

  it('lists what is under a folder, in order, without hidden names', async () => {
    expect(await listed(at('tree'))).toEqual([
      'a/deep/x.parquet',
      'a/deep/x.txt',
      'a/z.parquet',
      'b.parquet',
    ]);
    expect(await listed(at('tree', 'a', 'deep'))).toEqual(['a/deep/x.parquet', 'a/deep/x.txt']);
    // No name is a folder because it begins like one.
    expect(await listed(at('tree', 'a', 'de'))).toEqual([]);
    expect(await collect(storage.list(at('nowhere')))).toEqual([]);
  });

  it('lists what a glob matches', async () => {
    expect(await listed(at('tree', '*.parquet'))).toEqual(['b.parquet']);
    expect(await listed(at('tree', '**', '*.parquet'))).toEqual([
      'a/deep/x.parquet',
      'a/z.parquet',
      'b.parquet',
    ]);
    expect(await listed(at('tree', 'a', '{z,y}.{parquet,tar}'))).toEqual(['a/z.parquet']);
    expect(await listed(at('tree', '?.parquet'))).toEqual(['b.parquet']);
  });

  it('knows sizes, and that an object was replaced', async () => {
    await storage.put(at('one'), bytesOf(100));
    const before = await storage.stat(at('one'));
    expect(before?.size).toBe(100);
    await storage.put(at('one'), bytesOf(100, 2));
    const after = await storage.stat(at('one'));
    expect(after?.version).not.toBe(before?.version);
    expect(await storage.stat(at('nothing'))).toBeNull();
    expect(await storage.stat(at('tree'))).toBeNull();
  });

  it('reads ranges, streams and empty objects', async () => {
    const bytes = bytesOf(3_500_000);
    await storage.put(at('ranges'), bytes);
    const source = await storage.open(at('ranges'));
    expect(source.size).toBe(bytes.length);
    const ranges = [
      [0, 0],
      [0, 10],
      [1_048_570, 12],
      [1_000_000, 2_400_000],
      [3_499_990, 10],
      [0, bytes.length],
    ] as const;
    const kept = await source.open();
    for (const [start, length] of ranges) {
      const wanted = digestOf(bytes.subarray(start, start + length));
      expect(digestOf(await source.read(start, length))).toBe(wanted);
      expect(digestOf(await kept.read(start, length))).toBe(wanted);
    }
    await kept.close();
    await expect(source.read(3_499_990, 11)).rejects.toThrow(/outside/);
    expect(digestOf(Buffer.concat(await collect(storage.stream(at('ranges')))))).toBe(digestOf(bytes));
    await storage.put(at('empty'), new Uint8Array());
    expect(await collect(storage.stream(at('empty')))).toEqual([]);
    expect((await storage.open(at('empty'))).size).toBe(0);
  });

  it('hands out bytes that are the reader’s own', async () => {
    await storage.put(at('own'), bytesOf(50));
    const source = await storage.open(at('own'));
    (await source.read(0, 50)).fill(0);
    expect([...(await source.read(0, 50))]).toEqual([...bytesOf(50)]);
  });

  it('writes in parts what is there only once it is whole', async () => {
    const bytes = bytesOf(12_000_000);
    const writer = await storage.create(at('big', 'object'), { sha256: digestOf(bytes) });
    const piece = new Uint8Array(700_000);
    for (let start = 0; start < bytes.length; start += piece.length) {
      const part = bytes.subarray(start, start + piece.length);
      piece.set(part);
      // The buffer is used again: what was written is the writer's.
      await writer.write(piece.subarray(0, part.length));
    }
    expect(await storage.stat(at('big', 'object'))).toBeNull();
    expect(await collect(storage.list(at('big')))).toEqual([]);
    await writer.close();
    const facts = await storage.stat(at('big', 'object'));
    expect(facts?.size).toBe(bytes.length);
    expect([digestOf(bytes), null]).toContain(facts?.sha256 ?? null);
    expect(digestOf(Buffer.concat(await collect(storage.stream(at('big', 'object')))))).toBe(digestOf(bytes));
  });

  it('leaves what was there before when a write is given up', async () => {
    await storage.put(at('kept', 'object'), bytesOf(10));
    for (const bytes of [100, 11_000_000]) {
      const writer = await storage.create(at('kept', 'object'));
      await writer.write(bytesOf(bytes, 3));
      await writer.abort();
    }
    expect((await collect(storage.list(at('kept')))).map(({ size }) => size)).toEqual([10]);
    expect([...Buffer.concat(await collect(storage.stream(at('kept', 'object'))))]).toEqual([...bytesOf(10)]);
  });

  it('takes away, also what is not there', async () => {
    await storage.put(at('gone'), bytesOf(10));
    await storage.delete(at('gone'));
    await storage.delete(at('gone'));
    expect(await storage.stat(at('gone'))).toBeNull();
    await expect(storage.open(at('gone'))).rejects.toMatchObject({
      name: 'StorageError',
      problem: 'missing',
    });
    await expect(collect(storage.stream(at('gone')))).rejects.toThrow(/gone: there is no such/);
  });

  it('says that an object changed under its reader', async () => {
    await storage.put(at('changing'), bytesOf(5_000_000));
    const source = await storage.open(at('changing'));
    await source.read(0, 100);
    await storage.put(at('changing'), bytesOf(5_000_000, 9));
    await expect(source.read(4_000_000, 100)).rejects.toMatchObject({
      name: 'StorageError',
      problem: 'changed',
      message: expect.stringContaining('changing'),
    });
  });
});

describe('files', () => {
  it('are passed over while they are being written by others, and folders are none', async () => {
    await writeFile(join(files, 'plain'), 'x');
    await expect(fileStorage.open(files)).rejects.toMatchObject({ problem: 'missing' });
    await expect(fileStorage.create(join(files, 'plain', 'below'))).rejects.toMatchObject({
      name: 'StorageError',
    });
  });
});

describe('locations', () => {
  it('of other kinds, without a bucket or with a password are refused', async () => {
    for (const wrong of ['https://host/x.parquet', 'gs://bucket/x', 's3:///key', 's3://B/key']) {
      await expect(fileStorage.stat(wrong)).rejects.toThrow(/is expected|isn't read|ENOENT/);
    }
  });
});
