import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  Field,
  FixedSizeList,
  Float32,
  RecordBatchFileWriter,
  RecordBatchStreamWriter,
  Utf8,
} from 'apache-arrow';
import { pack } from 'tar-stream';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { readSafetensors, writeSafetensors } from '../../models/safetensors.ts';
import { readEvaluationSet } from '../../pipeline/curation/duplicates/evaluation-set.ts';
import { prepareRows } from '../../pipeline/distill/prepare.ts';
import { resolveFile, resolveInput, resolveShards } from '../../pipeline/inputs.ts';
import { silentProgress } from '../../pipeline/progress.ts';
import { fileFacts } from '../../pipeline/run-folder.ts';
import { readEmbeddings } from '../../pipeline/select/read-embeddings.ts';
import { batchOf } from '../../schemas/batches.ts';
import { joinLocation } from '../../schemas/storage/locations.ts';
import { useStorage } from '../../schemas/storage/open-storage.ts';
import { createS3Storage } from '../../schemas/storage/s3-storage.ts';
import { storageSettingsSchema } from '../../schemas/storage/settings.ts';
import type { Storage } from '../../schemas/storage/storage.ts';
import { readShards, readShardsOptionsSchema } from '../../stages/read-shards.ts';
import { writeCurated } from '../pipeline/curated-pool.ts';
import { collect, rememberingContext, temporaryFolder, valuesOf, writeSource } from '../support.ts';
import { bucket, type ObjectStore, settingsFor, startObjectStore } from './object-store.ts';

let folder: string;
let store: ObjectStore;
let behind: Storage;
const prefix = `s3://${bucket}/readers`;
const here = (...names: string[]) => join(folder, ...names);
const there = (...names: string[]) => joinLocation(prefix, ...names);

async function copy(...names: string[]): Promise<string> {
  await behind.put(there(...names), await readFile(here(...names)));
  return there(...names);
}

beforeAll(async () => {
  folder = await temporaryFolder();
  store = await startObjectStore();
  behind = createS3Storage(settingsFor({ endpoint: store.behind }));
  useStorage(settingsFor(store, { retries: 6 }));
});
beforeEach(() => {
  store.plan = ({ method, index }) => {
    if (index % 4 === 1) return { kind: 'answer', status: 503, code: 'SlowDown' };
    return index % 4 === 3 && method === 'GET' ? { kind: 'reset', after: 700 } : null;
  };
});
afterAll(async () => {
  useStorage(storageSettingsSchema.parse({}));
  await behind.close();
  await store.stop();
});

async function writeTar(name: string, samples: number, cutAt = Number.POSITIVE_INFINITY): Promise<void> {
  const tar = pack();
  for (let i = 0; i < samples; i += 1) {
    tar.entry({ name: `k${i}.jpg`, mtime: new Date(0) }, Buffer.alloc(20_000, i));
    tar.entry({ name: `k${i}.txt`, mtime: new Date(0) }, `a text of ${i}`);
  }
  tar.finalize();
  const bytes = Buffer.concat(await collect(tar as AsyncIterable<Buffer>));
  await writeFile(here(name), bytes.subarray(0, cutAt));
}

