import type { PairModel, SelectionLoss } from '../../models/selection/pair-model.ts';
import type { SelectionMethod } from '../../models/selection/select-batch.ts';
import { createRandom } from '../../schemas/random.ts';

/** Unit rows drawn from a seed. */
export function unitRows(count: number, d: number, seed: string): Float32Array {
  const random = createRandom(seed);
  const rows = Float32Array.from({ length: count * d }, () => random.normal());
  for (let i = 0; i < count; i += 1) {
    let square = 0;
    for (let k = i * d; k < (i + 1) * d; k += 1) square += (rows[k] ?? 0) ** 2;
    for (let k = i * d; k < (i + 1) * d; k += 1) rows[k] = (rows[k] ?? 0) / Math.sqrt(square);
  }
  return rows;
}

/** A model whose pairs are unrelated. */
export const modelOf = (count: number, d: number, seed: string, scale = 10, bias = -10): PairModel => ({
  images: unitRows(count, d, `${seed}-images`),
  texts: unitRows(count, d, `${seed}-texts`),
  dimension: d,
  scale,
  bias,
});

/** Which models a method scores with, and with what sign. */
export const signs = { learnability: [1, -1], hard: [1, 0], 'easy-reference': [0, -1] } as const;

/** All logits of a model, [B, B], in float64. */
function logitMatrix(
  { images, texts, dimension: d, scale, bias }: PairModel,
  useBias: boolean,
): Float64Array {
  const count = images.length / d;
  const [x, y] = [Float64Array.from(images), Float64Array.from(texts)];
  const logits = new Float64Array(count * count);
  for (let i = 0; i < count; i += 1) {
    for (let j = 0; j < count; j += 1) {
      let dot = 0;
      for (let k = 0; k < d; k += 1) dot += (x[i * d + k] as number) * (y[j * d + k] as number);
      logits[i * count + j] = scale * dot + (useBias ? bias : 0);
    }
  }
  return logits;
}

/** One model's score of every pair alone, and of every pair given a set, by its matrix. */
function scorer(model: PairModel, loss: SelectionLoss) {
  const count = model.images.length / model.dimension;
  const matrix = logitMatrix(model, loss === 'sigmoid');
  const at = (i: number, j: number) => matrix[i * count + j] as number;
  if (loss === 'sigmoid') {
    for (let i = 0; i < count; i += 1) {
      for (let j = 0; j < count; j += 1) {
        const x = i === j ? -at(i, j) : at(i, j);
        matrix[i * count + j] = x > 0 ? x + Math.log1p(Math.exp(-x)) : Math.log1p(Math.exp(x));
      }
    }
    return {
      own: (i: number) => at(i, i),
      given: (i: number, set: readonly number[]) => set.reduce((sum, j) => sum + at(i, j) + at(j, i), 0),
    };
  }
  const logSumExp = (values: readonly number[]) => {
    const highest = values.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
    return highest + Math.log(values.reduce((sum, value) => sum + Math.exp(value - highest), 0));
  };
  return {
    own: (i: number) => -at(i, i),
    given: (i: number, set: readonly number[]) =>
      set.length === 0 ? 0 : (logSumExp(set.map((j) => at(i, j))) + logSumExp(set.map((j) => at(j, i)))) / 2,
  };
}

/** The scores of a super-batch by their definition, with B x B matrices: what the running sums must equal. */
export function denseScores(
  learner: PairModel,
  teacher: PairModel,
  method: SelectionMethod,
  loss: SelectionLoss,
): (i: number, set: readonly number[]) => number {
  const scorers = [learner, teacher]
    .map((model, k) => ({ model, sign: signs[method][k] ?? 0 }))
    .filter(({ sign }) => sign !== 0)
    .map(({ model, sign }) => ({ sign, ...scorer(model, loss) }));
  return (i, set) => scorers.reduce((sum, { sign, own, given }) => sum + sign * (own(i) + given(i, set)), 0);
}

/** The paper's algorithm, greedily: [indices, the logit of each when it was picked]. */
export function denseGreedy(
  count: number,
  scores: (i: number, set: readonly number[]) => number,
  batch: number,
  chunks: number,
): { indices: number[]; logits: number[] } {
  const indices: number[] = [];
  const logits: number[] = [];
  const parts = Math.min(batch, chunks);
  for (let chunk = 0; chunk < parts; chunk += 1) {
    const size = Math.floor(batch / parts) + (chunk === parts - 1 ? batch % parts : 0);
    const taken = new Set(indices);
    const set = [...indices];
    const open = Array.from({ length: count }, (_, i) => i)
      .filter((i) => !taken.has(i))
      .map((i) => ({ i, logit: scores(i, set) }));
    open.sort((a, b) => b.logit - a.logit || a.i - b.i);
    for (const { i, logit } of open.slice(0, size)) {
      indices.push(i);
      logits.push(logit);
    }
  }
  return { indices, logits };
}
