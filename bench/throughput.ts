import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { inChild } from './in-child.ts';
import type { ThroughputAnswer, ThroughputRequest } from './throughput/child.ts';
import { buildMetadata, buildPictures } from './throughput/sources.ts';

/** Pictures of the images' part when no rows are asked for; the other parts' sizes follow it. */
const defaultRows = 2400;
/** Repeats of each measurement; of a few rows, where nothing is measured well anyway, one. */
const repeatsOf = (rows: number, most: number) => (rows < 100 ? 1 : most);
/** Images in flight of the curation and of the baseline. */
const concurrency = 4;

/**
 * Measures curation beside what it stands on, in turn, in one run, as ratios of medians over repeats:
 *
 * - `imagesRatio`: images a second of a whole curation (read, check, fingerprint, hash, clean, identify, reduce, write;
 *   regions and teacher off) over those that sharp alone decodes from memory and resizes to 224 pixels, as many in
 *   flight. `imagesProcessorRatio` is the same of processor time, for a machine that is busy otherwise;
 *   `imagesRatioWorkers` is of a curation by a worker a core, their start included, as the program does it;
 *   `imagesRatioProbe` is the first with sharp resizing to 64 pixels, as the curation itself does.
 * - `metadataRatio`: rows a second of metadata curated over those of DuckDB's `COPY (SELECT ...) TO`.
 * - `memoryRatio50over10`: peak memory of a curation of 50 times the rows over that of 10 times the rows.
 * - `workersRatio`: a curation by 2 workers over one by 1, an image in flight each, so that a worker is one core's
 *   work; `workersRatioThreads`: the same with 4 images in flight in both, where one worker's threads already take
 *   more than a core.
 */
export async function benchThroughput({
  rows = defaultRows,
}: {
  readonly rows?: number | undefined;
}): Promise<Record<string, number | string>> {
  const folder = await mkdtemp(join(tmpdir(), 'assay-bench-'));
  try {
    return {
      cores: availableParallelism(),
      ...(await imageFigures(folder, rows)),
      ...(await metadataFigures(folder, rows * 25)),
      ...(await memoryFigures(folder, Math.ceil(rows / 10))),
    };
  } finally {
    await rm(folder, { recursive: true });
  }
}

async function imageFigures(folder: string, rows: number): Promise<Record<string, number>> {
  const size = { width: 640, height: 480, shardRows: Math.ceil(rows / 8) };
  const shards = await buildPictures(join(folder, 'photos'), { rows, ...size });
  // The second pass is shared out by the shards that it writes.
  const shardRows = Math.ceil(rows / 8);
  const images = await answerOf({
    kind: 'images',
    shards,
    concurrency,
    shardRows,
    folder,
    repeats: repeatsOf(rows, 3),
  });
  const inFlight = [
    { workers: 1, concurrency: 1 },
    { workers: 2, concurrency: 2 },
    { workers: 1, concurrency },
    { workers: 2, concurrency },
  ];
  const repeats = repeatsOf(rows, 2);
  const workers = await answerOf({ kind: 'workers', shards, shardRows, inFlight, folder, repeats });
  const of = (name: string) => median(workers.seconds[name]);
  return {
    images: rows,
    imagesPerSecond: round(rows / median(images.seconds.curate)),
    imagesPerSecondSharp: round(rows / median(images.seconds.decode)),
    imagesRatio: round(median(images.seconds.decode) / median(images.seconds.curate)),
    imagesProcessorRatio: round(
      median(images.processorSeconds.decode) / median(images.processorSeconds.curate),
    ),
    imagesRatioWorkers: round(median(images.seconds.decode) / median(images.seconds.workers)),
    imagesRatioProbe: round(median(images.seconds.probe) / median(images.seconds.curate)),
    workersRatio: round(of('1 of 1') / of('2 of 2')),
    workersRatioThreads: round(of(`1 of ${concurrency}`) / of(`2 of ${concurrency}`)),
  };
}

async function metadataFigures(folder: string, rows: number): Promise<Record<string, number>> {
  const shard = join(folder, 'metadata.parquet');
  await buildMetadata(shard, rows);
  const { seconds, processorSeconds } = await answerOf({
    kind: 'metadata',
    shard,
    folder,
    repeats: repeatsOf(rows, 3),
  });
  return {
    metadataRows: rows,
    metadataRowsPerSecond: Math.round(rows / median(seconds.curate)),
    metadataRowsPerSecondCopy: Math.round(rows / median(seconds.copy)),
    metadataRatio: round(median(seconds.copy) / median(seconds.curate)),
    metadataProcessorRatio: round(median(processorSeconds.copy) / median(processorSeconds.curate)),
  };
}

async function memoryFigures(folder: string, rows: number): Promise<Record<string, number>> {
  const peaks: Record<number, number> = {};
  for (const times of [1, 10, 50]) {
    const own = join(folder, `rows-${times}`);
    const size = { width: 160, height: 120, shardRows: 10 * rows };
    const shards = await buildPictures(join(own, 'shards'), { rows: times * rows, ...size });
    await mkdir(own, { recursive: true });
    peaks[times] = (await answerOf({ kind: 'memory', shards, folder: own, repeats: 1 })).peakBytes;
    await rm(own, { recursive: true });
  }
  const megabytes = (times: number) => Math.round((peaks[times] ?? Number.NaN) / 1e6);
  return {
    memoryRows: rows,
    peakMegabytes1x: megabytes(1),
    peakMegabytes10x: megabytes(10),
    peakMegabytes50x: megabytes(50),
    memoryRatio50over10: round((peaks[50] ?? Number.NaN) / (peaks[10] ?? Number.NaN)),
  };
}

const answerOf = (request: ThroughputRequest) =>
  inChild<ThroughputRequest, ThroughputAnswer>(new URL('./throughput/child.ts', import.meta.url), request);

function median(values: readonly number[] = []): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const [low = Number.NaN, high = Number.NaN] = [sorted[Math.max(0, middle - 1)], sorted[middle]];
  return sorted.length % 2 === 1 ? high : (low + high) / 2;
}

const round = (value: number) => Math.round(value * 1000) / 1000;
