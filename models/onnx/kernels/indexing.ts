import * as tf from '@tensorflow/tfjs';
import { sizeOf } from '../../executor.ts';
import { currentGraph, tracedType, whole, wholeName } from '../backend.ts';
import { kernel, numbersOf } from './register.ts';

kernel('GatherV2', ({ input, attributes }) => {
  const [x, indices] = [input('x'), input('indices')];
  if (attributes.batchDims)
    throw new Error("gather with batchDims can't be traced: index a flattened tensor");
  const [axis = 0] = tf.util.parseAxisParam(numbersOf(attributes.axis), [...x.shape]);
  const made = currentGraph().node('Gather', [wholeName(x), wholeName(indices)], { axis });
  return whole(made, x.shape.toSpliced(axis, 1, ...indices.shape), x.dtype);
});

// The gradient of gather. ScatterElements, because ONNX Runtime's ScatterND with reduction=add loses updates of
// equal indices when it runs on more than one thread.
kernel('UnsortedSegmentSum', ({ input, attributes }) => {
  const [x, ids] = [input('x'), input('segmentIds')];
  if (ids.shape.length !== 1) throw new Error('segment ids must be a vector');
  const graph = currentGraph();
  const [segments = 0] = numbersOf(attributes.numSegments);
  const shape = x.shape.with(0, segments);
  const zeros = graph.node('Expand', [graph.scalar(0, tracedType(x.dtype)), graph.integers(shape)]);
  const column = graph.node('Reshape', [
    wholeName(ids),
    graph.integers([sizeOf(ids.shape), ...x.shape.slice(1).map(() => 1)]),
  ]);
  const spread = graph.node('Expand', [column, graph.integers(x.shape)]);
  return whole(
    graph.node('ScatterElements', [zeros, spread, wholeName(x)], { axis: 0, reduction: 'add' }),
    shape,
    x.dtype,
  );
});
