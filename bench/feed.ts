import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import {
  type DuckDBBlobVector,
  DuckDBInstance,
  type DuckDBListVector,
  type DuckDBVarCharVector,
} from '@duckdb/node-api';
import { Data, Struct, type StructRowProxy, type Table } from 'apache-arrow';
import { Feed } from '../docs/clients/assay-client.mjs';
import { createEmbedder } from '../models/embedder.ts';
import { toFloat16 } from '../models/float16.ts';
import { createOnnxExecutor } from '../models/onnx-executor.ts';
import { initializeParameters, towersConfigSchema } from '../models/towers.ts';
import { distillOptionsSchema } from '../pipeline/distill/options.ts';
import { batchOf, batchOfData, columnData } from '../schemas/batches.ts';
import { binaryColumn, listColumn } from '../schemas/columns.ts';
import { openParquetWriter } from '../schemas/parquet-writer.ts';
import { createRandom } from '../schemas/random.ts';
import { curatedTypes, rowTypes } from '../schemas/rows.ts';

/** Rows of the pool when none are asked for; of as many, memory is measured over 10,000 steps, of fewer over fewer. */
const defaultRows = 4000;
/** Super-batches that the pool makes. */
const stepsOfPool = 4;
/** Means that the slope of the memory is drawn through. */
const memoryPoints = 20;
/** Bytes of an image: a JPEG of 256 pixels has about as many. */
const imageBytes = 30_000;
const dimension = 768;

/**
 * Measures a feed, in a process of its own, as a trainer meets it:
 *
 * - `throughputRatio`: rows a second that a client gets (super-batches of encoded images with the teacher's embeddings)
 *   over those that this process gets of the same shards from DuckDB, each as often as the other, in turn. Of both it
 *   takes every value: texts as strings, images as bytes, embeddings as arrays.
 * - `selectionShare`: seconds from posting the embeddings of 8,192 candidates to the answer, over the forward pass of the
 *   demo's learner over as many, and of a ViT-B/32 and a ViT-B/16 of 256 pixels (`selectionShareB32`, `selectionShareB16`),
 *   whose forward passes are measured on few pairs and multiplied. The teacher's embeddings have 768 numbers throughout.
 * - `memorySlope`: megabytes of the feed's resident memory a thousand steps, by least squares over the second half of the
 *   steps, with its standard error, and the memory at their middle and end.
 */
export async function benchFeed({
  rows = defaultRows,
}: {
  readonly rows?: number | undefined;
}): Promise<Record<string, number | string>> {
  const folder = await mkdtemp(join(tmpdir(), 'assay-bench-'));
  const isSmall = rows < 1000;
  try {
    return {
      cores: availableParallelism(),
      ...(await throughputFigures(join(folder, 'throughput'), rows)),
      ...(await selectionFigures(join(folder, 'selection'), isSmall ? 256 : 8192)),
      ...(await memoryFigures(join(folder, 'memory'), isSmall ? 60 : Math.min(10_000, rows * 2.5))),
    };
  } finally {
    await rm(folder, { recursive: true });
  }
}

async function writePool(folder: string, rows: number, bytes: number, d: number): Promise<void> {
  await mkdir(join(folder, 'shards'), { recursive: true });
  const random = createRandom('pool');
  const noise = Buffer.from(Uint32Array.from({ length: 1 << 20 }, () => random.integer(2 ** 32)).buffer);
  const metadata = { teacher: JSON.stringify({ dimension: d, scale: 100, bias: -15 }) };
  const path = join(folder, 'shards', '00000.parquet');
  const writer = await openParquetWriter(path, { metadata, rowGroupBytes: 16 * 1024 * 1024 });
  // Numbers as embeddings have them, of which a dictionary makes nothing; a row's length is about 1.
  const numbers = toFloat16(
    Float32Array.from({ length: Math.max(1 << 18, 512 * d) }, () => random.normal() / Math.sqrt(d)),
  );
  for (let from = 0; from < rows; from += 256) {
    const count = Math.min(256, rows - from);
    const texts = batchOf({
      key: { type: rowTypes.key, values: Array.from({ length: count }, (_, i) => `row-${from + i}`) },
      language: { type: curatedTypes.language, values: Array.from({ length: count }, () => 'en') },
      text: {
        type: curatedTypes.text,
        values: Array.from({ length: count }, (_, i) => `a photo of ${from + i}`),
      },
    });
    const images = Array.from({ length: count }, () => {
      const start = random.integer(noise.length - 2 * bytes);
      return noise.subarray(start, start + Math.round(bytes * (0.5 + random.uniform())));
    });
    const { children } = rowTypes.image;
    const paths = columnData(texts, 'key');
    const image = new Data(new Struct<StructRowProxy>(children as never), 0, count, 0, {}, [
      binaryColumn(images),
      paths,
    ]);
    const halves = () => {
      const start = random.integer(numbers.length - count * d);
      return listColumn(numbers.slice(start, start + count * d), d);
    };
    await writer.write(
      batchOfData([
        ...['key', 'language', 'text'].map((name) => [name, columnData(texts, name)] as const),
        ['image', image],
        ['teacher_image', halves()],
        ['teacher_text', halves()],
      ]),
    );
  }
  await writer.close();
}

