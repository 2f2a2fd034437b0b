import { fork } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { batchOf } from '../schemas/batches.ts';
import { openParquetWriter } from '../schemas/parquet-writer.ts';
import { rowTypes } from '../schemas/rows.ts';
import { storageOf, useStorage } from '../schemas/storage/open-storage.ts';
import { storageSettingsSchema } from '../schemas/storage/settings.ts';
import { readShards, readShardsOptionsSchema } from '../stages/read-shards.ts';

/** Rows when none are asked for: 256 MiB of images. */
const defaultRows = 4096;
const imageBytes = 64 * 1024;
const shards = 4;
const repeats = 3;

/** What caches have room for everything, where one is meant to. */
const roomy = 2 ** 34;

/**
 * Measures reading shards, all columns of all rows, out of an object store on this machine beside files, in turn, as
 * ratios of medians over repeats. The store is fauxqs in a process of its own, which takes processor time of the same
 * cores: a store on another machine leaves more, and a network takes more.
 *
 * - `s3OverFile`: MB/s from the store, with the cache in memory that is the default, over those from files.
 * - `s3DiskColdOverFile`: the same while a cache on disk is being filled.
 * - `warmOverCold`: MB/s with that cache filled over those while it is filled.
 * - `warmOverFile`: MB/s with that cache filled over those from files.
 */
export async function benchStorage({
  rows = defaultRows,
}: {
  readonly rows?: number | undefined;
}): Promise<Record<string, number>> {
  const folder = await mkdtemp(join(tmpdir(), 'assay-bench-'));
  const server = fork(fileURLToPath(new URL('./storage/server.ts', import.meta.url)));
  try {
    const [endpoint] = (await once(server, 'message')) as [string];
    process.env.AWS_ACCESS_KEY_ID ??= 'bench-access';
    process.env.AWS_SECRET_ACCESS_KEY ??= 'bench-secret';
    const files = await buildShards(folder, rows);
    const objects = files.map((path) => `s3://bench/shards/${basename(path)}`);
    reach(endpoint, {});
    for (const [i, path] of files.entries()) await copyTo(objects[i] ?? '', path);
    const cache = { folder: join(folder, 'cache'), bytes: roomy };
    const ways: Record<string, () => Promise<number>> = {
      file: () => timed(files, rows),
      s3: () => {
        reach(endpoint, {});
        return timed(objects, rows);
      },
      cold: async () => {
        await rm(cache.folder, { recursive: true, force: true });
        reach(endpoint, { cache });
        return timed(objects, rows);
      },
      warm: () => {
        reach(endpoint, { cache });
        return timed(objects, rows);
      },
    };
    const seconds: Record<string, number[]> = {};
    // One turn unmeasured: code is compiled and the SDK is loaded in it.
    for (let turn = rows < 100 ? 0 : -1; turn < (rows < 100 ? 1 : repeats); turn += 1) {
      for (const [name, way] of Object.entries(ways)) {
        const taken = await way();
        if (turn >= 0) seconds[name] = [...(seconds[name] ?? []), taken];
      }
    }
    const sizes = await Promise.all(files.map(async (path) => (await stat(path)).size));
    const megabytes = sizes.reduce((sum, size) => sum + size, 0) / 1e6;
    const of = (name: string) => median(seconds[name] ?? []);
    return {
      rows,
      megabytes: Math.round(megabytes),
      fileMegabytesPerSecond: Math.round(megabytes / of('file')),
      s3MegabytesPerSecond: Math.round(megabytes / of('s3')),
      s3OverFile: round(of('file') / of('s3')),
      s3DiskColdOverFile: round(of('file') / of('cold')),
      warmOverCold: round(of('cold') / of('warm')),
      warmOverFile: round(of('file') / of('warm')),
    };
  } finally {
    server.disconnect();
    await rm(folder, { recursive: true });
  }
}

/** Reaches the store anew: nothing is left in memory of what was read before. */
function reach(endpoint: string, more: object): void {
  useStorage(storageSettingsSchema.parse({}));
  useStorage(storageSettingsSchema.parse({ endpoint, ...more }));
}

/** Seconds in which all rows are read. Throws when one is missing. */
async function timed(locations: readonly string[], rows: number): Promise<number> {
  const columns = { key: 'key', image: 'image', alt_texts: 'alt_texts' };
  const refuse = ({ reason, detail }: { reason: string; detail?: string | null }) => {
    throw new Error(`${reason}: ${detail}`);
  };
  const context = { signal: new AbortController().signal, drop: refuse, quarantine: refuse };
  const started = performance.now();
  let read = 0;
  for await (const batch of readShards(locations, readShardsOptionsSchema.parse({ columns }), context)) {
    read += batch.numRows;
  }
  if (read !== rows) throw new Error(`${read} of ${rows} rows were read`);
  return (performance.now() - started) / 1000;
}

async function buildShards(folder: string, rows: number): Promise<string[]> {
  const paths: string[] = [];
  for (let shard = 0; shard < shards; shard += 1) {
    const path = join(folder, `${shard}.parquet`);
    const writer = await openParquetWriter(path);
    const own = Array.from({ length: rows }, (_, i) => i).filter((row) => row % shards === shard);
    for (let start = 0; start < own.length; start += 256) {
      const some = own.slice(start, start + 256);
      await writer.write(
        batchOf({
          key: { type: rowTypes.key, values: some.map((row) => `k${row}`) },
          image: {
            type: rowTypes.image,
            values: some.map((row) => ({ bytes: randomBytes(imageBytes), path: `${row}.jpg` })),
          },
          alt_texts: { type: rowTypes.alt_texts, values: some.map((row) => [`a text of row ${row}`]) },
        }),
      );
    }
    await writer.close();
    paths.push(path);
  }
  return paths;
}

async function copyTo(location: string, path: string): Promise<void> {
  const writer = await (await storageOf(location)).create(location);
  await writer.write(await readFile(path));
  await writer.close();
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[sorted.length >> 1] ?? Number.NaN;
}

const round = (value: number) => Math.round(value * 1000) / 1000;
