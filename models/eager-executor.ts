import * as tf from '@tensorflow/tfjs';
import {
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

/** What an eager executor is made of. */
export interface EagerExecutorOptions {
  readonly name: string;
  /** A TF.js backend that is registered and has started. */
  readonly backend: string;
  readonly provider: Provider;
}

/**
 * Runs programs eagerly, op by op, on a backend of TF.js. Between its runs the backend that was current before is
 * current again. Operations are not counted.
 */
export function createEagerExecutor({ name, backend, provider }: EagerExecutorOptions): Executor {
  const tensors = new WeakMap<HeldTensor, tf.Tensor>();
  const onBackend = <T>(work: () => T): T => {
    const previous = tf.engine().backendName;
    // Not awaited (the backend has started), so that no other run or trace comes between.
    void tf.setBackend(backend);
    tf.engine().startScope(name);
    try {
      return work();
    } finally {
      tf.engine().endScope();
      if (previous) void tf.setBackend(previous);
    }
  };
  const hold = (tensor: tf.Tensor): HeldTensor => {
    // A tensor of its own, so that releasing an output can't take an input with it.
    const own = tf.keep(tf.clone(tensor));
    const held: HeldTensor = {
      shape: [...own.shape],
      dtype: own.dtype === 'int32' ? 'int32' : 'float32',
      read: async () => numbersFrom(own),
      release: () => own.dispose(),
    };
    tensors.set(held, own);
    return held;
  };
  const tensorOf = (value: InputValue, of: string): tf.Tensor => {
    if (!isHeld(value)) {
      // A copy: the backend keeps the array that it is given, and results may share it.
      return tf.tensor(value.data.slice(), [...value.shape], value.dtype);
    }
    const tensor = tensors.get(value);
    if (tensor === undefined) throw new Error(`${of}: it isn't held by the executor ${name}`);
    return tensor;
  };
  const evaluate = (program: Program, inputs: Readonly<Record<string, InputValue>>): KeptOutputs => {
    const given: Record<string, tf.Tensor> = {};
    for (const [key, value] of Object.entries({ ...program.constants, ...inputs })) {
      given[key] = tensorOf(value, `program ${program.name}, input '${key}'`);
    }
    const values: Record<string, TensorValue> = {};
    const kept: Record<string, HeldTensor> = {};
    for (const [key, tensor] of Object.entries(program.build(given))) {
      if (program.keeps?.includes(key)) kept[key] = hold(tensor);
      else values[key] = numbersFrom(tensor);
    }
    return { values, kept };
  };
  return {
    name,
    provider,
    hold: async ({ data, shape, dtype }) => onBackend(() => hold(tf.tensor(data.slice(), [...shape], dtype))),
    async compile(program) {
      const runKeeping = async (inputs: Readonly<Record<string, InputValue>>) => {
        checkInputs(program, inputs);
        return onBackend(() => evaluate(program, inputs));
      };
      return {
        flops: null,
        runKeeping,
        run: async (inputs) => readAll(await runKeeping(inputs)),
        async dispose() {},
      };
    },
  };
}

function numbersFrom(tensor: tf.Tensor): TensorValue {
  const data = tensor.dataSync();
  const shape = [...tensor.shape];
  return tensor.dtype === 'int32'
    ? { shape, dtype: 'int32', data: Int32Array.from(data) }
    : { shape, dtype: 'float32', data: Float32Array.from(data) };
}
