import { mkdtemp, rm } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Feed } from '../docs/clients/assay-client.mjs';
import { createEmbedder } from '../models/embedder.ts';
import { createOnnxExecutor } from '../models/onnx-executor.ts';
import { initializeParameters, towersConfigSchema } from '../models/towers.ts';
import { distillOptionsSchema } from '../pipeline/distill/options.ts';
import { createRandom } from '../schemas/random.ts';
import { round, withFeed, writePool } from './feed/pool.ts';
import { throughputFigures } from './feed/throughput.ts';

/** Rows of the pool when none are asked for; of as many, memory is measured over 10,000 steps, of fewer over fewer. */
const defaultRows = 4000;
/** Means that the slope of the memory is drawn through. */
const memoryPoints = 20;
const dimension = 768;

/**
 * Measures a feed, in a process of its own, as a trainer meets it:
 *
 * - `throughputRatio`: rows a second that a client gets (super-batches of encoded images with the teacher's embeddings)
 *   over those that this process gets of the same shards from DuckDB, each as often as the other, in turn. Of both it
 *   takes every value: texts as strings, images as bytes, embeddings as arrays. `throughputRatioSustained` is that of
 *   several passes at a stretch, in which what the feed formed ahead, in DuckDB's turn, weighs little.
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
      ...(await throughputFigures(join(folder, 'throughput'), rows, dimension)),
      ...(await selectionFigures(join(folder, 'selection'), isSmall ? 256 : 8192)),
      ...(await memoryFigures(join(folder, 'memory'), isSmall ? 60 : Math.min(10_000, rows * 2.5))),
    };
  } finally {
    await rm(folder, { recursive: true });
  }
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

/** To two figures: a share of a large model's seconds is small. */
const shareOf = (part: number, whole: number) => Number((part / whole).toPrecision(2));
