import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseConfig } from '../../pipeline/config.ts';
import { curate } from '../../pipeline/curate.ts';
import { silentProgress } from '../../pipeline/progress.ts';
import { useStorage } from '../../schemas/storage/open-storage.ts';
import { createS3Storage } from '../../schemas/storage/s3-storage.ts';
import { storageSettingsSchema } from '../../schemas/storage/settings.ts';
import type { Storage } from '../../schemas/storage/storage.ts';
import { flat } from '../stages/pictures.ts';
import { collect, temporaryFolder, writeSource } from '../support.ts';
import { bucket, type ObjectStore, settingsFor, startObjectStore } from './object-store.ts';

let folder: string;
let store: ObjectStore;
let storage: Storage;

beforeAll(async () => {
  folder = await temporaryFolder();
  store = await startObjectStore();
  storage = createS3Storage(settingsFor(store));
});
afterAll(async () => {
  useStorage(storageSettingsSchema.parse({}));
  await storage.close();
  await store.stop();
});

const everything = async () => (await readdir(folder, { recursive: true })).sort();

describe('names from data', () => {
  const hostile = [
    '../../escaped',
    '/etc/escaped',
    'a/../../escaped',
    '..',
    'C:\\escaped',
    'a\u0000b',
    '-'.repeat(300),
  ];

  it('lead no file of a run out of its folder: keys of rows and names of objects', async () => {
    const image = await flat(40, 40, 'red').png().toBuffer();
    const source = join(folder, 'source.parquet');
    await writeSource(
      source,
      hostile.map((key) => ({ key, image, altTexts: ['a red apple on a plate'] })),
    );
    const keys = ['in/..escaped.parquet', 'in/a/x..%2f..%2fescaped.parquet', 'in/%2e%2e/escaped 2.parquet'];
    for (const key of keys) await storage.put(`s3://${bucket}/${key}`, await readFile(source));
    expect((await collect(storage.list(`s3://${bucket}/in/a/`))).map(({ location }) => location)).toEqual([
      `s3://${bucket}/${keys[1]}`,
    ]);
    const before = await everything();
    const cache = { folder: join(folder, 'cache'), bytes: 16 * 1024 * 1024 };
    const recipe = {
      input: { shards: [`s3://${bucket}/in/`, `s3://${bucket}/${keys[0]}`] },
      images: { minDeviation: 0, minEntropy: 0 },
      deduplicate: { mode: 'label' },
      mix: { enabled: false },
      storage: settingsFor(store, { cache }),
    };
    const config = parseConfig(JSON.stringify(recipe), 'test.yaml');
    useStorage(config.storage);
    const report = await curate(config, join(folder, 'run'), {
      signal: new AbortController().signal,
      progress: silentProgress,
      configPath: 'test.yaml',
    });
    expect(report.read).toBe(keys.length * hostile.length);
    const made = (await everything()).filter((name) => !before.includes(name));
    expect(made.length).toBeGreaterThan(4);
    for (const name of made) {
      expect(name).toMatch(
        /^(run(\/(shards|lineage|quarantine|dropped))?(\/\d+\.parquet|\/(manifest|report)\.json)?|run\/work(\/plan\.(json|parquet)|\/[a-z]+(\/[a-z]+(\/[0-9a-f]{32}(\.json)?)?)?)?|cache(\/blocks-\d+-\d+(\/\d+-\d)?)?)$/,
      );
    }
  });
});
