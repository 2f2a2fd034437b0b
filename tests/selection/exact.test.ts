import { describe, expect, it } from 'vitest';
import type { PairModel, SelectionLoss } from '../../models/selection/pair-model.ts';
import { type SelectionMethod, selectBatch } from '../../models/selection/select-batch.ts';
import { createRandom } from '../../schemas/random.ts';
import { denseGreedy, denseScores, modelOf, unitRows } from './dense-reference.ts';

const methods: SelectionMethod[] = ['learnability', 'hard', 'easy-reference'];
const losses: SelectionLoss[] = ['sigmoid', 'softmax'];
const every = methods.flatMap((method) => losses.map((loss) => [method, loss] as const));
/** B, b, N, the learner's d, the teacher's d. */
type Shape = readonly [number, number, number, number, number];

async function both(
  models: [PairModel, PairModel],
  method: SelectionMethod,
  loss: SelectionLoss,
  shape: Shape,
) {
  const [count, batch, chunks] = shape;
  const options = { batch, chunks, method, loss, sampling: 'greedy' } as const;
  const expected = denseGreedy(count, denseScores(...models, method, loss), batch, chunks);
  return { selection: await selectBatch(...models, options, createRandom(1)), expected, options };
}

function worst(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let most = 0;
  for (let i = 0; i < a.length; i += 1) most = Math.max(most, Math.abs((a[i] ?? 0) - (b[i] ?? 0)));
  return most;
}

describe.each(every)('greedy selection by %s with the %s loss', (method, loss) => {
  const shapes: Shape[] = [
    [257, 64, 16, 16, 24],
    [101, 101, 7, 5, 3],
    [33, 5, 16, 1, 2],
    [700, 611, 2, 8, 8],
    [1, 1, 1, 4, 4],
  ];
  it.each(shapes)(
    'equals dense float64 matrices (B = %i, b = %i, N = %i, d = %i and %i)',
    async (...shape) => {
      const [count, , , d, teacherDimension] = shape;
      const models: [PairModel, PairModel] = [
        modelOf(count, d, 'learner', 12, -6),
        modelOf(count, teacherDimension, 'teacher', 40, -9),
      ];
      const { selection, expected } = await both(models, method, loss, shape);
      expect([...selection.indices]).toEqual(expected.indices);
      expect(worst(selection.logits, expected.logits)).toBeLessThan(1e-9);
    },
  );

  it('equals them where rows are repeated: ties go to the lower index', async () => {
    const repeat = (model: PairModel, every: number): PairModel => {
      const { dimension: d } = model;
      const again = (rows: Float32Array) =>
        rows.map((_, k) => rows[(((k / d) % every) | 0) * d + (k % d)] ?? 0);
      return { ...model, images: again(model.images), texts: again(model.texts) };
    };
    const shape: Shape = [330, 90, 9, 7, 11];
    const models: [PairModel, PairModel] = [
      repeat(modelOf(330, 7, 'twins'), 41),
      repeat(modelOf(330, 11, 'twins of the teacher', 20), 41),
    ];
    const { selection, expected } = await both(models, method, loss, shape);
    expect([...selection.indices]).toEqual(expected.indices);
  });

  it('equals them where every pair is the same', async () => {
    const rows = new Float32Array(60 * 4).fill(0.5);
    const same = { images: rows, texts: rows, dimension: 4, scale: 10, bias: -5 };
    const { selection } = await both([same, { ...same, scale: 30 }], method, loss, [60, 20, 5, 4, 4]);
    expect([...selection.indices]).toEqual(Array.from({ length: 20 }, (_, i) => i));
  });

  it('equals them to rounding in float32', async () => {
    const shape: Shape = [613, 211, 3, 32, 48];
    const models: [PairModel, PairModel] = [
      modelOf(613, 32, 'learner', 10, -10),
      modelOf(613, 48, 'teacher', 112, -16),
    ];
    const { selection, expected, options } = await both(models, method, loss, shape);
    const single = await selectBatch(...models, { ...options, precision: 'float32' }, createRandom(1));
    expect([...single.indices]).toEqual([...selection.indices]);
    expect(worst(single.logits, expected.logits)).toBeLessThan(1e-3);
  });
});

