import * as tf from '@tensorflow/tfjs';
import { checkInputs, type Executor, type Program, type TensorValue } from './executor.ts';

/** Runs programs eagerly on TF.js's plain JavaScript backend: slow, and the oracle of the tests. */
export function createTfjsExecutor(): Executor {
  // Keeps TF.js from advertising its native package on standard error.
  tf.enableProdMode();
  return {
    name: 'tfjs-cpu',
    async compile(program) {
      return {
        flops: null,
        async run(inputs) {
          checkInputs(program, inputs);
          const previous = tf.engine().backendName;
          // Not awaited (this backend starts at once), so that no other run or trace comes between.
          void tf.setBackend('cpu');
          try {
            return evaluate(program, { ...program.constants, ...inputs });
          } finally {
            if (previous) void tf.setBackend(previous);
          }
        },
        async dispose() {},
      };
    },
  };
}

function evaluate(
  program: Program,
  inputs: Readonly<Record<string, TensorValue>>,
): Record<string, TensorValue> {
  tf.engine().startScope(program.name);
  try {
    const tensors: Record<string, tf.Tensor> = {};
    for (const [name, { data, shape, dtype }] of Object.entries(inputs)) {
      // A copy: the backend keeps the array that it is given, and results may share it.
      tensors[name] = tf.tensor(data.slice(), [...shape], dtype);
    }
    const values: Record<string, TensorValue> = {};
    for (const [name, tensor] of Object.entries(program.build(tensors))) {
      const data = tensor.dataSync();
      const shape = [...tensor.shape];
      values[name] =
        tensor.dtype === 'int32'
          ? { shape, dtype: 'int32', data: Int32Array.from(data) }
          : { shape, dtype: 'float32', data: Float32Array.from(data) };
    }
    return values;
  } finally {
    tf.engine().endScope();
  }
}
