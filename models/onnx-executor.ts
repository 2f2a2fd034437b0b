import { availableParallelism } from 'node:os';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { type CompiledProgram, checkInputs, type Executor, type TensorValue } from './executor.ts';
import { traceProgram } from './onnx/trace.ts';

/** Options of {@link createOnnxExecutor}. */
export interface OnnxExecutorOptions {
  /** Threads of one operation; the machine's cores unless told. */
  readonly threads?: number | undefined;
}

/** Runs programs as one ONNX graph each, traced from TF.js ops, by ONNX Runtime on the processor. */
export function createOnnxExecutor(options: OnnxExecutorOptions = {}): Executor {
  const threads = options.threads ?? availableParallelism();
  return {
    name: 'onnx',
    async compile(program): Promise<CompiledProgram> {
      const { model, outputs } = traceProgram(program);
      const session = await InferenceSession.create(model, {
        intraOpNumThreads: threads,
        interOpNumThreads: 1,
        graphOptimizationLevel: 'all',
        logSeverityLevel: 3,
      });
      return {
        async run(inputs) {
          checkInputs(program, inputs);
          const feeds = Object.fromEntries(
            Object.entries(inputs).map(([name, value]) => [name, tensorOf(value)]),
          );
          const results = await session.run(feeds);
          return Object.fromEntries(
            outputs.map(({ name, shape, dtype }): [string, TensorValue] => [
              name,
              { shape, dtype, data: results[name]?.data as Float32Array | Int32Array },
            ]),
          );
        },
        dispose: () => session.release(),
      };
    },
  };
}

function tensorOf({ shape, dtype, data }: TensorValue): Tensor {
  return dtype === 'float32'
    ? new Tensor('float32', data as Float32Array, shape)
    : new Tensor('int32', data as Int32Array, shape);
}
