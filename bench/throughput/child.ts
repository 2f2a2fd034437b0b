import { rm } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { DuckDBInstance } from '@duckdb/node-api';
import PQueue from 'p-queue';
import sharp from 'sharp';
import { parseConfig } from '../../pipeline/config.ts';
import { curate } from '../../pipeline/curate.ts';
import { silentProgress } from '../../pipeline/progress.ts';
import { openShard } from '../../schemas/parquet-reader.ts';

/** What a child process measures, so that its memory and its warm-up are its own. */
export type ThroughputRequest = { readonly folder: string; readonly repeats: number } & (
  | {
      readonly kind: 'images';
      readonly shards: readonly string[];
      readonly concurrency: number;
      readonly shardRows: number;
    }
  | { readonly kind: 'metadata'; readonly shard: string }
  | { readonly kind: 'memory'; readonly shards: readonly string[] }
  | {
      readonly kind: 'workers';
      readonly shards: readonly string[];
      /** Rows of a shard that is written: a task of the second pass each. */
      readonly shardRows: number;
      /** Images in flight of each number of workers that is measured. */
      readonly inFlight: readonly { readonly workers: number; readonly concurrency: number }[];
    }
);

/** Seconds of each way, a number a repeat, the ways taken in turn; and the most memory the process took. */
export interface ThroughputAnswer {
  readonly seconds: Readonly<Record<string, readonly number[]>>;
  /** The same of processor time, which other programs on the machine hardly change; other processes' aside. */
  readonly processorSeconds: Readonly<Record<string, readonly number[]>>;
  readonly peakBytes: number;
}

const signal = new AbortController().signal;

/** What is left of a curation's recipe when it only reads, judges and writes. */
const plain = { mix: { enabled: false }, regions: { detector: 'none' } };

async function curated(
  shards: readonly string[],
  folder: string,
  {
    workers,
    concurrency = 4,
    shardRows,
  }: { workers?: number; concurrency?: number; shardRows?: number | undefined },
): Promise<void> {
  await curatedBy(folder, {
    ...plain,
    workers,
    input: { shards },
    images: { concurrency },
    output: { rowGroupBytes: 8 * 1024 * 1024, ...(shardRows === undefined ? {} : { shardRows }) },
  });
}

async function curatedBy(folder: string, recipe: object): Promise<void> {
  const config = parseConfig(JSON.stringify(recipe), 'bench');
  const report = await curate(config, join(folder, 'run'), {
    signal,
    progress: silentProgress,
    configPath: 'bench',
  });
  if (!report.balanced || report.kept === 0) throw new Error('the curation that is measured kept nothing');
}

async function imagesOf(shards: readonly string[]): Promise<Uint8Array[]> {
  const images: Uint8Array[] = [];
  for (const path of shards) {
    const shard = await openShard(path);
    for (const { index } of shard.rowGroups) {
      const { image = [] } = await shard.readRowGroup(index, ['image']);
      for (const value of Array.from(image)) images.push((value as { bytes: Uint8Array }).bytes);
    }
  }
  return images;
}

async function decoded(images: readonly Uint8Array[], side: number, concurrency: number): Promise<void> {
  const queue = new PQueue({ concurrency });
  await queue.addAll(
    images.map(
      (bytes) => () => sharp(bytes).resize(side, side, { fit: 'inside' }).removeAlpha().raw().toBuffer(),
    ),
  );
}

async function copied(shard: string, to: string): Promise<void> {
  const instance = await DuckDBInstance.create();
  const connection = await instance.connect();
  await connection.run(
    `COPY (SELECT * FROM read_parquet('${shard}') WHERE length(TEXT) > 5 AND least(WIDTH, HEIGHT) >= 200)
     TO '${to}' (FORMAT parquet, COMPRESSION zstd)`,
  );
  connection.closeSync();
  instance.closeSync();
}

function waysOf(request: ThroughputRequest): Record<string, () => Promise<void>> {
  const { folder } = request;
  if (request.kind === 'images') {
    const { shards, concurrency, shardRows } = request;
    const workers = availableParallelism();
    const images = imagesOf(shards);
    return {
      decode: async () => decoded(await images, 224, concurrency),
      probe: async () => decoded(await images, 64, concurrency),
      curate: () => curated(shards, folder, { concurrency }),
      workers: () => curated(shards, folder, { concurrency, workers, shardRows }),
    };
  }
  if (request.kind === 'metadata') {
    return {
      copy: () => copied(request.shard, join(folder, 'copy.parquet')),
      curate: () => curatedBy(folder, { ...plain, input: { preset: 'laion', shards: [request.shard] } }),
    };
  }
  if (request.kind === 'memory') return { curate: () => curated(request.shards, folder, {}) };
  return Object.fromEntries(
    request.inFlight.map(({ workers, concurrency }) => [
      `${workers} of ${concurrency}`,
      () => curated(request.shards, folder, { workers, concurrency, shardRows: request.shardRows }),
    ]),
  );
}

process.on('disconnect', () => process.exit());

process.on('message', async (request: ThroughputRequest) => {
  sharp.concurrency(1);
  sharp.cache(false);
  const ways = waysOf(request);
  const seconds: Record<string, number[]> = {};
  const processorSeconds: Record<string, number[]> = {};
  // One turn unmeasured where there is more than one: code is compiled and models are read in it.
  for (let turn = request.repeats > 1 ? -1 : 0; turn < request.repeats; turn += 1) {
    for (const [name, run] of Object.entries(ways)) {
      const [started, before] = [performance.now(), process.cpuUsage()];
      await run();
      if (turn < 0) continue;
      const { user, system } = process.cpuUsage(before);
      seconds[name] = [...(seconds[name] ?? []), (performance.now() - started) / 1000];
      processorSeconds[name] = [...(processorSeconds[name] ?? []), (user + system) / 1e6];
    }
  }
  await rm(join(request.folder, 'run'), { recursive: true, force: true });
  const peakBytes = process.resourceUsage().maxRSS * 1024;
  process.send?.({ seconds, processorSeconds, peakBytes } satisfies ThroughputAnswer, () =>
    process.disconnect(),
  );
});
