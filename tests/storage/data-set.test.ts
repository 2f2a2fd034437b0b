import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseConfig } from '../../pipeline/config.ts';
import { recipeOfDataSet } from '../../pipeline/schedule/data-set.ts';
import { retryIncrements, runIncrement } from '../../pipeline/schedule/run-increment.ts';
import { useStorage } from '../../schemas/storage/open-storage.ts';
import { createS3Storage } from '../../schemas/storage/s3-storage.ts';
import { storageSettingsSchema } from '../../schemas/storage/settings.ts';
import type { Storage } from '../../schemas/storage/storage.ts';
import { sourceRows } from '../engines/conformance.ts';
import { quietRun } from '../engines/pool.ts';
import { added } from '../schedule/data-sets.ts';
import { temporaryFolder, writeSource } from '../support.ts';
import { bucket, type ObjectStore, settingsFor, startObjectStore } from './object-store.ts';

let folder: string;
let store: ObjectStore;
let behind: Storage;

beforeAll(async () => {
  folder = await temporaryFolder();
  store = await startObjectStore();
  behind = createS3Storage(settingsFor({ endpoint: store.behind }));
  await mkdir(join(folder, 'in'));
});

afterAll(async () => {
  useStorage(storageSettingsSchema.parse({}));
  await behind.close();
  await store.stop();
});

describe('a data set of shards in an object store', () => {
  it('is grown and retried from the store that its recipe names, whatever the process reached before', async () => {
    const [path, at] = [join(folder, 'in', 'a.parquet'), `s3://${bucket}/in/a.parquet`];
    await writeSource(path, await sourceRows(20));
    const bytes = await readFile(path);
    const recipe = {
      ...{ seed: 3, input: { shards: [`s3://${bucket}/in/`] }, mix: { enabled: false } },
      ...{ images: { minDeviation: 0, minEntropy: 0 }, boilerplate: { enabled: false } },
      ...{ deduplicate: { near: false }, storage: settingsFor(store) },
    };
    // A process that has read no recipe reaches the store that its surroundings name.
    const elsewhere = () =>
      useStorage(storageSettingsSchema.parse({ endpoint: 'http://127.0.0.1:1', retries: 0, timeout: 1 }));
    const set = join(folder, 'set');
    await behind.put(at, bytes.subarray(0, 300));
    elsewhere();
    const config = parseConfig(JSON.stringify(recipe), 'test.yaml');
    expect(added(await runIncrement(config, set, quietRun())).report.quarantinedShards).toBe(1);
    await behind.put(at, bytes);
    elsewhere();
    const { report } = added(await retryIncrements(await recipeOfDataSet(set), set, quietRun()));
    expect(report).toMatchObject({ read: 20, kept: 20, quarantined: 0, quarantinedShards: 0 });
  });
});
