import { availableParallelism } from 'node:os';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { type PairModel, type SelectionLoss, softplus } from './pair-model.ts';
import type { RowOrder } from './row-order.ts';
import { type Precision, type TileGraphOptions, tileGraph } from './tile-graph.ts';

/** What a model's products are made with. */
export interface TileOptions {
  readonly loss: SelectionLoss;
  readonly precision: Precision;
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
/** Products of one tile for each thread, about: 512 kB of them stay in a core's second cache. */
const threadProducts = 2 ** 17;
/** Factors of at most 2 whose product float32 holds. */
const mostFactors = 127;
/** Below this many factors a product, rows of zeros are worth adding to have more. */
const fewFactors = 8;

/**
 * Makes the function that goes through the open rows in tiles and yields what the `picked` rows right behind them
 * contribute: their losses with every open row, as negatives, as images and as texts. Nothing of size B x picked is
 * held. Products of 1 + e^logit that overflow are made again in the form that cannot.
 */
export function createTileSums(
  model: PairModel,
  order: RowOrder,
  options: TileOptions,
): (picked: number) => AsyncGenerator<TileSums> {
  const { loss, precision, threads = availableParallelism() } = options;
  const { images, texts, dimension: d } = model;
  const names = loss === 'sigmoid' ? ['sums'] : ['toTexts', 'toImages'];
  // In a softmax a bias cancels: what it adds to each log-sum-exp it takes from each own score.
  const scalars = {
    scale: scalarOf(model.scale, precision),
    bias: scalarOf(loss === 'sigmoid' ? model.bias : 0, precision),
  };
  // Most models' logits are low: the shorter form is tried until it fails once.
  let bounded = loss === 'sigmoid' && precision === 'float32';

  const run = async (session: InferenceSession, feeds: InferenceSession.FeedsType) => {
    const outputs = await session.run({ ...feeds, ...scalars });
    return names.map((name) => numbersOf(outputs[name]?.data));
  };
  return async function* (picked) {
    const open = order.open();
    const { width, group } = planBlock(Math.ceil(picked / Math.ceil(picked / mostPicked)), loss, precision);
    const graph = () => sessionOf({ loss, precision, group, bounded }, threads);
    let session = await graph();
    const tileRows = Math.max(64, Math.floor((threadProducts * threads) / width / 64) * 64);
    for (let from = 0; from < picked; from += width) {
      const used = Math.min(width, picked - from);
      // Only products over groups need a block of a certain width.
      const rows = group > 1 ? width : used;
      const block = (matrix: Float32Array) => {
        const part = matrix.subarray((open + from) * d, (open + from + used) * d);
        if (rows === used) return new Tensor('float32', part, [used, d]);
        const padded = new Float32Array(rows * d);
        padded.set(part);
        return new Tensor('float32', padded, [rows, d]);
      };
      const blocks = { pickedImages: block(images), pickedTexts: block(texts) };
      // A row of zeros has the logit `bias` with every row.
      const surplus = 2 * (rows - used) * softplus(model.bias);
      for (let start = 0; start < open; start += tileRows) {
        const end = Math.min(open, start + tileRows);
        const tile = (matrix: Float32Array) =>
          new Tensor('float32', matrix.subarray(start * d, end * d), [end - start, d]);
        const feeds = { ...blocks, images: tile(images), texts: tile(texts) };
        let values = await run(session, feeds);
        if (bounded && !values.every(allFinite)) {
          bounded = false;
          session = await graph();
          values = await run(session, feeds);
        }
        if (surplus > 0)
          for (const sums of values)
            sums.forEach((sum, i) => {
              sums[i] = sum - surplus;
            });
        yield { start, values };
      }
    }
  };
}

/** The width to which blocks of about `picked` rows are made or filled up, and the factors of a product. */
function planBlock(picked: number, loss: SelectionLoss, precision: Precision) {
  if (loss === 'softmax' || precision === 'float64') return { width: picked, group: 1 };
  // A few rows more make a width that groups divide.
  for (let width = picked; ; width += 1) {
    const group = largestDivisor(width, mostFactors);
    if (group >= Math.min(fewFactors, width)) return { width, group };
  }
}

function allFinite(values: Float32Array | Float64Array): boolean {
  let total = 0;
  for (let i = 0; i < values.length; i += 1) total += values[i] as number;
  return Number.isFinite(total);
}

function scalarOf(value: number, precision: Precision): Tensor {
  return precision === 'float32'
    ? new Tensor('float32', Float32Array.of(value), [1])
    : new Tensor('float64', Float64Array.of(value), [1]);
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
