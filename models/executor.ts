import type { Tensor } from '@tensorflow/tfjs';

/** The element types that cross an executor's boundary. */
export type ValueType = 'float32' | 'int32';

/** A tensor outside any backend: row-major values and their shape. */
export interface TensorValue {
  readonly shape: readonly number[];
  readonly dtype: ValueType;
  readonly data: Float32Array | Int32Array;
}

/**
 * A tensor where its executor computes: an output that became the input of later runs without leaving. Only programs
 * of the executor that made it take it.
 */
export interface HeldTensor {
  readonly shape: readonly number[];
  readonly dtype: ValueType;
  /** Its values, which are not to be changed: they may be the tensor's own memory. */
  read(): Promise<TensorValue>;
  /** Frees its memory; it can't be used afterwards. Twice is as good as once. */
  release(): void;
}

/** What a program takes: values, or what its executor holds. */
export type InputValue = TensorValue | HeldTensor;

/** What an input of a program must look like. */
export interface InputSpec {
  readonly shape: readonly number[];
  readonly dtype: ValueType;
}

/**
 * A pure function over tensors, written once with TF.js ops, that any executor can run. `build` may be called many
 * times, on real tensors or on traced ones: it must not read a tensor's values, make variables or draw random
 * numbers (a draw would become a constant: feed noise as an input).
 */
export interface Program {
  readonly name: string;
  readonly inputs: Readonly<Record<string, InputSpec>>;
  /** Values that never change between runs, such as frozen weights: executors may prepack them. */
  readonly constants?: Readonly<Record<string, TensorValue>>;
  /** Outputs that stay where the executor computes, such as the weights that the next step starts from. */
  readonly keeps?: readonly string[];
  /** Maps the inputs and the constants, by name, to the named outputs. */
  build(tensors: Readonly<Record<string, Tensor>>): Record<string, Tensor>;
}

/** A program made ready for one set of input shapes. */
export interface CompiledProgram {
  /** Floating-point operations of its matrix products in one run; null where the executor doesn't count them. */
  readonly flops: number | null;
  /** Runs the program and gives its outputs. Throws when an input is missing, unknown, misshapen or not held here. */
  run(inputs: Readonly<Record<string, InputValue>>): Promise<Record<string, TensorValue>>;
  /** Runs the program and leaves the outputs that it keeps with the executor; the caller releases them. */
  runKeeping(inputs: Readonly<Record<string, InputValue>>): Promise<KeptOutputs>;
  /** Releases what the program holds; it cannot run afterwards. */
  dispose(): Promise<void>;
}

/** The outputs of a run, those that its program keeps apart from the others. */
export interface KeptOutputs {
  readonly values: Readonly<Record<string, TensorValue>>;
  readonly kept: Readonly<Record<string, HeldTensor>>;
}

/** What an executor computes on: `cpu`, `webgpu` or `cuda`. */
export type Provider = 'cpu' | 'webgpu' | 'cuda';

/** What runs programs. */
export interface Executor {
  readonly name: string;
  readonly provider: Provider;
  compile(program: Program): Promise<CompiledProgram>;
  /** Brings values to where the executor computes. They must not change afterwards: they may be used as they are. */
  hold(value: TensorValue): Promise<HeldTensor>;
}

/** Whether something is a tensor that an executor holds. */
export function isHeld(value: object): value is HeldTensor {
  return 'release' in value;
}

/** A run of which every output is wanted as values: what the program keeps is read and released. */
export async function readAll({ values, kept }: KeptOutputs): Promise<Record<string, TensorValue>> {
  const all: Record<string, TensorValue> = { ...values };
  for (const [name, tensor] of Object.entries(kept)) {
    all[name] = await tensor.read();
    tensor.release();
  }
  return all;
}

/** The number of elements of a shape. */
export function sizeOf(shape: readonly number[]): number {
  return shape.reduce((size, dimension) => size * dimension, 1);
}

/** Throws when `inputs` are not exactly the ones that the program declares, each of its shape and type. */
export function checkInputs(program: Program, inputs: Readonly<Record<string, InputValue>>): void {
  for (const name of Object.keys(inputs)) {
    if (!Object.hasOwn(program.inputs, name)) {
      throw new Error(`program ${program.name} has no input '${name}'; it takes ${listOf(program.inputs)}`);
    }
  }
  for (const [name, spec] of Object.entries(program.inputs)) {
    const value = inputs[name];
    if (value === undefined) {
      throw new Error(`program ${program.name} needs the input '${name}'; it was given ${listOf(inputs)}`);
    }
    const count = isHeld(value) ? sizeOf(value.shape) : value.data.length;
    const matches =
      value.dtype === spec.dtype &&
      value.shape.length === spec.shape.length &&
      value.shape.every((dimension, i) => dimension === spec.shape[i]) &&
      count === sizeOf(spec.shape);
    if (!matches) {
      throw new Error(
        `program ${program.name}: input '${name}' must be ${spec.dtype} [${spec.shape.join(', ')}], not ` +
          `${value.dtype} [${value.shape.join(', ')}] with ${count} values`,
      );
    }
  }
}

function listOf(record: Readonly<Record<string, unknown>>): string {
  return Object.keys(record).join(', ') || 'none';
}
