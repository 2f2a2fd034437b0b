import * as tf from '@tensorflow/tfjs';
import { currentGraph, whole, wholeName } from '../backend.ts';
import { kernel, numbersOf } from './register.ts';

/** A reduction over some axes. */
function reduction(name: string, op: string): void {
  kernel(name, ({ input, attributes }) => {
    const x = input('x');
    // Max and Min have another name for their axes than Sum and Mean.
    const { axis, reductionIndices, keepDims } = attributes as {
      axis?: number | number[];
      reductionIndices?: number | number[];
      keepDims?: boolean;
    };
    const axes = tf.util.parseAxisParam(axis ?? reductionIndices ?? x.shape.map((_, i) => i), [...x.shape]);
    const shape = x.shape.map((size, i) => (axes.includes(i) ? 1 : size));
    const kept = keepDims ? shape : shape.filter((_, i) => !axes.includes(i));
    const from = wholeName(x);
    const graph = currentGraph();
    if (axes.length === 0) return whole(graph.node('Identity', [from]), kept, x.dtype);
    const made = graph.node(op, [from, graph.integers(axes)], { keepdims: keepDims ? 1 : 0 });
    return whole(made, kept, name === 'Mean' ? 'float32' : x.dtype);
  });
}

reduction('Sum', 'ReduceSum');
reduction('Mean', 'ReduceMean');
reduction('Max', 'ReduceMax');
reduction('Min', 'ReduceMin');

kernel('Softmax', ({ input, attributes }) => {
  const logits = input('logits');
  const [dim = -1] = numbersOf(attributes.dim ?? -1);
  const made = currentGraph().node('Softmax', [wholeName(logits)], { axis: dim });
  return whole(made, logits.shape, logits.dtype);
});
