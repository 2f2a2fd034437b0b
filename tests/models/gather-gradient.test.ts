import * as tf from '@tensorflow/tfjs';
import { expect, it } from 'vitest';
import type { Program } from '../../models/executor.ts';
import { createOnnxExecutor } from '../../models/onnx-executor.ts';
import { createRandom } from '../../schemas/random.ts';

const [rows, width, count] = [50, 128, 4096];

it('sums the gradients of thousands of equal indices on two threads, every time', async () => {
  const random = createRandom('gather');
  const ids = Int32Array.from({ length: count }, () => random.integer(rows));
  // Whole numbers, so that the sums are exact in any order.
  const upstream = Float32Array.from({ length: count * width }, () => random.integer(9) - 4);
  const program: Program = {
    name: 'gather',
    inputs: {
      table: { shape: [rows, width], dtype: 'float32' },
      ids: { shape: [count], dtype: 'int32' },
      upstream: { shape: [count, width], dtype: 'float32' },
    },
    build: ({ table, ids: indices, upstream: dy }) => {
      if (!table || !indices || !dy) throw new Error('inputs are missing');
      const loss = (x: tf.Tensor) => tf.sum(tf.mul(tf.gather(x, indices as tf.Tensor1D), dy));
      return { gradient: tf.grad(loss)(table) };
    },
  };
  const expected = new Float32Array(rows * width);
  for (let i = 0; i < count; i += 1) {
    for (let k = 0; k < width; k += 1) {
      const at = (ids[i] ?? 0) * width + k;
      expected[at] = (expected[at] ?? 0) + (upstream[i * width + k] ?? 0);
    }
  }
  const compiled = await createOnnxExecutor({ threads: 2 }).compile(program);
  for (let repeat = 0; repeat < 10; repeat += 1) {
    const { gradient } = await compiled.run({
      table: { shape: [rows, width], dtype: 'float32', data: new Float32Array(rows * width) },
      ids: { shape: [count], dtype: 'int32', data: ids },
      upstream: { shape: [count, width], dtype: 'float32', data: upstream },
    });
    expect(gradient?.data).toEqual(expected);
  }
  await compiled.dispose();
});
