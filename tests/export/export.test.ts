import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Int32, Utf8 } from 'apache-arrow';
import { beforeAll, describe, expect, it } from 'vitest';
import { npy } from '../../pipeline/export/webdataset.ts';
import { exportRows } from '../../pipeline/export.ts';
import { silentProgress } from '../../pipeline/progress.ts';
import { batchOf } from '../../schemas/batches.ts';
import { openShard } from '../../schemas/parquet-reader.ts';
import { openParquetWriter } from '../../schemas/parquet-writer.ts';
import { readShards, readShardsOptionsSchema } from '../../stages/read-shards.ts';
import { writeCurated } from '../pipeline/curated-pool.ts';
import { collect, rememberingContext, temporaryFolder, valuesOf } from '../support.ts';

const run = { signal: new AbortController().signal, progress: silentProgress };
let folder: string;
let keys: string[];
let texts: string[];
let images: Uint8Array[];

beforeAll(async () => {
  folder = await temporaryFolder();
  await writeCurated(folder, 25);
  const shard = await openShard(join(folder, 'shards', '00000.parquet'));
  const columns = await shard.readRowGroup(0, ['key', 'text', 'image']);
  keys = Array.from(columns.key as ArrayLike<string>);
  texts = Array.from(columns.text as ArrayLike<string>);
  images = Array.from(columns.image as ArrayLike<{ bytes: Uint8Array }>, ({ bytes }) => bytes);
});

const to = (name: string) => join(folder, name);

async function writeSelections(
  rows: readonly [step: number, position: number, key: string][],
): Promise<string> {
  const path = to('selections.parquet');
  const writer = await openParquetWriter(path);
  await writer.write(
    batchOf({
      step: { type: new Int32(), values: rows.map(([step]) => step) },
      position: { type: new Int32(), values: rows.map(([, position]) => position) },
      key: { type: new Utf8(), values: rows.map(([, , key]) => key) },
    }),
  );
  await writer.close();
  return path;
}

/** Reads MosaicML's shards by what the format's own reader does: offsets, sizes, values. */
async function readMds(dir: string): Promise<Record<string, Buffer>[]> {
  const index = JSON.parse(await readFile(join(dir, 'index.json'), 'utf8'));
  expect(index.version).toBe(2);
  const rows: Record<string, Buffer>[] = [];
  for (const shard of index.shards) {
    const bytes = await readFile(join(dir, shard.raw_data.basename));
    expect(bytes.length).toBe(shard.raw_data.bytes);
    expect(bytes.readUInt32LE(0)).toBe(shard.samples);
    for (let i = 0; i < shard.samples; i += 1) {
      const data = bytes.subarray(bytes.readUInt32LE(4 * (i + 1)), bytes.readUInt32LE(4 * (i + 2)));
      let at = 0;
      const sizes = shard.column_sizes.map((size: number | null) => {
        if (size !== null) return size;
        at += 4;
        return data.readUInt32LE(at - 4);
      });
      const row: Record<string, Buffer> = {};
      shard.column_names.forEach((name: string, k: number) => {
        row[name] = data.subarray(at, at + sizes[k]);
        at += sizes[k];
      });
      expect(at).toBe(data.length);
      rows.push(row);
    }
  }
  return rows;
}

