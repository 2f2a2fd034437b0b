import { join } from 'node:path';
import { Binary, Utf8 } from 'apache-arrow';
import { describe, expect, it } from 'vitest';
import { readEvaluationSet } from '../../pipeline/curation/duplicates/evaluation-set.ts';
import { batchOf } from '../../schemas/batches.ts';
import { openShard } from '../../schemas/parquet-reader.ts';
import { openParquetWriter } from '../../schemas/parquet-writer.ts';
import { decontaminateOptionsSchema } from '../../stages/decontaminate.ts';
import { temporaryFolder, writeSource } from '../support.ts';
import { discs } from './pictures.ts';

const { signal } = new AbortController();

async function read(shards: readonly string[], columns: { key?: string; image?: string } = {}) {
  const folder = await temporaryFolder();
  const files = { facts: join(folder, 'facts.parquet'), fingerprints: join(folder, 'fingerprints.parquet') };
  const options = { ...decontaminateOptionsSchema.parse(columns), concurrency: 2, maxPixels: 1e6 };
  const found = await readEvaluationSet(shards, options, files, signal);
  const all = async (path: string, name: string) => {
    const shard = await openShard(path);
    const groups = await Promise.all(shard.rowGroups.map(({ index }) => shard.readRowGroup(index, [name])));
    return groups.flatMap((group) => Array.from(group[name] ?? []));
  };
  return {
    found,
    keys: await all(files.facts, 'key'),
    sha256: await all(files.facts, 'sha256'),
    ids: await all(files.fingerprints, 'id'),
  };
}

describe('reading an evaluation set', async () => {
  const folder = await temporaryFolder();
  const image = await discs(1).png().toBuffer();

  it('names, hashes and fingerprints its images, and counts those that cannot be decoded', async () => {
    const path = join(folder, 'structs.parquet');
    await writeSource(path, [
      { key: 'broken', image: image.subarray(0, 80) },
      { key: 'sound', image },
      { key: 'none', image: null },
    ]);
    const { found, keys, sha256, ids } = await read([path]);
    expect(found).toEqual({ rows: 3, undecodable: 2 });
    expect(keys).toEqual(['broken', 'sound', 'none']);
    expect(new Set(sha256).size).toBe(3);
    expect(ids).toEqual([1n]);
  });

  it('takes bare bytes in a column of any name, and names rows without a key by their place', async () => {
    const path = join(folder, 'bare.parquet');
    const writer = await openParquetWriter(path);
    await writer.write(
      batchOf({
        jpg: { type: new Binary(), values: [image, image] },
        label: { type: new Utf8(), values: ['a', 'b'] },
      }),
    );
    await writer.close();
    expect((await read([path], { image: 'jpg' })).keys).toEqual(['bare.parquet:0:0', 'bare.parquet:0:1']);
    expect(await read([path, path], { image: 'jpg', key: 'label' })).toMatchObject({
      keys: ['a', 'b', 'a', 'b'],
      ids: [0n, 1n, 2n, 3n],
    });
  });

  it('says which shard lacks its images, and which cannot be read', async () => {
    const path = join(folder, 'structs.parquet');
    await expect(read([path], { image: 'jpg' })).rejects.toThrow(
      /^decontaminate\.shards: .*structs\.parquet: no column jpg for decontaminate\.image: it has key, url/,
    );
    await expect(read([join(folder, 'gone.parquet')])).rejects.toThrow(
      /^decontaminate\.shards: .*gone\.parquet: cannot be read/,
    );
  });
});