async function withFeed<T>(
  folder: string,
  recipe: object,
  work: (feed: Feed) => Promise<T>,
  flags: readonly string[] = [],
): Promise<T> {
  await writeFile(join(folder, 'feed.yaml'), JSON.stringify(recipe));
  const program = fileURLToPath(new URL('../pipeline/cli/assay.js', import.meta.url));
  const args = [
    'feed',
    '--data',
    folder,
    '--config',
    join(folder, 'feed.yaml'),
    '--out',
    join(folder, 'run'),
  ];
  const child: ChildProcess = spawn(
    process.execPath,
    [...flags, program, ...args, '--port', '0', '--json', '--fresh'],
    {
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  );
  try {
    const [line] = (await once(child.stdout as NodeJS.ReadableStream, 'data')) as [Buffer];
    const { url } = JSON.parse(String(line)) as { url: string };
    return await work(new Feed(url, { retries: 0 }));
  } finally {
    child.kill('SIGTERM');
    await once(child, 'exit');
  }
}

async function throughputFigures(folder: string, rows: number): Promise<Record<string, number>> {
  await writePool(folder, rows, imageBytes, dimension);
  const superBatch = Math.max(4, Math.floor(rows / stepsOfPool));
  const repeats = rows < 1000 ? 1 : 5;
  const recipe = {
    distill: {
      superBatch,
      batch: 1,
      method: 'uniform',
      english: 1,
      shuffleRows: superBatch,
      training: { steps: stepsOfPool * (repeats + 1) },
    },
    feed: { ahead: 2 },
  };
  return withFeed(folder, recipe, async (feed) => {
    const seconds: Record<'feed' | 'duckdb', number[]> = { feed: [], duckdb: [] };
    let [step, bytes] = [0, 0];
    for (let turn = -1; turn < repeats; turn += 1) {
      const started = performance.now();
      bytes = 0;
      // As a trainer that fetches ahead: the next super-batch is on its way while one is taken and selected from.
      let next = feed.superBatch(step);
      for (let i = 0; i < stepsOfPool; i += 1, step += 1) {
        const table = await next;
        if (i + 1 < stepsOfPool) next = feed.superBatch(step + 1);
        bytes += bytesOf(table);
        await feed.batch(step, { image: 'none', teacher: 0 });
      }
      const middle = performance.now();
      await readByDuckdb(join(folder, 'shards', '00000.parquet'));
      if (turn < 0) continue;
      seconds.feed.push((middle - started) / 1000);
      seconds.duckdb.push((performance.now() - middle) / 1000);
    }
    const [ours, theirs] = [median(seconds.feed), median(seconds.duckdb)];
    const served = superBatch * stepsOfPool;
    return {
      rows,
      superBatch,
      batchesPerSecond: round(stepsOfPool / ours),
      megabytesPerSecond: round(bytes / 1e6 / ours),
      rowsPerSecond: Math.round(served / ours),
      rowsPerSecondDuckdb: Math.round(rows / theirs),
      throughputRatio: round(served / ours / (rows / theirs)),
    };
  });
}

/** Takes every value of a super-batch, and gives their bytes. */
function bytesOf(table: Table): number {
  let bytes = 0;
  for (const name of ['key', 'language', 'text']) {
    for (const text of table.getChild(name) ?? []) bytes += (text as string).length;
  }
  for (const image of table.getChild('image') ?? []) bytes += (image as Uint8Array).length;
  for (const batch of table.batches) {
    for (const name of ['teacher_image', 'teacher_text']) {
      bytes += columnData(batch, name).children[0]?.values.byteLength ?? 0;
    }
  }
  return bytes;
}

/**
 * Takes every value of the same columns out of DuckDB: texts as strings, images as bytes, and embeddings as it has them, in
 * single precision.
 */
async function readByDuckdb(path: string): Promise<number> {
  const instance = await DuckDBInstance.create();
  const connection = await instance.connect();
  let [rows, bytes] = [0, 0];
  const result = await connection.stream(
    `SELECT key, language, text, image.bytes, teacher_image, teacher_text FROM read_parquet('${path}')`,
  );
  for (;;) {
    const chunk = await result.fetchChunk();
    if (chunk === null || chunk.rowCount === 0) break;
    const texts = [0, 1, 2].map((i) => chunk.getColumnVector(i) as DuckDBVarCharVector);
    const images = chunk.getColumnVector(3) as DuckDBBlobVector;
    const embeddings = [4, 5].map((i) => chunk.getColumnVector(i) as DuckDBListVector);
    for (let row = 0; row < chunk.rowCount; row += 1, rows += 1) {
      for (const column of texts) bytes += column.getItem(row)?.length ?? 0;
      bytes += images.getItem(row)?.bytes.length ?? 0;
      for (const column of embeddings) bytes += 4 * (column.getItemVector(row)?.itemCount ?? 0);
    }
  }
  connection.closeSync();
  instance.closeSync();
  if (bytes === 0) throw new Error(`${path} has no bytes`);
  return rows;
}

async function selectionFigures(folder: string, count: number): Promise<Record<string, number>> {
  const { learner } = distillOptionsSchema.parse({});
  const own = learner.embeddingDim;
  await writePool(folder, count + 256, 64, dimension);
  const distill = {
    superBatch: count,
    batch: count / 4,
    english: 1,
    shuffleRows: count,
    training: { steps: 4 },
  };
  const seconds = await withFeed(folder, { distill }, async (feed) => {
    const all: Record<'small' | 'large', number[]> = { small: [], large: [] };
    for (const [step, name] of (['small', 'small', 'large', 'large'] as const).entries()) {
      const d = name === 'small' ? own : dimension;
      const embeddings = { ...unitRows(count, d), dimension: d, scale: 20, bias: -8 };
      await feed.superBatch(step, { image: 'none', teacher: 0 });
      const started = performance.now();
      await feed.select(step, embeddings);
      all[name].push((performance.now() - started) / 1000);
    }
    // The first of each starts the sessions of ONNX Runtime.
    return { small: all.small[1] ?? 0, large: all.large[1] ?? 0 };
  });
  const forward = await forwardSeconds(learner, Math.min(count, 512), count);
  const figures = {
    candidates: count,
    selectionSeconds: round(seconds.small),
    forwardSeconds: round(forward),
    selectionShare: shareOf(seconds.small, forward),
    selectionSecondsBase: round(seconds.large),
  };
  if (count < 1000) return figures;
  const [b32, b16] = [await forwardSeconds(base(32), 8, count), await forwardSeconds(base(16), 4, count)];
  return {
    ...figures,
    forwardSecondsB32: Math.round(b32),
    selectionShareB32: shareOf(seconds.large, b32),
    forwardSecondsB16: Math.round(b16),
    selectionShareB16: shareOf(seconds.large, b16),
  };
}

/** SigLIP 2's B at 256 pixels, but for its vocabulary: what is looked up costs nothing. */
function base(patchSize: number) {
  return towersConfigSchema.parse({
    imageSize: 256,
    patchSize,
    width: 768,
    depth: 12,
    heads: 12,
    embeddingDim: dimension,
    textWidth: 768,
    textDepth: 12,
    textHeads: 12,
    textTokens: 64,
  });
}

function unitRows(rows: number, d: number): { images: Float32Array; texts: Float32Array } {
  const random = createRandom(`learner:${d}`);
  const make = () =>
    Float32Array.from({ length: rows * d }, () => (random.integer(2) ? 1 : -1) / Math.sqrt(d));
  return { images: make(), texts: make() };
}

/** Seconds of the forward pass of both towers over `count` pairs, from `measured` of them. */
async function forwardSeconds(
  config: ReturnType<typeof towersConfigSchema.parse>,
  measured: number,
  count: number,
): Promise<number> {
  const executor = createOnnxExecutor({ threads: availableParallelism() });
  const parameters = initializeParameters(config, createRandom(1));
  const batch = Math.min(64, measured);
  const embedder = await createEmbedder({ executor, config, parameters, frozen: true, batch });
  const images = new Float32Array(measured * config.imageSize ** 2 * 3).fill(0.1);
  const texts = Array.from({ length: measured }, (_, i) => `a photo of number ${i} of them all, `.repeat(3));
  await embedder.embedImages(images.subarray(0, batch * config.imageSize ** 2 * 3), batch);
  await embedder.embedTexts(texts.slice(0, batch));
  const started = performance.now();
  await embedder.embedImages(images, measured);
  await embedder.embedTexts(texts);
  const seconds = (performance.now() - started) / 1000;
  await embedder.dispose();
  return (seconds / measured) * count;
}

async function memoryFigures(folder: string, steps: number): Promise<Record<string, number>> {
  await writePool(folder, 2000, 2000, 16);
  const recipe = {
    distill: { superBatch: 32, batch: 8, chunks: 4, english: 1, shuffleRows: 256, training: { steps } },
  };
  const work = async (feed: Feed) => {
    const embeddings = { ...unitRows(32, 16), dimension: 16, scale: 20, bias: -8 };
    const samples: [step: number, megabytes: number][] = [];
    const every = Math.max(1, Math.floor(steps / 1000));
    for (let step = 0; step < steps; step += 1) {
      await feed.superBatch(step);
      await feed.select(step, embeddings);
      if (step % every !== 0) continue;
      const { residentBytes } = (await feed.status()) as { residentBytes: number };
      samples.push([step / 1000, residentBytes / 1e6]);
    }
    // What is collected late comes and goes over many steps: means of them are points that don't hang together.
    const late = samples.slice(samples.length >> 1);
    const size = Math.max(1, Math.floor(late.length / memoryPoints));
    const points = Array.from({ length: Math.floor(late.length / size) }, (_, i) =>
      meanOf(late.slice(i * size, (i + 1) * size)),
    );
    const { slope, error } = slopeOf(points);
    return {
      memorySteps: steps,
      memoryMiddleMegabytes: Math.round(points[0]?.[1] ?? Number.NaN),
      memoryEndMegabytes: Math.round(points.at(-1)?.[1] ?? Number.NaN),
      memorySlope: round(slope),
      memorySlopeError: round(error),
    };
  };
  // With gigabytes to spare, garbage is let lie over thousands of steps, and looks like growth.
  return withFeed(folder, recipe, work, ['--max-old-space-size=128']);
}

type Point = readonly [x: number, y: number];

function meanOf(points: readonly Point[]): Point {
  const sum = points.reduce<Point>(([x, y], [a, b]) => [x + a, y + b], [0, 0]);
  return [sum[0] / points.length, sum[1] / points.length];
}

/** The least-squares slope and its standard error. */
function slopeOf(points: readonly Point[]): { readonly slope: number; readonly error: number } {
  const [x, y] = meanOf(points);
  const sum = (of: (point: Point) => number) => points.reduce((total, point) => total + of(point), 0);
  const spread = sum(([a]) => (a - x) ** 2);
  const slope = sum(([a, b]) => (a - x) * (b - y)) / spread;
  const residual = sum(([a, b]) => (b - y - slope * (a - x)) ** 2);
  return { slope, error: Math.sqrt(residual / (points.length - 2) / spread) };
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const [low = Number.NaN, high = Number.NaN] = [sorted[Math.max(0, middle - 1)], sorted[middle]];
  return sorted.length % 2 === 1 ? high : (low + high) / 2;
}

/** To two figures: a share of a large model's seconds is small. */
const shareOf = (part: number, whole: number) => Number((part / whole).toPrecision(2));
const round = (value: number) => Math.round(value * 1000) / 1000;
