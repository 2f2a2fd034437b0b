import { expect, it } from 'vitest';
import { selectDense } from '../../bench/dense-onnx.ts';
import { selectBatch } from '../../models/selection/select-batch.ts';
import { createRandom } from '../../schemas/random.ts';
import { modelOf } from './dense-reference.ts';

it('what selection is benched against, without numpy, selects the same', async () => {
  const [learner, teacher] = [modelOf(200, 8, 'bench'), modelOf(200, 12, 'bench t', 30, -12)];
  const options = { batch: 50, chunks: 4, method: 'learnability', sampling: 'greedy' } as const;
  const { indices } = await selectBatch(learner, teacher, options, createRandom(1));
  expect(await selectDense(learner, teacher, 50, 4, null)).toEqual([...indices]);
});
