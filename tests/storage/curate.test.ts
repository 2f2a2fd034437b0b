import { mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { parseConfig } from '../../pipeline/config.ts';
import { curate } from '../../pipeline/curate.ts';
import { silentProgress } from '../../pipeline/progress.ts';
import { createRandom } from '../../schemas/random.ts';
import type { CurationReport } from '../../schemas/reports.ts';
import { useStorage } from '../../schemas/storage/open-storage.ts';
import { createS3Storage } from '../../schemas/storage/s3-storage.ts';
import { storageSettingsSchema } from '../../schemas/storage/settings.ts';
import type { Storage } from '../../schemas/storage/storage.ts';
import { type SourceRow, temporaryFolder, writeSource } from '../support.ts';
import { bucket, type Fault, type ObjectStore, settingsFor, startObjectStore } from './object-store.ts';

const texts = ['a red apple on a plate', 'the happy dog runs', 'blue car in the street', 'ein roter Apfel'];

/** Rows of noise, so that a shard is of more than a block. */
async function sourceRows(from: number, count: number): Promise<SourceRow[]> {
  const random = createRandom(from);
  const rows: SourceRow[] = [];
  for (let i = from; i < from + count; i += 1) {
    const pixels = Uint8Array.from({ length: 96 * 96 * 3 }, () => random.integer(256));
    const image = await sharp(pixels, { raw: { width: 96, height: 96, channels: 3 } })
      .png({ compressionLevel: 0 })
      .toBuffer();
    rows.push({
      key: `row-${i}`,
      image: i % 9 === 4 ? image.subarray(0, 60) : image,
      altTexts: [i % 7 === 3 ? 'IMG_0001.JPG' : `${texts[i % 4]} ${i}`],
      pageLanguage: i % 4 === 3 ? 'de' : 'en',
    });
  }
  return rows;
}

let folder: string;
let store: ObjectStore;
let behind: Storage;
let local: CurationReport;
let runs = 0;
const names = ['a.parquet', 'sub/b.parquet', 'c.parquet'];

const shardsIn = async (run: string) =>
  Promise.all(
    (await readdir(join(folder, run, 'shards'))).map(async (name) =>
      (await readFile(join(folder, run, 'shards', name))).toString('base64'),
    ),
  );
const countsOf = ({
  read,
  kept,
  dropped,
  quarantined,
  quarantinedShards,
  reasons,
  languages,
}: CurationReport) => ({
  ...{ read, kept, dropped, quarantined, quarantinedShards, reasons, languages },
});

function curated(shards: readonly string[], run: string, more: object = {}): Promise<CurationReport> {
  const recipe = {
    seed: 3,
    input: { shards, batchRows: 16 },
    mix: { english: 0.6 },
    storage: settingsFor(store, { retries: 8, cache: { bytes: 4 * 1024 * 1024 } }),
    ...more,
  };
  const config = parseConfig(JSON.stringify(recipe), 'test.yaml');
  useStorage(config.storage);
  const signal = new AbortController().signal;
  return curate(config, join(folder, run), { signal, progress: silentProgress, configPath: 'test.yaml' });
}

beforeAll(async () => {
  folder = await temporaryFolder();
  store = await startObjectStore();
  behind = createS3Storage(settingsFor({ endpoint: store.behind }));
  await mkdir(join(folder, 'in', 'sub'), { recursive: true });
  const [a = '', b = '', c = ''] = names.map((name) => join(folder, 'in', name));
  await writeSource(a, await sourceRows(0, 60), 500_000);
  await writeSource(b, await sourceRows(60, 50));
  await writeFile(c, 'no parquet file');
  for (const name of names) {
    await behind.put(`s3://${bucket}/in/${name}`, await readFile(join(folder, 'in', name)));
  }
  local = await curated([join(folder, 'in')], 'local');
});

beforeEach(() => {
  store.plan = null;
  store.seen.length = 0;
});

afterAll(async () => {
  useStorage(storageSettingsSchema.parse({}));
  await behind.close();
  await store.stop();
});

describe('a curation of shards in an object store', () => {
  const faults: Record<string, (index: number) => Fault | null> = {
    nothing: () => null,
    'answers of SlowDown and 429': (index) =>
      index % 3 === 0
        ? { kind: 'answer', status: index % 2 ? 503 : 429, code: index % 2 ? 'SlowDown' : 'TooManyRequests' }
        : null,
    'connections cut within bodies': (index) => (index % 2 ? { kind: 'reset', after: 30_000 * index } : null),
    'bodies that end early': (index) => (index % 2 ? { kind: 'truncate', after: 30_000 * index } : null),
    'slow bodies': () => ({ kind: 'drip', bytes: 100_000, pause: 2 }),
    'answers that are lost': (index) => (index % 2 ? { kind: 'lose' } : null),
  };
  for (const [name, fault] of Object.entries(faults)) {
    it(`comes to the bytes of one on this machine, with ${name}`, async () => {
      store.plan = ({ index, method }) =>
        method === 'GET' || name.startsWith('answers') ? fault(index) : null;
      const run = `s3-${runs++}`;
      const report = await curated([`s3://${bucket}/in/`], run);
      expect(countsOf(report)).toEqual(countsOf(local));
      expect(report.read).toBe(110);
      expect(report.kept).toBeGreaterThan(50);
      expect(await shardsIn(run)).toEqual(await shardsIn('local'));
    });
  }

  it('comes to the same by several processes', async () => {
    store.plan = ({ index }) =>
      index % 4 === 1
        ? { kind: 'answer', status: 503, code: 'SlowDown' }
        : index % 4 === 3
          ? { kind: 'lose' }
          : null;
    const report = await curated([`s3://${bucket}/in/**/*.parquet`], 'workers', { workers: 2 });
    expect(countsOf(report)).toEqual(countsOf(local));
    expect(await shardsIn('workers')).toEqual(await shardsIn('local'));
  });

  it('goes on where a body stalled', async () => {
    let stalled = 0;
    store.plan = ({ range }) =>
      range !== undefined && stalled++ === 2 ? { kind: 'stall', after: 400_000 } : null;
    const storage = settingsFor(store, { timeout: 1, cache: { bytes: 0 } });
    const report = await curated([`s3://${bucket}/in`], 'stalled', { storage });
    expect(stalled).toBeGreaterThan(3);
    expect(countsOf(report)).toEqual(countsOf(local));
    expect(await shardsIn('stalled')).toEqual(await shardsIn('local'));
  });
});

describe('a curation whose storage fails', () => {
  const uncached = () => ({ storage: settingsFor(store, { retries: 2, cache: { bytes: 0 } }) });
  const dataReads = () => store.seen.filter(({ range }) => range?.startsWith('bytes=4-')).length;

  it('ends with an error that names the object, and quarantines nothing', async () => {
    store.plan = () => (dataReads() > 0 ? { kind: 'answer', status: 503, code: 'SlowDown' } : null);
    const failed = curated([`s3://${bucket}/in/`], 'down', uncached());
    await expect(failed).rejects.toMatchObject({
      name: 'StorageError',
      problem: 'unavailable',
      message: expect.stringMatching(
        /^s3:\/\/pool\/in\/.*parquet, bytes 4 to \d+: no answer in 3 attempts.*503.*go on/,
      ),
    });
    await expect(stat(join(folder, 'down', 'report.json'))).rejects.toThrow(/ENOENT/);
    store.plan = null;
    const report = await curated([`s3://${bucket}/in/`], 'down', uncached());
    expect(countsOf(report)).toEqual(countsOf(local));
  });

  it('ends when an object is replaced under it, and says which', async () => {
    const at = `s3://${bucket}/replaced/a.parquet`;
    await behind.put(at, await readFile(join(folder, 'in/a.parquet')));
    let replaced = false;
    store.plan = async ({ method }) => {
      if (method === 'GET' && dataReads() > 0 && !replaced) {
        replaced = true;
        await behind.put(at, await readFile(join(folder, 'in/sub/b.parquet')));
      }
      return null;
    };
    const failed = curated([`s3://${bucket}/replaced/`], 'replaced', uncached());
    await expect(failed).rejects.toMatchObject({ problem: 'changed', message: expect.stringContaining(at) });
  });

  it('ends when an object or a file disappears', async () => {
    const at = `s3://${bucket}/gone/a.parquet`;
    await behind.put(at, await readFile(join(folder, 'in/a.parquet')));
    store.plan = async () => {
      if (dataReads() > 0) await behind.delete(at);
      return null;
    };
    const failed = curated([`s3://${bucket}/gone/`], 'gone', uncached());
    await expect(failed).rejects.toMatchObject({ problem: 'missing', message: expect.stringContaining(at) });
  });

  it('tells a missing prefix, an empty one and a wrong bucket apart from bad data', async () => {
    await expect(curated([`s3://${bucket}/nowhere/`], 'none')).rejects.toThrow(
      /test.yaml: input.shards: no such file or folder: s3:/,
    );
    await expect(curated([`s3://${bucket}/in/*.tar`], 'none')).rejects.toThrow(/no .parquet file matches/);
    await expect(curated(['s3://no-such-bucket/in/'], 'none')).rejects.toThrow(/there is no such bucket/);
    await expect(curated(['gs://bucket/in/'], 'none')).rejects.toThrow(/input.shards: gs:.*isn't read/);
  });
});
