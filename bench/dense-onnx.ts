import { InferenceSession, Tensor } from 'onnxruntime-node';
import { createGraph } from '../models/onnx/graph.ts';
import type { PairModel } from '../models/selection/pair-model.ts';
import { chunkSizes, highest, withGumbelNoise } from '../models/selection/top-k.ts';
import type { Random } from '../schemas/random.ts';

/**
 * The paper's pseudo-code with its dense matrices in float32, on ONNX Runtime: the baseline where there is no numpy.
 * `random` null takes the highest. Returns the selected indices.
 */
export async function selectDense(
  learner: PairModel,
  teacher: PairModel,
  batch: number,
  chunks: number,
  random: Random | null,
): Promise<number[]> {
  const count = learner.images.length / learner.dimension;
  const scores = new Float32Array(count * count);
  for (const [sign, model] of [[1, learner] as const, [-1, teacher] as const]) {
    const losses = await lossesOf(model, count);
    for (let i = 0; i < losses.length; i += 1) scores[i] = (scores[i] ?? 0) + sign * (losses[i] ?? 0);
  }
  const own = Float64Array.from({ length: count }, (_, i) => scores[i * (count + 1)] ?? 0);
  const logits = Float64Array.from(own);
  const taken = new Uint8Array(count);
  const picked: number[] = [];
  for (const size of chunkSizes(batch, chunks)) {
    if (picked.length > 0) {
      for (let i = 0; i < count; i += 1) {
        let sum = own[i] ?? 0;
        for (const j of picked) sum += (scores[i * count + j] ?? 0) + (scores[j * count + i] ?? 0);
        logits[i] = sum;
      }
    }
    for (const i of highest(random ? withGumbelNoise(logits, random) : logits, taken, size)) {
      picked.push(i);
      taken[i] = 1;
    }
  }
  return picked;
}

/** All pairs' losses, [B, B]. */
async function lossesOf(
  { images, texts, dimension: d, scale, bias }: PairModel,
  count: number,
): Promise<Float32Array> {
  const graph = createGraph();
  graph.input('images', ['B', d], 'float32');
  graph.input('texts', ['B', d], 'float32');
  graph.input('scale', [1], 'float32');
  graph.input('bias', [1], 'float32');
  const products = graph.node('Gemm', ['images', 'texts'], { transB: 1 });
  const logits = graph.node('Add', [graph.node('Mul', [products, 'scale']), 'bias']);
  graph.output('losses', graph.node('Softplus', [logits]), ['B', 'B'], 'float32');
  const session = await InferenceSession.create(graph.encode('dense losses'), { logSeverityLevel: 3 });
  const one = (value: number) => new Tensor('float32', Float32Array.of(value), [1]);
  const outputs = await session.run({
    images: new Tensor('float32', images, [count, d]),
    texts: new Tensor('float32', texts, [count, d]),
    scale: one(scale),
    bias: one(bias),
  });
  const losses = outputs.losses?.data;
  if (!(losses instanceof Float32Array)) throw new Error('ONNX Runtime gave no losses');
  // softplus(-l) = softplus(l) - l.
  for (let i = 0; i < count; i += 1) {
    let product = 0;
    for (let k = i * d; k < (i + 1) * d; k += 1) product += (images[k] ?? 0) * (texts[k] ?? 0);
    losses[i * (count + 1)] = (losses[i * (count + 1)] ?? 0) - (scale * product + bias);
  }
  await session.release();
  return losses;
}
