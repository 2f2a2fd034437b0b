import type * as tf from '@tensorflow/tfjs';
import { sizeOf } from '../../executor.ts';
import { currentGraph, sameShape, whole, wholeName } from '../backend.ts';
import { kernel } from './register.ts';

kernel('BatchMatMul', ({ input, attributes }) => {
  const [a, b] = [input('a'), input('b')];
  const { transposeA, transposeB } = attributes as { transposeA: boolean; transposeB: boolean };
  const batch = a.shape.slice(0, -2);
  if (!sameShape(batch, b.shape.slice(0, -2))) {
    throw new Error(
      `matMul of [${a.shape.join(', ')}] and [${b.shape.join(', ')}]: TF.js's gradient doesn't sum over broadcast ` +
        'batches; reshape the operands to two dimensions',
    );
  }
  const rows = a.shape.at(transposeA ? -1 : -2) ?? 0;
  const columns = b.shape.at(transposeB ? -2 : -1) ?? 0;
  const shape = [...batch, rows, columns];
  const depth = a.shape.at(transposeA ? -2 : -1) ?? 0;
  const flops = 2 * depth * sizeOf(shape);
  const graph = currentGraph();
  if (batch.length === 0) {
    const options = { transA: Number(transposeA), transB: Number(transposeB) };
    return whole(graph.node('Gemm', [wholeName(a), wholeName(b)], options, flops), shape, a.dtype);
  }
  const operand = (info: tf.TensorInfo, transpose: boolean) => {
    if (!transpose) return wholeName(info);
    const rank = info.shape.length;
    const perm = info.shape.map((_, i) => (i < rank - 2 ? i : 2 * rank - 3 - i));
    return graph.node('Transpose', [wholeName(info)], { perm });
  };
  const made = graph.node('MatMul', [operand(a, transposeA), operand(b, transposeB)], {}, flops);
  return whole(made, shape, a.dtype);
});
