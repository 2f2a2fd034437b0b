import { openSync, readFileSync, readSync, writeFileSync } from 'node:fs';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { createGraph } from '../models/onnx/graph.ts';
import type { PairModel } from '../models/selection/pair-model.ts';
import { selectBatch } from '../models/selection/select-batch.ts';
import { chunkSizes } from '../models/selection/top-k.ts';
import { createRandom } from '../schemas/random.ts';
import { selectDense } from './dense-onnx.ts';
import type { SelectSize } from './select.ts';

/** What a child process measures: one way of selecting, so that its peak memory is its own. */
export interface ChildRequest {
  readonly way: 'tiles' | 'dense';
  readonly file: string;
  readonly size: SelectSize;
  readonly repeats: number;
  /** Whether the same matrix products alone are measured as well. */
  readonly products: boolean;
}

/** What it found. */
export interface ChildFigures {
  readonly seconds: number;
  /** Above the process with everything loaded but the embeddings. */
  readonly peakBytes: number;
  /** Of the whole process. */
  readonly wholePeakBytes: number;
  readonly productSeconds: number | null;
  readonly greedy: readonly number[];
}

process.once('message', (request: ChildRequest) => {
  measure(request).then(
    (figures) => process.send?.(figures, () => process.exit(0)),
    (error: unknown) => {
      process.stderr.write(`${error}\n`);
      process.exit(1);
    },
  );
});

async function measure({ way, file, size, repeats, products }: ChildRequest): Promise<ChildFigures> {
  // A small selection first: modules, sessions and their threads are there before memory is read.
  const small = { images: rowsOf(80, 16), texts: rowsOf(80, 16), dimension: 16, scale: 10, bias: -10 };
  const options = {
    batch: size.batch,
    chunks: size.chunks,
    method: 'learnability',
    sampling: 'gumbel',
    loss: size.loss,
  } as const;
  await selectBatch(small, small, { ...options, batch: 20, precision: 'float32' }, createRandom(1));
  const before = resetPeak();
  const [learner, teacher] = readModels(file, size);
  const run = (greedy: boolean) => {
    if (way === 'dense')
      return selectDense(learner, teacher, size.batch, size.chunks, greedy ? null : createRandom(1));
    return selectBatch(
      learner,
      teacher,
      { ...options, sampling: greedy ? 'greedy' : 'gumbel' },
      createRandom(1),
    );
  };
  const times: number[] = [];
  const productTimes: number[] = [];
  const timed = async (list: number[], work: () => Promise<unknown>) => {
    const started = performance.now();
    await work();
    list.push((performance.now() - started) / 1000);
  };
  const multiply = products ? await createProducts(size) : null;
  await timed(times, () => run(false));
  const peak = peakBytes();
  for (let i = 1; i < repeats; i += 1) await timed(times, () => run(false));
  for (let i = 0; multiply && i < repeats; i += 1) {
    await timed(productTimes, () => multiply([learner, teacher]));
    await timed(times, () => run(false));
  }
  const greedy = repeats > 1 ? await run(true) : [];
  return {
    seconds: median(times),
    peakBytes: peak - before,
    wholePeakBytes: peak,
    productSeconds: multiply ? median(productTimes) : null,
    greedy: 'indices' in greedy ? Array.from(greedy.indices) : greedy,
  };
}

/** The matrix products of a selection, and nothing else: all open rows by each chunk's, both ways, both models. */
async function createProducts({ pairs, batch, chunks, dimension: d }: SelectSize) {
  const graph = createGraph();
  graph.input('rows', ['rows', d], 'float32');
  graph.input('picked', ['picked', d], 'float32');
  const product = graph.node('Gemm', ['rows', 'picked'], { transB: 1 });
  // One number leaves, so that the product is needed and not copied.
  const [starts, ends, axes] = [graph.integers([0, 0]), graph.integers([1, 1]), graph.integers([0, 1])];
  const corner = graph.node('Slice', [product, starts, ends, axes]);
  graph.output('corner', corner, [1, 1], 'float32');
  const session = await InferenceSession.create(graph.encode('products'), { logSeverityLevel: 3 });
  const tile = 1280;
  return async (models: readonly PairModel[]) => {
    let open = pairs;
    for (const size of chunkSizes(batch, chunks).slice(0, -1)) {
      open -= size;
      for (const { images, texts } of models) {
        for (const [rows, others] of [[images, texts] as const, [texts, images] as const]) {
          const picked = new Tensor('float32', others.subarray(open * d, (open + size) * d), [size, d]);
          for (let start = 0; start < open; start += tile) {
            const end = Math.min(open, start + tile);
            const part = new Tensor('float32', rows.subarray(start * d, end * d), [end - start, d]);
            await session.run({ rows: part, picked });
          }
        }
      }
    }
  };
}

function readModels(file: string, { pairs, dimension, scales }: SelectSize): [PairModel, PairModel] {
  const handle = openSync(file, 'r');
  const read = () => {
    const values = new Float32Array(pairs * dimension);
    readSync(handle, values);
    return values;
  };
  const model = ([scale, bias]: readonly [number, number]) => ({
    images: read(),
    texts: read(),
    dimension,
    scale,
    bias,
  });
  return [model(scales.learner), model(scales.teacher)];
}

function rowsOf(count: number, d: number): Float32Array {
  return new Float32Array(count * d).fill(1 / Math.sqrt(d));
}

/** Starts the kernel's record of the peak anew; returns the memory in use. */
function resetPeak(): number {
  globalThis.gc?.();
  writeFileSync('/proc/self/clear_refs', '5');
  return peakBytes();
}

function peakBytes(): number {
  const kilobytes = /VmHWM:\s+(\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))?.[1];
  return Number(kilobytes ?? Number.NaN) * 1024;
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1] ?? Number.NaN;
}
