import * as tf from '@tensorflow/tfjs';
import { describe, expect, it } from 'vitest';
import type { Program, TensorValue } from '../../models/executor.ts';
import { createOnnxExecutor } from '../../models/onnx-executor.ts';
import { createTfjsExecutor } from '../../models/tfjs-executor.ts';

const scaled = (factor: number): Program => ({
  name: 'scaled',
  inputs: { x: { shape: [2], dtype: 'float32' } },
  constants: { factor: { shape: [], dtype: 'float32', data: Float32Array.of(factor) } },
  build: ({ x, factor: constant }) => ({ y: tf.mul(x as tf.Tensor, constant as tf.Tensor) }),
});
const vector = (...values: number[]): TensorValue => ({
  shape: [values.length],
  dtype: 'float32',
  data: Float32Array.from(values),
});

describe.each([createOnnxExecutor({ threads: 2 }), createTfjsExecutor()])('$name', (executor) => {
  it('runs programs with constants, many times', async () => {
    const compiled = await executor.compile(scaled(3));
    expect((await compiled.run({ x: vector(1, 2) })).y).toEqual(vector(3, 6));
    expect((await compiled.run({ x: vector(-1, 0.5) })).y).toEqual(vector(-3, 1.5));
    await compiled.dispose();
  });

  it('runs at the same time as others, and leaves its inputs alone', async () => {
    const [a, b] = [await executor.compile(scaled(2)), await createTfjsExecutor().compile(scaled(5))];
    const x = vector(1, 7);
    const results = await Promise.all([
      a.run({ x }),
      b.run({ x }),
      executor.compile(scaled(1)),
      a.run({ x }),
    ]);
    expect(results[0].y).toEqual(vector(2, 14));
    expect(results[1].y).toEqual(vector(5, 35));
    expect(results[3].y).toEqual(vector(2, 14));
    expect(x).toEqual(vector(1, 7));
    await a.dispose();
  });
});

it("the ONNX executor leaves the process's own arithmetic on subnormal numbers alone", async () => {
  const compiled = await createOnnxExecutor({ threads: 2 }).compile(scaled(1e-10));
  const { y } = await compiled.run({ x: vector(1e-30, 1) });
  expect(y?.data[0]).toBe(Math.fround(1e-40));
  expect(Number(y?.data[0]) * 1e-275).toBeGreaterThan(0);
  await compiled.dispose();
});
