import * as tf from '@tensorflow/tfjs';
import { traceBackendName } from '../backend.ts';

/** What a kernel gets: its tensors by name, and its attributes. */
export interface KernelCall {
  /** The tensor under this name. Throws when TF.js did not pass it. */
  input(name: string): tf.TensorInfo;
  /** All tensors, in order, for kernels that take a list. */
  readonly list: readonly tf.TensorInfo[];
  /** The attributes; their types are those of TF.js's kernel. */
  readonly attributes: Readonly<Record<string, unknown>>;
}

/** Registers a kernel of the tracing backend. */
export function kernel(name: string, run: (call: KernelCall) => tf.TensorInfo | tf.TensorInfo[]): void {
  tf.registerKernel({
    kernelName: name,
    backendName: traceBackendName,
    kernelFunc: ({ inputs, attrs }) =>
      run({
        input(key) {
          const info = inputs[key];
          if (info === undefined) throw new Error(`kernel ${name} was given no '${key}'`);
          return info;
        },
        list: Object.values(inputs).filter((info) => info !== undefined),
        attributes: attrs ?? {},
      }),
  });
}

/** An attribute that is a list of whole numbers, or one of them. */
export function numbersOf(value: unknown): number[] {
  return typeof value === 'number' ? [value] : [...(value as number[])];
}
