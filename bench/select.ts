import { execFile, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { SelectionLoss } from '../models/selection/pair-model.ts';
import type { ChildFigures, ChildRequest } from './select-child.ts';

/** What is selected from what. */
export interface SelectSize {
  /** B. */
  readonly pairs: number;
  /** b. */
  readonly batch: number;
  readonly dimension: number;
  readonly chunks: number;
  readonly loss: SelectionLoss;
  /** exp(t) and the bias of each model. */
  readonly scales: {
    readonly learner: readonly [scale: number, bias: number];
    readonly teacher: readonly [scale: number, bias: number];
  };
}

/** SigLIP's initial scale and bias for the learner, and values such as it ends with for the teacher. */
const scales = { learner: [10, -10], teacher: [112, -16] } as const;

/** A super-batch of 16,384 with a filter ratio of 0.8. */
const usual: SelectSize = { pairs: 16_384, batch: 3264, dimension: 256, chunks: 16, loss: 'sigmoid', scales };
/** SigLIP 2's own: 65,536 to 32,768. */
const large: SelectSize = { ...usual, pairs: 65_536, batch: 32_768, dimension: 768 };

/**
 * Measures a selection against the paper's pseudo-code, which makes B x B matrices, and against its matrix products
 * alone. Each way runs in a process of its own; peaks are counted above the process without the embeddings. `large`
 * measures SigLIP 2's size instead, by itself: its dense matrices would take 17 GB each.
 */
export async function benchSelect(options: {
  readonly large: boolean;
}): Promise<Record<string, number | string>> {
  const size = options.large ? large : usual;
  const folder = await mkdtemp(join(tmpdir(), 'assay-bench-'));
  try {
    const file = join(folder, 'embeddings.bin');
    await writeEmbeddings(file, size);
    const what = `${size.pairs} -> ${size.batch}, d = ${size.dimension}, ${size.chunks} chunks`;
    if (options.large) {
      const tiles = await inChild({ way: 'tiles', file, size, repeats: 1, products: false });
      return { what, seconds: tiles.seconds, peakMegabytes: Math.round(tiles.wholePeakBytes / 1e6) };
    }
    const dense = await denseFigures(file, size);
    const tiles = await inChild({ way: 'tiles', file, size, repeats: 3, products: true });
    const both = new Set(dense.greedy);
    return {
      what,
      dense: dense.by,
      denseSeconds: dense.seconds,
      seconds: tiles.seconds,
      gemmSeconds: tiles.productSeconds ?? Number.NaN,
      densePeakMegabytes: Math.round(dense.peakBytes / 1e6),
      peakMegabytes: Math.round(tiles.peakBytes / 1e6),
      sameGreedyPicks: tiles.greedy.filter((i) => both.has(i)).length / size.batch,
      speedupOverDense: dense.seconds / tiles.seconds,
      memoryRatioOverDense: dense.peakBytes / tiles.peakBytes,
      fractionOfGemm: (tiles.productSeconds ?? Number.NaN) / tiles.seconds,
    };
  } finally {
    await rm(folder, { recursive: true });
  }
}

async function denseFigures(file: string, size: SelectSize): Promise<ChildFigures & { readonly by: string }> {
  const script = fileURLToPath(new URL('./dense_select.py', import.meta.url));
  const { learner, teacher } = size.scales;
  const numbers = [size.pairs, size.batch, size.dimension, size.chunks, ...learner, ...teacher].map(String);
  const execute = promisify(execFile);
  const hasNumpy = await execute('python3', ['-c', 'import numpy']).then(
    () => true,
    () => false,
  );
  if (!hasNumpy) {
    return {
      ...(await inChild({ way: 'dense', file, size, repeats: 1, products: false })),
      by: 'ONNX Runtime',
    };
  }
  const { stdout } = await execute('python3', [script, file, ...numbers], { maxBuffer: 2 ** 26 });
  return { ...JSON.parse(stdout), by: 'numpy' };
}

/** Runs one way of selecting in a process of its own. Throws when it fails. */
async function inChild(request: ChildRequest): Promise<ChildFigures> {
  const child = fork(fileURLToPath(new URL('./select-child.ts', import.meta.url)));
  child.send(request);
  const [answer] = await Promise.race([
    once(child, 'message'),
    once(child, 'exit').then(([code]) => {
      throw new Error(`the ${request.way} selection ended with code ${code}`);
    }),
  ]);
  return answer as ChildFigures;
}

/** Unit rows: learner's images and texts, then the teacher's, whose texts are nearer to their images. */
async function writeEmbeddings(path: string, { pairs, dimension: d }: SelectSize): Promise<void> {
  const file = await open(path, 'w');
  const rows = 1024;
  for (const [seed, closeness] of [
    [1, 0.5],
    [2, 0.8],
  ] as const) {
    for (const isText of [false, true]) {
      // The texts' stream repeats the images', so that neither has to be held.
      const [shared, own] = [uniforms(seed), uniforms(seed + 2)];
      for (let start = 0; start < pairs; start += rows) {
        const values = new Float32Array(Math.min(rows, pairs - start) * d);
        for (let i = 0; i < values.length; i += 1) {
          const value = shared();
          values[i] = isText ? closeness * value + (1 - closeness) * own() : value;
        }
        normalize(values, d);
        await file.writeFile(new Uint8Array(values.buffer));
      }
    }
  }
  await file.close();
}

function normalize(values: Float32Array, d: number): void {
  for (let row = 0; row < values.length; row += d) {
    let square = 0;
    for (let k = row; k < row + d; k += 1) square += (values[k] ?? 0) ** 2;
    for (let k = row; k < row + d; k += 1) values[k] = (values[k] ?? 0) / Math.sqrt(square);
  }
}

/** A quick stream of numbers in [-1, 1] (Marsaglia's xorshift32): hundreds of millions are drawn. */
function uniforms(seed: number): () => number {
  let x = seed * 0x9e3779b1;
  return () => {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    return x / 2 ** 31;
  };
}
