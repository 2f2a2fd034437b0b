import { availableParallelism } from 'node:os';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import {
  type CompiledProgram,
  checkInputs,
  type Executor,
  type HeldTensor,
  type InputValue,
  isHeld,
  type KeptOutputs,
  type Program,
  type Provider,
  readAll,
  type TensorValue,
} from './executor.ts';
import { type TracedProgram, traceProgram } from './onnx/trace.ts';

/** Options of {@link createOnnxExecutor}. */
export interface OnnxExecutorOptions {
  /** Threads of one operation on the processor; the machine's cores unless told. */
  readonly threads?: number | undefined;
  /** ONNX Runtime's execution provider, `cpu` unless told. What a provider can't do, the processor does. */
  readonly provider?: Provider | undefined;
}

/** How long a thread waits awake for its next operation: the serial ones between two parallel ones take less. */
const spinMicroseconds = '50';

/**
 * Runs programs as one ONNX graph each, traced from TF.js ops, by ONNX Runtime. On the processor the same machine
 * gives the same bits on every run. A run blocks the event loop while it computes. Tensors that are held lie in GPU
 * buffers under `webgpu`; under `cuda` they go through memory, for its binding to Node has no other way. Whether a
 * provider is there shows when a program is compiled: `openExecutor` asks before.
 */
export function createOnnxExecutor(options: OnnxExecutorOptions = {}): Executor {
  const { threads = availableParallelism(), provider = 'cpu' } = options;
  const tensors = new WeakMap<HeldTensor, Tensor>();
  const copies = new Map<string, Promise<CompiledProgram>>();

  const hold = (tensor: Tensor, { shape, dtype }: Pick<TensorValue, 'shape' | 'dtype'>): HeldTensor => {
    let released = false;
    const held: HeldTensor = {
      shape,
      dtype,
      async read() {
        if (tensor.location === 'cpu') return { shape, dtype, data: numbersOf(tensor, 'a held tensor') };
        // The binding can't download a GPU buffer: it ends the process. A graph that copies it can.
        const { copy } = await (await copyOf(held, [])).run({ original: held });
        if (copy === undefined) throw new Error('ONNX Runtime gave no copy');
        return copy;
      },
      release() {
        if (!released && tensor.location !== 'cpu') tensor.dispose();
        released = true;
        tensors.delete(held);
      },
    };
    tensors.set(held, tensor);
    return held;
  };
  const tensorOf = (value: InputValue, of: string): Tensor => {
    if (!isHeld(value)) return new Tensor(value.dtype, value.data, value.shape);
    const tensor = tensors.get(value);
    if (tensor === undefined) throw new Error(`${of}: it isn't held by the executor onnx on ${provider}`);
    return tensor;
  };
  const copyOf = ({ shape, dtype }: Pick<TensorValue, 'shape' | 'dtype'>, keeps: readonly string[]) => {
    const key = `${keeps.length} ${dtype} ${shape.join()}`;
    const known = copies.get(key);
    if (known !== undefined) return known;
    const compiled = compile({
      name: 'copy',
      inputs: { original: { shape, dtype } },
      keeps,
      build: ({ original }) => {
        if (original === undefined) throw new Error('there is nothing to copy');
        return { copy: original };
      },
    });
    copies.set(key, compiled);
    return compiled;
  };
  const compile = async (program: Program): Promise<CompiledProgram> => {
    const { model, outputs, flops } = traceProgram(program);
    const { keeps = [] } = program;
    const session = await InferenceSession.create(model, {
      executionProviders: [provider],
      intraOpNumThreads: threads,
      interOpNumThreads: 1,
      executionMode: 'sequential',
      graphOptimizationLevel: 'all',
      logSeverityLevel: 3,
      // By default an idle thread spins for long, which takes the core from whoever has work.
      extra: { session: { intra_op: { spin_duration_us: spinMicroseconds } } },
      ...(provider === 'webgpu' && keeps.length > 0 && { preferredOutputLocation: locations(keeps) }),
      // Never set_denormal_as_zero: it would change the arithmetic of this thread's JavaScript as well.
    });
    const runKeeping = async (inputs: Readonly<Record<string, InputValue>>) => {
      checkInputs(program, inputs);
      const feeds: Record<string, Tensor> = {};
      for (const [name, value] of Object.entries(inputs)) {
        feeds[name] = tensorOf(value, `program ${program.name}, input '${name}'`);
      }
      return outputsOf(await session.run(feeds), outputs, keeps, hold);
    };
    return {
      flops,
      runKeeping,
      run: async (inputs) => readAll(await runKeeping(inputs)),
      dispose: () => session.release(),
    };
  };
  return {
    name: 'onnx',
    provider,
    compile,
    async hold(value) {
      if (provider !== 'webgpu') return hold(new Tensor(value.dtype, value.data, value.shape), value);
      const { kept } = await (await copyOf(value, ['copy'])).runKeeping({ original: value });
      if (kept.copy === undefined) throw new Error('ONNX Runtime gave no copy');
      return kept.copy;
    },
  };
}

function locations(names: readonly string[]): Record<string, 'gpu-buffer'> {
  return Object.fromEntries(names.map((name) => [name, 'gpu-buffer']));
}

function outputsOf(
  results: InferenceSession.OnnxValueMapType,
  outputs: TracedProgram['outputs'],
  keeps: readonly string[],
  hold: (tensor: Tensor, like: Pick<TensorValue, 'shape' | 'dtype'>) => HeldTensor,
): KeptOutputs {
  const values: Record<string, TensorValue> = {};
  const kept: Record<string, HeldTensor> = {};
  for (const output of outputs) {
    const { name, shape, dtype } = output;
    const tensor = results[name];
    if (tensor === undefined) throw new Error(`ONNX Runtime gave no output '${name}'`);
    if (keeps.includes(name)) kept[name] = hold(tensor, output);
    else values[name] = { shape, dtype, data: numbersOf(tensor, `the output '${name}'`) };
  }
  return { values, kept };
}

function numbersOf(tensor: Tensor, of: string): Float32Array | Int32Array {
  const { data } = tensor;
  if (data instanceof Float32Array || data instanceof Int32Array) return data;
  throw new Error(`ONNX Runtime gave no numbers for ${of}`);
}
