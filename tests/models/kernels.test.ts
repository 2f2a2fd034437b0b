import * as tf from '@tensorflow/tfjs';
import { describe, expect, it } from 'vitest';
import type { Program, TensorValue } from '../../models/executor.ts';
import { traceBackendName } from '../../models/onnx/backend.ts';
import { createOnnxExecutor } from '../../models/onnx-executor.ts';
import { createTfjsExecutor } from '../../models/tfjs-executor.ts';
import { tensor, worst } from './toy-towers.ts';

type Build = (tensors: { a: tf.Tensor; b: tf.Tensor; row: tf.Tensor; ids: tf.Tensor }) => tf.Tensor;

const inputs: Record<'a' | 'b' | 'row' | 'ids', TensorValue> = {
  a: tensor([3, 4], 'a'),
  b: tensor([3, 4], 'b'),
  row: tensor([4], 'row'),
  ids: { shape: [5], dtype: 'int32', data: Int32Array.of(2, 0, 2, 1, 2) },
};
const float = (x: tf.Tensor) => tf.cast(x, 'float32');
const positive = (x: tf.Tensor) => tf.add(tf.abs(x), 0.5);
const inner = (a: tf.Tensor) => tf.reshape(a, [2, 3, 2]);

/** What each kernel is compared on: its name, then expressions that use it. */
const cases: Record<string, Build[]> = {
  Add: [({ a, b }) => tf.add(a, b), ({ a, row }) => tf.add(row, a), ({ a }) => tf.add(a, 0)],
  AddN: [({ a, b }) => tf.addN([a, b, tf.ones([3, 4])])],
  Sub: [({ a, row }) => tf.sub(row, a), ({ a }) => tf.sub(0, a)],
  Multiply: [
    ({ a, row }) => tf.mul(a, row),
    ({ row }) => tf.mul(row, tf.ones([3, 4])),
    ({ row }) => tf.mul(tf.ones([3, 4]), tf.ones([4])).mul(row.slice([0], [1])),
  ],
  RealDiv: [({ a, b }) => tf.div(a, positive(b)), ({ b }) => tf.div(1, positive(b))],
  Maximum: [({ a, b }) => tf.maximum(a, b)],
  Minimum: [({ a, b }) => tf.minimum(a, b)],
  Pow: [({ a, b }) => tf.pow(positive(a), b)],
  Neg: [({ a }) => tf.neg(a)],
  Exp: [({ a }) => tf.exp(a)],
  Log: [({ a }) => tf.log(positive(a))],
  Sqrt: [({ a }) => tf.sqrt(positive(a))],
  Rsqrt: [({ a }) => tf.rsqrt(positive(a))],
  Reciprocal: [({ a }) => tf.reciprocal(positive(a))],
  Square: [({ a }) => tf.square(a)],
  SquaredDifference: [({ a, b }) => tf.squaredDifference(a, b)],
  Erf: [({ a }) => tf.erf(a)],
  Tanh: [({ a }) => tf.tanh(a)],
  Sigmoid: [({ a }) => tf.sigmoid(a)],
  Softplus: [({ a }) => tf.softplus(tf.mul(a, 20))],
  Relu: [({ a }) => tf.relu(a)],
  Step: [({ a }) => tf.step(a), ({ a }) => tf.step(a, 0.25)],
  Abs: [({ a }) => tf.abs(a)],
  Identity: [({ a }) => tf.clone(a)],
  Cast: [
    ({ a }) => tf.cast(tf.cast(tf.mul(a, 3), 'int32'), 'float32'),
    () => float(tf.fill([2], 2.7)).add(0.5),
  ],
  Fill: [({ a }) => tf.add(tf.fill([3, 4], 2.5), a), () => tf.fill([2, 3], 4)],
  ZerosLike: [({ a }) => tf.zerosLike(a)],
  OnesLike: [({ a }) => tf.onesLike(a)],
  Equal: [({ ids }) => float(tf.equal(ids, tf.scalar(2, 'int32')))],
  NotEqual: [({ ids }) => float(tf.notEqual(ids, tf.scalar(2, 'int32')))],
  Greater: [({ a, b }) => float(tf.greater(a, b))],
  GreaterEqual: [({ ids }) => float(tf.greaterEqual(ids, tf.scalar(1, 'int32')))],
  Less: [({ a, row }) => float(tf.less(a, row))],
  LessEqual: [({ ids }) => float(tf.lessEqual(ids, tf.scalar(1, 'int32')))],
  LogicalAnd: [({ a, b }) => float(tf.logicalAnd(tf.greater(a, 0), tf.greater(b, 0)))],
  LogicalNot: [({ a }) => float(tf.logicalNot(tf.greater(a, 0)))],
  Select: [({ a, b }) => tf.where(tf.greater(a, b), a, b)],
  Reshape: [({ a }) => tf.reshape(a, [2, -1]), ({ row }) => tf.mul(row, tf.ones([3, 4])).reshape([6, 2])],
  ExpandDims: [({ a }) => tf.expandDims(a, 1), ({ a }) => tf.expandDims(a, -1)],
  Transpose: [({ a }) => tf.transpose(a), ({ a }) => tf.transpose(inner(a), [2, 0, 1])],
  Tile: [({ a }) => tf.tile(a, [2, 3]), ({ row }) => tf.tile(tf.reshape(row, [1, 4]), [3, 1])],
  BroadcastTo: [({ row }) => tf.broadcastTo(row, [3, 4])],
  Concat: [({ a, b }) => tf.concat([a, b], 0), ({ a, b }) => tf.concat([a, b, a], 1)],
  SplitV: [
    ({ a }) => tf.split(a, [1, 3], 1)[1] as tf.Tensor,
    ({ a }) => tf.split(a, 2, 1)[0] as tf.Tensor,
    ({ a }) => tf.split(tf.tile(a, [1, 3]), 12, 1)[10] as tf.Tensor,
    ({ a }) => tf.concat(tf.split(tf.tile(a, [3, 1]), 9, 0).toReversed(), 0),
  ],
  Pack: [
    ({ a, b }) => tf.stack([a, b], 1),
    ({ a, b }) => tf.stack([b, a]),
    ({ a, row }) => tf.stack([tf.mul(row, tf.ones([3, 4])), a], -1),
  ],
  Unpack: [
    ({ a }) => tf.unstack(a, 1)[2] as tf.Tensor,
    ({ a, b }) => tf.add(tf.unstack(a)[1] as tf.Tensor, tf.unstack(b, -2)[2] as tf.Tensor),
  ],
  Slice: [({ a }) => tf.slice(a, [1, 1], [2, 2]), ({ a }) => tf.slice(a, [0, 2], [-1, -1])],
  PadV2: [
    ({ a }) =>
      tf.pad(
        a,
        [
          [1, 2],
          [0, 3],
        ],
        7,
      ),
  ],
  Sum: [({ a }) => tf.sum(a, 0), ({ a }) => tf.sum(a), ({ row }) => tf.sum(tf.mul(row, tf.ones([3, 4])), 0)],
  Mean: [({ a }) => tf.mean(a, -1, true), ({ a }) => tf.mean(a)],
  Max: [({ a }) => tf.max(a, 1)],
  Min: [({ a }) => tf.min(a, 0, true)],
  Softmax: [({ a }) => tf.softmax(tf.mul(a, 9))],
  BatchMatMul: [
    ({ a, b }) => tf.matMul(a, b, false, true),
    ({ a, b }) => tf.matMul(a, b, true, false),
    ({ a, b }) => tf.matMul(inner(a), inner(b), true, false),
    ({ a, b }) => tf.matMul(inner(a), inner(b), false, true),
    ({ a }) => tf.matMul(tf.reshape(a, [1, 3, 4]), tf.reshape(a, [1, 3, 4]), true, false),
  ],
  GatherV2: [
    ({ a, ids }) => tf.gather(a, ids as tf.Tensor1D),
    ({ a, ids }) => tf.gather(a, ids as tf.Tensor1D, 1),
  ],
  UnsortedSegmentSum: [
    ({ a, ids }) => tf.unsortedSegmentSum(a, tf.slice(ids, [0], [3]) as tf.Tensor1D, 4),
    ({ row, ids }) => tf.unsortedSegmentSum(row, tf.slice(ids, [0], [4]) as tf.Tensor1D, 3),
  ],
};

