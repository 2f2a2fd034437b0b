import * as tf from '@tensorflow/tfjs';
import { sizeOf } from '../../executor.ts';
import {
  currentGraph,
  handle,
  reshapeTo,
  sameShape,
  tracedOf,
  tracedType,
  whole,
  wholeName,
} from '../backend.ts';
import { kernel, numbersOf } from './register.ts';

/** The most parts of one Split: a shader of WebGPU takes 16 buffers, and each part is one. */
const mostSplit = 8;

function reshaped(x: tf.TensorInfo, shape: readonly number[]): tf.TensorInfo {
  const value = tracedOf(x);
  if (value.fill !== undefined || sameShape(x.shape, shape)) return handle(value, shape, x.dtype);
  const graph = currentGraph();
  const from = wholeName(x);
  return whole(graph.node('Reshape', [from, graph.integers(reshapeTo(shape, graph.batch))]), shape, x.dtype);
}

kernel('Reshape', ({ input, attributes }) => {
  const x = input('x');
  return reshaped(x, tf.util.inferFromImplicitShape(numbersOf(attributes.shape), sizeOf(x.shape)));
});

kernel('ExpandDims', ({ input, attributes }) => {
  const x = input('input');
  const [dim = 0] = numbersOf(attributes.dim);
  return reshaped(x, x.shape.toSpliced(dim < 0 ? x.shape.length + dim + 1 : dim, 0, 1));
});

kernel('Transpose', ({ input, attributes }) => {
  const x = input('x');
  const perm = numbersOf(attributes.perm);
  const shape = perm.map((axis) => x.shape[axis] ?? 1);
  const value = tracedOf(x);
  if (value.fill !== undefined || perm.every((axis, i) => axis === i)) return handle(value, shape, x.dtype);
  return whole(currentGraph().node('Transpose', [wholeName(x)], { perm }), shape, x.dtype);
});

kernel('Tile', ({ input, attributes }) => {
  const x = input('x');
  const reps = numbersOf(attributes.reps);
  const shape = x.shape.map((size, i) => size * (reps[i] ?? 1));
  const value = tracedOf(x);
  // Repeating an axis of size 1 is broadcasting.
  if (x.shape.every((size, i) => size === 1 || reps[i] === 1)) return handle(value, shape, x.dtype);
  const graph = currentGraph();
  return whole(graph.node('Tile', [wholeName(x), graph.integers(reps)]), shape, x.dtype);
});

kernel('BroadcastTo', ({ input, attributes }) => {
  const x = input('x');
  return handle(tracedOf(x), numbersOf(attributes.shape), x.dtype);
});

kernel('Concat', ({ list, attributes }) => {
  const first = list[0];
  if (first === undefined) throw new Error('Concat was given no tensors');
  const [axis = 0] = tf.util.parseAxisParam(numbersOf(attributes.axis), [...first.shape]);
  const total = list.reduce((sum, info) => sum + (info.shape[axis] ?? 0), 0);
  const made = currentGraph().node('Concat', list.map(wholeName), { axis });
  return whole(made, first.shape.with(axis, total), first.dtype);
});

kernel('SplitV', ({ input, attributes }) => {
  const x = input('x');
  const { numOrSizeSplits } = attributes as { numOrSizeSplits: number | number[] };
  const [axis = 0] = tf.util.parseAxisParam(numbersOf(attributes.axis), [...x.shape]);
  const length = x.shape[axis] ?? 0;
  const parts =
    typeof numOrSizeSplits === 'number'
      ? Array.from({ length: numOrSizeSplits }, () => length / numOrSizeSplits)
      : numOrSizeSplits;
  const graph = currentGraph();
  const from = wholeName(x);
  const shapeOf = (i: number) => x.shape.with(axis, parts[i] ?? 0);
  if (parts.length <= mostSplit) {
    const names = graph.nodes('Split', [from, graph.integers(parts)], parts.length, { axis });
    return names.map((name, i) => whole(name, shapeOf(i), x.dtype));
  }
  let at = 0;
  return parts.map((size, i) => {
    const bounds = [at, at + size].map((bound) => graph.integers([bound]));
    at += size;
    return whole(graph.node('Slice', [from, ...bounds, graph.integers([axis])]), shapeOf(i), x.dtype);
  });
});

kernel('Pack', ({ list, attributes }) => {
  const first = list[0];
  if (first === undefined) throw new Error('stack() was given no tensors');
  const [axis = 0] = tf.util.parseAxisParam(numbersOf(attributes.axis), [...first.shape, 1]);
  const shape = first.shape.toSpliced(axis, 0, 1);
  const rows = list.map((info) => wholeName(reshaped(info, shape)));
  return whole(currentGraph().node('Concat', rows, { axis }), shape.with(axis, list.length), first.dtype);
});

kernel('Unpack', ({ input, attributes }) => {
  const x = input('value');
  const [axis = 0] = tf.util.parseAxisParam(numbersOf(attributes.axis), [...x.shape]);
  const graph = currentGraph();
  const from = wholeName(x);
  const shape = x.shape.with(axis, 1);
  return Array.from({ length: x.shape[axis] ?? 0 }, (_, i) => {
    const bounds = [graph.integers([i]), graph.integers([i + 1]), graph.integers([axis])];
    return reshaped(whole(graph.node('Slice', [from, ...bounds]), shape, x.dtype), shape.toSpliced(axis, 1));
  });
});

kernel('Slice', ({ input, attributes }) => {
  const x = input('x');
  const begin = numbersOf(attributes.begin);
  const size = numbersOf(attributes.size).map((count, i) =>
    count === -1 ? (x.shape[i] ?? 0) - (begin[i] ?? 0) : count,
  );
  const axes = begin.map((_, i) => i).filter((i) => size[i] !== x.shape[i]);
  if (axes.length === 0) return handle(tracedOf(x), x.shape, x.dtype);
  const graph = currentGraph();
  const pick = (values: readonly number[]) => graph.integers(axes.map((i) => values[i] ?? 0));
  const ends = begin.map((from, i) => from + (size[i] ?? 0));
  const made = graph.node('Slice', [wholeName(x), pick(begin), pick(ends), graph.integers(axes)]);
  return whole(made, size, x.dtype);
});

kernel('PadV2', ({ input, attributes }) => {
  const x = input('x');
  const { paddings, constantValue } = attributes as { paddings: [number, number][]; constantValue: number };
  const graph = currentGraph();
  const pads = [...paddings.map(([before]) => before), ...paddings.map(([, after]) => after)];
  const value = graph.scalar(constantValue, tracedType(x.dtype));
  const shape = x.shape.map((size, i) => size + (paddings[i]?.[0] ?? 0) + (paddings[i]?.[1] ?? 0));
  return whole(graph.node('Pad', [wholeName(x), graph.integers(pads), value]), shape, x.dtype);
});
