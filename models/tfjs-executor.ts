import * as tf from '@tensorflow/tfjs';
import { type CompiledProgram, checkInputs, type Executor, type TensorValue } from './executor.ts';

/** Runs programs eagerly on TF.js's plain JavaScript backend: slow, and the oracle of the tests. */
export function createTfjsExecutor(): Executor {
  return {
    name: 'tfjs-cpu',
    async compile(program): Promise<CompiledProgram> {
      return {
        async run(inputs) {
          checkInputs(program, inputs);
          await tf.setBackend('cpu');
          tf.engine().startScope(program.name);
          try {
            const tensors: Record<string, tf.Tensor> = {};
            for (const [name, { shape, dtype }] of Object.entries(program.inputs)) {
              tensors[name] = tf.tensor((inputs[name] as TensorValue).data, [...shape], dtype);
            }
            for (const [name, { shape, dtype, data }] of Object.entries(program.constants ?? {})) {
              tensors[name] = tf.tensor(data, [...shape], dtype);
            }
            const outputs = Object.entries(program.build(tensors)).map(
              ([name, tensor]) =>
                [
                  name,
                  {
                    shape: tensor.shape,
                    dtype: tensor.dtype as TensorValue['dtype'],
                    data: tensor.dataSync().slice() as Float32Array | Int32Array,
                  },
                ] as const,
            );
            return Object.fromEntries(outputs);
          } finally {
            tf.engine().endScope();
          }
        },
        async dispose() {},
      };
    },
  };
}
