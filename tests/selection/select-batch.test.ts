import { describe, expect, it } from 'vitest';
import type { PairModel } from '../../models/selection/pair-model.ts';
import { selectBatch } from '../../models/selection/select-batch.ts';
import { chunkSizes } from '../../models/selection/top-k.ts';
import { createRandom } from '../../schemas/random.ts';
import { modelOf, unitRows } from './dense-reference.ts';

describe('selecting a batch', () => {
  it('records the chunk, the own score and the conditional score of each', async () => {
    const [learner, teacher] = [modelOf(40, 8, 'l'), modelOf(40, 8, 't')];
    const options = { batch: 12, chunks: 3, method: 'learnability', sampling: 'greedy' } as const;
    const { chunks, selfScores, logits } = await selectBatch(learner, teacher, options, createRandom(1));
    expect([...chunks]).toEqual([0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2]);
    expect([...logits.subarray(0, 4)]).toEqual([...selfScores.subarray(0, 4)]);
    expect(logits[8]).not.toBe(selfScores[8]);
  });

  it('never picks a pair twice, also when duplicates score alike', async () => {
    const learner = modelOf(6, 4, 'same');
    const repeat = (rows: Float32Array) => Float32Array.from([...rows, ...rows, ...rows]);
    const twins = { ...learner, images: repeat(learner.images), texts: repeat(learner.texts) };
    const options = { batch: 18, chunks: 4, method: 'hard', sampling: 'gumbel' } as const;
    const { indices } = await selectBatch(twins, twins, options, createRandom(3));
    expect([...indices].sort((a, b) => a - b)).toEqual(Array.from({ length: 18 }, (_, i) => i));
  });

  it('draws the first pair with probability proportional to exp(score)', async () => {
    const learner = modelOf(5, 3, 'draw', 2, -1);
    const options = { batch: 1, chunks: 1, method: 'hard', sampling: 'gumbel' } as const;
    const random = createRandom('draws');
    const counts = [0, 0, 0, 0, 0];
    const draws = 20_000;
    const scores: number[] = [];
    for (let n = 0; n < draws; n += 1) {
      const { indices, selfScores } = await selectBatch(learner, learner, options, random);
      const [index = 0] = indices;
      counts[index] = (counts[index] ?? 0) + 1;
      scores[index] = selfScores[0] ?? 0;
    }
    const total = scores.reduce((sum, score) => sum + Math.exp(score), 0);
    const chiSquare = scores.reduce((sum, score, i) => {
      const expected = (draws * Math.exp(score)) / total;
      return sum + ((counts[i] ?? 0) - expected) ** 2 / expected;
    }, 0);
    // Chi-square with 4 degrees of freedom: 18.47 is its 99.9% point.
    expect(chiSquare).toBeLessThan(18.47);
  });

  it('prefers what the learner gets wrong and the teacher right', async () => {
    const d = 4;
    const rows = unitRows(8, d, 'aligned');
    const teacher: PairModel = { images: rows, texts: rows, dimension: d, scale: 10, bias: -5 };
    const wrong = Float32Array.from(rows);
    for (let k = 0; k < d; k += 1) wrong[3 * d + k] = -(rows[3 * d + k] ?? 0);
    const learner = { ...teacher, texts: wrong };
    const options = { batch: 1, chunks: 1, method: 'learnability', sampling: 'greedy' } as const;
    expect([...(await selectBatch(learner, teacher, options, createRandom(1))).indices]).toEqual([3]);
  });

  it('says which pair holds NaN', async () => {
    const learner = modelOf(10, 4, 'nan');
    learner.images[4 * 6 + 1] = Number.NaN;
    const options = { batch: 2, chunks: 1, method: 'hard', sampling: 'greedy' } as const;
    await expect(selectBatch(learner, learner, options, createRandom(1))).rejects.toThrow(
      /pair 6 has no finite score/,
    );
  });

  it('refuses models of different super-batches, and a batch over the super-batch', async () => {
    const options = { batch: 2, chunks: 1, method: 'hard', sampling: 'greedy' } as const;
    const [five, four] = [modelOf(5, 4, 'a'), modelOf(4, 4, 'a')];
    await expect(selectBatch(five, four, options, createRandom(1))).rejects.toThrow(
      /5 pairs, and the teacher 4/,
    );
    await expect(selectBatch(four, four, { ...options, batch: 5 }, createRandom(1))).rejects.toThrow(
      /5 of 4/,
    );
  });
});

describe('chunks', () => {
  it('puts the remainder in the last, and never makes an empty one', async () => {
    expect(chunkSizes(32_768, 16)).toEqual(Array(16).fill(2048));
    expect(chunkSizes(10, 4)).toEqual([2, 2, 2, 4]);
    expect(chunkSizes(3, 16)).toEqual([1, 1, 1]);
    expect(chunkSizes(0, 16)).toEqual([]);
  });
});