describe('readers of what is in an object store, through faults', () => {
  it('read tars as from files, also one that is cut short', async () => {
    await writeTar('whole.tar', 40);
    await writeTar('cut.tar', 40, 500_000);
    for (const name of ['whole.tar', 'cut.tar']) {
      const results = [];
      for (const path of [here(name), await copy(name)]) {
        const { context, quarantined } = rememberingContext();
        const options = readShardsOptionsSchema.parse({ preset: 'webdataset' });
        const batches = await collect(readShards([path], options, context));
        const images = valuesOf(batches, 'image').map((image) =>
          Buffer.from((image as { bytes: Uint8Array }).bytes).toString('base64'),
        );
        const reasons = quarantined.map(({ key, row, reason }) => ({ key, row, reason }));
        results.push({ keys: valuesOf(batches, 'key'), images, reasons });
      }
      expect(results[1]).toEqual(results[0]);
      expect(results[1]?.keys.length).toBeGreaterThan(20);
      expect(results[1]?.reasons.length).toBe(name === 'cut.tar' ? 2 : 0);
    }
  });

  it('end with the storage’s error within a tar, and quarantine none of it', async () => {
    await writeTar('down.tar', 400);
    const path = await copy('down.tar');
    const { context, quarantined } = rememberingContext();
    const { size } = (await behind.stat(path)) ?? { size: 0 };
    expect(size).toBeGreaterThan(8_400_000);
    let heads = 0;
    store.plan = ({ method, range }) => {
      heads += method === 'HEAD' ? 1 : 0;
      return range === undefined || range.startsWith('bytes=0-')
        ? null
        : { kind: 'answer', status: 503, code: 'SlowDown' };
    };
    const reading = collect(
      readShards([path], readShardsOptionsSchema.parse({ preset: 'webdataset' }), context),
    );
    await expect(reading).rejects.toMatchObject({ name: 'StorageError', problem: 'unavailable' });
    expect(heads).toBeGreaterThan(0);
    expect(quarantined).toEqual([]);
  });

  it('find the list beside a tar', async () => {
    await mkdir(here('listed'), { recursive: true });
    await writeTar('listed/0.tar', 3);
    await writeSource(here('listed/0.parquet'), [{ key: 'k0' }]);
    await copy('listed', '0.tar');
    await copy('listed', '0.parquet');
    const input = { shards: [`${there('listed')}/`], preset: 'img2dataset' } as const;
    expect(await resolveInput(input, 'a.yaml')).toEqual([there('listed', '0.tar')]);
  });

  it('read curated shards for a learner', async () => {
    await writeCurated(here('curated'), 40);
    const shards = await resolveShards([joinLocation(here('curated'), 'shards')], '--data', 'x');
    await copy('curated', 'shards', '00000.parquet');
    const objects = await resolveShards([joinLocation(there('curated'), 'shards')], '--data', 'x');
    expect(objects).toEqual([there('curated', 'shards', '00000.parquet')]);
    const prepared = [];
    for (const [i, paths] of [shards, objects].entries()) {
      await mkdir(here(`prepared-${i}`));
      const run = { signal: new AbortController().signal, progress: silentProgress };
      await prepareRows(paths, 16, here(`prepared-${i}`), run);
      prepared.push((await readFile(here(`prepared-${i}`, 'prepared.arrows'))).toString('base64'));
    }
    expect(prepared[1]).toBe(prepared[0]);
    expect((await fileFacts(objects[0] ?? '')).sha256).toBe((await fileFacts(shards[0] ?? '')).sha256);
  });

  it('read evaluation sets', async () => {
    await copy('curated', 'shards', '00000.parquet');
    const options = { key: 'key', image: 'image', concurrency: 2, maxPixels: 10_000 };
    const files = { facts: here('facts.parquet'), fingerprints: here('fingerprints.parquet') };
    const signal = new AbortController().signal;
    const facts = await readEvaluationSet(
      [there('curated', 'shards', '00000.parquet')],
      options,
      files,
      signal,
    );
    expect(facts).toEqual({ rows: 40, undecodable: 0 });
  });

  it('read checkpoints', async () => {
    const values = Float32Array.from({ length: 100_000 }, (_, i) => i / 7);
    await writeSafetensors(here('teacher.safetensors'), {
      a: { shape: [100_000], dtype: 'float32', data: values },
    });
    const path = await resolveFile(await copy('teacher.safetensors'), 'teacher.checkpoint', 'a.yaml');
    const read = (await readSafetensors(path)).tensors.a?.data as Float32Array;
    expect(Buffer.from(read.buffer).equals(Buffer.from(values.buffer))).toBe(true);
    await expect(resolveFile(there('none.safetensors'), 'teacher.checkpoint', 'a.yaml')).rejects.toThrow(
      /a.yaml: teacher.checkpoint: no such file: s3:/,
    );
  });

  it('read embeddings in every form', async () => {
    const list = new FixedSizeList(4, new Field('element', new Float32(), true));
    const rows = Array.from({ length: 60 }, (_, i) => [i, 1, 2, 3]);
    const batch = batchOf({
      key: { type: new Utf8(), values: rows.map((_, i) => `pair-${i}`) },
      learner_image: { type: list, values: rows },
    });
    for (const [name, writer] of [
      ['a.arrow', new RecordBatchFileWriter()],
      ['a.arrows', new RecordBatchStreamWriter()],
    ] as const) {
      writer.write(batch);
      writer.finish();
      await writeFile(here(name), writer.toUint8Array(true));
      const [file, object] = [
        await readEmbeddings(here(name), ['learner_image']),
        await readEmbeddings(await copy(name), ['learner_image']),
      ];
      expect(object).toEqual(file);
      expect(object.rows).toBe(60);
    }
    await expect(readEmbeddings(there('none.arrow'), [])).rejects.toThrow(/can't be opened: no such file/);
  });
});