describe('a super-batch of 4,096', () => {
  it.each(losses)('is selected from as by dense float64 matrices (%s)', async (loss) => {
    const models: [PairModel, PairModel] = [modelOf(4096, 8, 'big'), modelOf(4096, 12, 'big teacher', 30)];
    const { selection, expected } = await both(models, 'learnability', loss, [4096, 819, 6, 8, 12]);
    expect([...selection.indices]).toEqual(expected.indices);
  });
});

describe('float32', () => {
  it.each([
    ['logits far below 0', 10, -20],
    ['logits on both sides of 0', 20, 0],
    ['logits that overflow exp', 150, -16],
    ['logits far above 0', 5, 30],
  ])('holds its sums: %s', async (_, scale, bias) => {
    // 521 is a prime over the width of a tile: blocks are split, filled up and grouped.
    const models: [PairModel, PairModel] = [modelOf(1100, 16, 'a', scale, bias), modelOf(1100, 16, 'b')];
    const options = {
      batch: 1042,
      chunks: 2,
      method: 'hard',
      sampling: 'greedy',
      precision: 'float32',
    } as const;
    const { logits, indices } = await selectBatch(...models, options, createRandom(1));
    const exact = await selectBatch(...models, { ...options, precision: 'float64' }, createRandom(1));
    const known = new Map(Array.from(exact.indices, (index, at) => [index, exact.logits[at] ?? 0]));
    const scored = Array.from(indices.subarray(521), (index, at) => [
      logits[521 + at] ?? 0,
      known.get(index),
    ]);
    const size = Math.max(...exact.logits.map(Math.abs));
    const errors = scored.flatMap(([got = 0, want]) => (want === undefined ? [] : [Math.abs(got - want)]));
    expect(errors.length).toBeGreaterThan(515);
    expect(Math.max(...errors) / Math.max(1, size)).toBeLessThan(1e-5);
  });
});

describe('the rows that it is given', () => {
  it('are back in place, also after a failure', async () => {
    const [learner, teacher] = [modelOf(90, 6, 'l'), modelOf(90, 9, 't')];
    const before = [learner, teacher].flatMap(({ images, texts }) => [images.slice(), texts.slice()]);
    const options = { batch: 40, chunks: 8, method: 'learnability', sampling: 'gumbel' } as const;
    await selectBatch(learner, teacher, options, createRandom(4));
    expect([learner.images, learner.texts, teacher.images, teacher.texts]).toEqual(before);
    const stopped = { ...options, signal: { throwIfAborted: failAfter(3) } as unknown as AbortSignal };
    await expect(selectBatch(learner, teacher, stopped, createRandom(4))).rejects.toThrow('stopped');
    expect([learner.images, learner.texts, teacher.images, teacher.texts]).toEqual(before);
  });

  it('may be shared by images, texts and models', async () => {
    const rows = unitRows(80, 6, 'shared');
    const shared: PairModel = { images: rows, texts: rows, dimension: 6, scale: 10, bias: -5 };
    const apart = { ...shared, images: rows.slice(), texts: rows.slice() };
    const options = { batch: 30, chunks: 6, method: 'learnability', sampling: 'greedy' } as const;
    const teacher = { ...shared, scale: 20 };
    const { indices } = await selectBatch(shared, teacher, options, createRandom(1));
    const other = { ...teacher, images: rows.slice(), texts: rows.slice() };
    expect(indices).toEqual((await selectBatch(apart, other, options, createRandom(1))).indices);
  });
});

function failAfter(calls: number): () => void {
  let left = calls;
  return () => {
    left -= 1;
    if (left < 0) throw new Error('stopped');
  };
}
