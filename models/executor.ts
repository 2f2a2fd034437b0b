import type { Tensor } from '@tensorflow/tfjs';

/** The element types that cross an executor's boundary. */
export type ValueType = 'float32' | 'int32';

/** A tensor outside any backend: row-major values and their shape. */
export interface TensorValue {
  readonly shape: readonly number[];
  readonly dtype: ValueType;
  readonly data: Float32Array | Int32Array;
}

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
  /** Maps the inputs and the constants, by name, to the named outputs. */
  build(tensors: Readonly<Record<string, Tensor>>): Record<string, Tensor>;
}

/** A program made ready for one set of input shapes. */
export interface CompiledProgram {
  /** Floating-point operations of its matrix products in one run; null where the executor doesn't count them. */
  readonly flops: number | null;
  /** Runs the program. Throws when an input is missing, unknown or misshapen. */
  run(inputs: Readonly<Record<string, TensorValue>>): Promise<Record<string, TensorValue>>;
  /** Releases what the program holds; it cannot run afterwards. */
  dispose(): Promise<void>;
}

/** What runs programs. */
export interface Executor {
  readonly name: string;
  compile(program: Program): Promise<CompiledProgram>;
}

/** The number of elements of a shape. */
export function sizeOf(shape: readonly number[]): number {
  return shape.reduce((size, dimension) => size * dimension, 1);
}

/** Throws when `inputs` are not exactly the ones that the program declares, each of its shape and type. */
export function checkInputs(program: Program, inputs: Readonly<Record<string, TensorValue>>): void {
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
    const matches =
      value.dtype === spec.dtype &&
      value.shape.length === spec.shape.length &&
      value.shape.every((dimension, i) => dimension === spec.shape[i]) &&
      value.data.length === sizeOf(spec.shape);
    if (!matches) {
      throw new Error(
        `program ${program.name}: input '${name}' must be ${spec.dtype} [${spec.shape.join(', ')}], not ` +
          `${value.dtype} [${value.shape.join(', ')}] with ${value.data.length} values`,
      );
    }
  }
}

function listOf(record: Readonly<Record<string, unknown>>): string {
  return Object.keys(record).join(', ') || 'none';
}