const onnx = createOnnxExecutor({ threads: 2 });
const oracle = createTfjsExecutor();

function program(build: Build): Program {
  return {
    name: 'case',
    inputs,
    build: ({ a, b, row, ids }) => {
      if (!a || !b || !row || !ids) throw new Error('inputs are missing');
      return { result: build({ a, b, row, ids }) };
    },
  };
}

async function resultsOf(build: Build) {
  const compiled = await onnx.compile(program(build));
  const { result: got } = await compiled.run(inputs);
  const { result: expected } = await (await oracle.compile(program(build))).run(inputs);
  await compiled.dispose();
  if (!got || !expected) throw new Error('no result');
  return { got, expected };
}

describe('kernels of the tracing backend', () => {
  for (const [name, builds] of Object.entries(cases)) {
    it.each(builds.map((build, i) => [i, build] as const))(
      `${name} agrees with TF.js (%i)`,
      async (_, build) => {
        const { got, expected } = await resultsOf(build);
        expect(got.shape).toEqual(expected.shape);
        expect(got.dtype).toBe(expected.dtype);
        expect(worst(got.data, expected.data)).toBeLessThan(3e-5);
      },
    );
  }

  it('are all compared here', () => {
    const registered = tf.getKernelsForBackend(traceBackendName).map((config) => config.kernelName);
    expect(registered.toSorted()).toEqual(Object.keys(cases).toSorted());
  });

  const differentiable = Object.entries(cases).filter(
    ([name]) =>
      !/Equal|Greater|Less|Logical|Cast|Like|Fill|NotEqual|Select|Step|UnsortedSegmentSum|PadV2/.test(name),
  );
  it.each(differentiable)("%s has TF.js's gradient", async (_, builds) => {
    for (const build of builds) {
      const gradient: Build = ({ ids, ...floats }) => {
        const names = ['a', 'b', 'row'] as const;
        const loss = (...values: tf.Tensor[]) => {
          const [a, b, row] = values as [tf.Tensor, tf.Tensor, tf.Tensor];
          const used = tf.sum(tf.square(build({ a, b, row, ids })));
          // Every input takes part, so that each has a gradient.
          return tf.add(used, tf.addN([tf.sum(a), tf.sum(b), tf.sum(row)])) as tf.Scalar;
        };
        const { grads } = tf.valueAndGrads(loss)(names.map((name) => floats[name]));
        return tf.concat(grads.map((grad) => tf.reshape(grad, [-1])));
      };
      const { got, expected } = await resultsOf(gradient);
      const size = Math.max(1, ...Array.from(expected.data, Math.abs));
      expect(worst(got.data, expected.data) / size).toBeLessThan(1e-5);
    }
  });
});
