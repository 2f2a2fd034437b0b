import { availableParallelism } from 'node:os';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { type PairModel, type SelectionLoss, softplus } from './pair-model.ts';
import type { RowOrder } from './row-order.ts';
import { type Precision, type TileGraphOptions, tileGraph } from './tile-graph.ts';

/** What a model's products are made with. */
export interface TileOptions {
  readonly loss: SelectionLoss;
  readonly precision: Precision;
  /** The largest similarity that a pair can have. */
  readonly bound: number;
  /** Threads of ONNX Runtime; the machine's cores unless told. */
  readonly threads?: number | undefined;
}

/** What newly picked pairs contribute to the rows from `start` on, of the open ones' places. */
export interface TileSums {
  readonly start: number;
  /** One array for the sigmoid (sums of losses, both directions), two for the softmax (log-sum-exps, each way). */
  readonly values: readonly (Float32Array | Float64Array)[];
}

/** Picked rows of one tile, at most: with more of them the tile would leave the caches. */
const mostPicked = 512;
/** Products of one tile, about. */
const tileProducts = 2 ** 18;
/** ln of the largest product of factors that float32 is asked to hold: it overflows at 88.7. */
const safeExponent = 80;
/** Below this many factors a product, the form that bounds each factor by 2 is the cheaper one. */
const fewFactors = 8;

/**
 * Goes through the open rows in tiles and yields what the `picked` rows right behind them contribute: their losses
 * with every open row, as negatives, as images and as texts. Nothing of size B x picked is held.
 */
export async function* pickedSums(
  model: PairModel,
  order: RowOrder,
  picked: number,
  options: TileOptions,
): AsyncGenerator<TileSums> {
  const open = order.open();
  const blocks = Math.ceil(picked / mostPicked);
  const plan = planBlock(Math.ceil(picked / blocks), model, options);
  const session = await sessionOf(plan.graph, options.threads ?? availableParallelism());
  const { images, texts, dimension: d } = model;
  const numbers = (value: number) =>
    options.precision === 'float32'
      ? new Tensor('float32', Float32Array.of(value), [1])
      : new Tensor('float64', Float64Array.of(value), [1]);
  // In a softmax a bias cancels: what it adds to each log-sum-exp it takes from each own score.
  const scalars = { scale: numbers(model.scale), bias: numbers(options.loss === 'sigmoid' ? model.bias : 0) };
  const tileRows = Math.max(64, Math.floor(tileProducts / plan.width / 64) * 64);
  for (let from = 0; from < picked; from += plan.width) {
    const used = Math.min(plan.width, picked - from);
    // Only products over groups need a block of a certain width.
    const width = plan.graph.group > 1 ? plan.width : used;
    const block = (rows: Float32Array) => {
      const part = rows.subarray((open + from) * d, (open + from + used) * d);
      if (width === used) return new Tensor('float32', part, [used, d]);
      const padded = new Float32Array(width * d);
      padded.set(part);
      return new Tensor('float32', padded, [width, d]);
    };
    const feeds = { pickedImages: block(images), pickedTexts: block(texts), ...scalars };
    // A row of zeros has the logit `bias` with every row.
    const surplus = 2 * (width - used) * softplus(model.bias);
    for (let start = 0; start < open; start += tileRows) {
      const end = Math.min(open, start + tileRows);
      const rows = (matrix: Float32Array) =>
        new Tensor('float32', matrix.subarray(start * d, end * d), [end - start, d]);
      const outputs = await session.run({ ...feeds, images: rows(images), texts: rows(texts) });
      const values = namesOf(options.loss).map((name) => numbersOf(outputs[name]?.data));
      if (surplus > 0)
        for (const sums of values)
          for (let i = 0; i < sums.length; i += 1) sums[i] = (sums[i] ?? 0) - surplus;
      yield { start, values };
    }
  }
}

function namesOf(loss: SelectionLoss): readonly string[] {
  return loss === 'sigmoid' ? ['sums'] : ['toTexts', 'toImages'];
}

/** The graph for blocks of about `picked` rows, and the width to which blocks are made or filled up. */
function planBlock(picked: number, model: PairModel, { loss, precision, bound }: TileOptions) {
  const plain: TileGraphOptions = { loss, precision, group: 1, bounded: false };
  if (loss === 'softmax' || precision === 'float64') return { graph: plain, width: picked };
  const factors = Math.floor(safeExponent / softplus(model.scale * bound + model.bias));
  const bounded = factors >= fewFactors;
  const most = Math.min(127, bounded ? factors : Math.floor(safeExponent / Math.LN2));
  // A few rows more make a width that groups divide.
  for (let width = picked; ; width += 1) {
    const group = largestDivisor(width, most);
    if (group >= Math.min(fewFactors, width)) return { graph: { ...plain, group, bounded }, width };
  }
}

/** The largest divisor of n that is at most `most`. */
function largestDivisor(n: number, most: number): number {
  for (let divisor = Math.min(n, most); divisor > 1; divisor -= 1) if (n % divisor === 0) return divisor;
  return 1;
}

/** Sessions hold no weights, and every super-batch of a run asks for the same few: they are kept. */
const sessions = new Map<string, Promise<InferenceSession>>();

function sessionOf(graph: TileGraphOptions, threads: number): Promise<InferenceSession> {
  const key = JSON.stringify([graph.loss, graph.precision, graph.group, graph.bounded, threads]);
  const known = sessions.get(key);
  if (known !== undefined) return known;
  const session = InferenceSession.create(tileGraph(graph), {
    intraOpNumThreads: threads,
    interOpNumThreads: 1,
    executionMode: 'sequential',
    graphOptimizationLevel: 'all',
    logSeverityLevel: 3,
  });
  sessions.set(key, session);
  return session;
}

function numbersOf(data: unknown): Float32Array | Float64Array {
  if (data instanceof Float32Array || data instanceof Float64Array) return data;
  throw new Error('ONNX Runtime gave no sums for a tile');
}
