import { availableParallelism } from 'node:os';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { type CompiledProgram, checkInputs, type Executor, type TensorValue } from './executor.ts';
import { type TracedProgram, traceProgram } from './onnx/trace.ts';

/** Options of {@link createOnnxExecutor}. */
export interface OnnxExecutorOptions {
  /** Threads of one operation; the machine's cores unless told. */
  readonly threads?: number | undefined;
}

/**
 * Runs programs as one ONNX graph each, traced from TF.js ops, by ONNX Runtime on the processor. The same machine
 * gives the same bits on every run. A run blocks the event loop while it computes.
 */
export function createOnnxExecutor(options: OnnxExecutorOptions = {}): Executor {
  const threads = options.threads ?? availableParallelism();
  return {
    name: 'onnx',
    async compile(program): Promise<CompiledProgram> {
      const { model, outputs, flops } = traceProgram(program);
      const session = await InferenceSession.create(model, {
        intraOpNumThreads: threads,
        interOpNumThreads: 1,
        executionMode: 'sequential',
        graphOptimizationLevel: 'all',
        logSeverityLevel: 3,
        // Never set_denormal_as_zero: it would change the arithmetic of this thread's JavaScript as well.
      });
      return {
        flops,
        async run(inputs) {
          checkInputs(program, inputs);
          const feeds = Object.fromEntries(
            Object.entries(inputs).map(([name, { dtype, data, shape }]) => [
              name,
              new Tensor(dtype, data, shape),
            ]),
          );
          return valuesOf(await session.run(feeds), outputs);
        },
        dispose: () => session.release(),
      };
    },
  };
}

function valuesOf(
  results: InferenceSession.OnnxValueMapType,
  outputs: TracedProgram['outputs'],
): Record<string, TensorValue> {
  const values: Record<string, TensorValue> = {};
  for (const { name, shape, dtype } of outputs) {
    const data = results[name]?.data;
    if (!(data instanceof Float32Array || data instanceof Int32Array)) {
      throw new Error(`ONNX Runtime gave no numbers for the output '${name}'`);
    }
    values[name] = { shape, dtype, data };
  }
  return values;
}