describe('an export', () => {
  it('as WebDataset is read by our own reader, row for row', async () => {
    const out = to('tars');
    const report = await exportRows({ format: 'webdataset', data: folder, out, shardRows: 10 }, run);
    expect(report).toMatchObject({ rows: 25, files: 3 });
    const { context, quarantined } = rememberingContext();
    const tars = (await readdir(out)).filter((name) => name.endsWith('.tar')).sort();
    const options = readShardsOptionsSchema.parse({ preset: 'webdataset' });
    const batches = await collect(
      readShards(
        tars.map((name) => join(out, name)),
        options,
        context,
      ),
    );
    expect(quarantined).toEqual([]);
    expect(valuesOf(batches, 'key')).toEqual(keys);
    expect(valuesOf(batches, 'alt_texts').map((list) => [...(list as Iterable<string>)])).toEqual(
      texts.map((text) => [text]),
    );
    const read = valuesOf(batches, 'image') as { bytes: Uint8Array }[];
    expect(read.map(({ bytes }) => Buffer.from(bytes))).toEqual(images.map((bytes) => Buffer.from(bytes)));
  });

  it('as MDS has every column in its encoding', async () => {
    const out = to('mds');
    await exportRows({ format: 'mds', data: folder, out, shardRows: 10 }, run);
    const rows = await readMds(out);
    expect(rows.map(({ key }) => key?.toString())).toEqual(keys);
    expect(rows.map(({ text }) => text?.toString())).toEqual(texts);
    expect(rows.map(({ image }) => image)).toEqual(images.map((bytes) => Buffer.from(bytes)));
    expect(rows[0]?.teacher_image).toHaveLength(8);
    const { shards } = JSON.parse(await readFile(join(out, 'index.json'), 'utf8'));
    expect(shards[0].column_encodings).toEqual([
      'bytes',
      'str',
      'str',
      'ndarray:float16:4',
      'ndarray:float16:4',
      'str',
    ]);
    expect(shards[0].column_names).toEqual([...shards[0].column_names].sort());
  });

  it('of selected rows has them in the order of their steps, as often as they were selected', async () => {
    const selections = await writeSelections([
      [1, 0, 'row-3'],
      [0, 1, 'row-20'],
      [0, 0, 'row-3'],
      [1, 1, 'row-7'],
    ]);
    const request = { data: folder, selections, shardRows: 3 } as const;
    await exportRows({ ...request, format: 'mds', out: to('selected-mds') }, run);
    const rows = await readMds(to('selected-mds'));
    expect(rows.map(({ key }) => key?.toString())).toEqual(['row-3', 'row-20', 'row-3', 'row-7']);
    expect(rows.map(({ step }) => step?.readBigInt64LE())).toEqual([0n, 0n, 1n, 1n]);
    expect(rows[1]?.image).toEqual(Buffer.from(images[20] ?? []));
    await exportRows({ ...request, format: 'parquet', out: to('selected-parquet') }, run);
    const shard = await openShard(join(to('selected-parquet'), '00001.parquet'));
    const { key, position } = await shard.readRowGroup(0, ['key', 'position']);
    expect([...Array.from(key ?? []), ...Array.from(position ?? [])]).toEqual(['row-7', 1]);
    expect(JSON.parse(shard.metadata.teacher ?? '')).toMatchObject({ dimension: 4 });
    await exportRows({ ...request, format: 'webdataset', out: to('selected-tars') }, run);
    expect((await readFile(join(to('selected-tars'), '00000.tar'))).subarray(0, 20).toString()).toBe(
      '000000000-000000.png',
    );
  });

  it('makes the same bytes again, and nothing where it fails', async () => {
    for (const format of ['webdataset', 'parquet', 'mds'] as const) {
      const bytes: Buffer[][] = [];
      for (const name of [`${format}-a`, `${format}-b`]) {
        await exportRows({ format, data: folder, out: to(name), shardRows: 10 }, run);
        const names = (await readdir(to(name))).sort();
        bytes.push(await Promise.all(names.map((file) => readFile(join(to(name), file)))));
      }
      expect(bytes[0]).toEqual(bytes[1]);
    }
    const selections = await writeSelections([[0, 0, 'nobody']]);
    const request = { format: 'webdataset', data: folder, selections, shardRows: 10 } as const;
    await expect(exportRows({ ...request, out: to('none') }, run)).rejects.toThrow(/have no key nobody/);
    expect((await readdir(folder)).filter((name) => name.startsWith('none'))).toEqual([]);
    await expect(exportRows({ ...request, out: to('mds-a') }, run)).rejects.toThrow(/isn't empty/);
  });

  it("writes NumPy's files as they are laid out", () => {
    const file = Buffer.from(npy(Uint8Array.of(0, 60, 0, 56)));
    expect(file.subarray(0, 8)).toEqual(Buffer.from('\x93NUMPY\x01\x00', 'latin1'));
    expect((10 + file.readUInt16LE(8)) % 64).toBe(0);
    expect(file.subarray(10, 10 + file.readUInt16LE(8)).toString()).toMatch(
      /^\{'descr': '<f2', 'fortran_order': False, 'shape': \(2,\), \} *\n$/,
    );
    expect([...file.subarray(-4)]).toEqual([0, 60, 0, 56]);
  });
});
