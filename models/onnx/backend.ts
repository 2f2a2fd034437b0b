import * as tf from '@tensorflow/tfjs';
import { sizeOf } from '../executor.ts';
import { createGraph, type Graph, valuesOf } from './graph.ts';

/** The name under which the tracing backend is registered with TF.js. */
export const traceBackendName = 'onnx-trace';

/** Element types that TF.js ops have in a trace. */
export type TracedType = 'float32' | 'int32' | 'bool';

/**
 * What a TF.js tensor is while tracing: a value of the graph, whose own shape broadcasts to the tensor's. A tensor
 * of ones is a scalar here, and the gradient of a sum stays as small as the sum, until something needs it whole.
 */
export interface Traced {
  readonly name: string;
  readonly stored: readonly number[];
  /** The number that fills the tensor, where it is a constant of one repeated value. */
  readonly fill?: number;
}

/**
 * A TF.js backend that computes nothing: its kernels add nodes to the current graph. TF.js's own autodiff then
 * writes forward and backward pass as one graph.
 */
class TraceBackend extends tf.KernelBackend {
  graph: Graph = createGraph();
  traced = new WeakMap<object, Traced>();

  override write(values: tf.backend_util.BackendValues, shape: number[], dtype: tf.DataType): object {
    const type = tracedType(dtype);
    const numbers = values as ArrayLike<number>;
    const id = {};
    if (sizeOf(shape) !== numbers.length) {
      throw new Error(`a tensor of shape [${shape.join(', ')}] can't hold ${numbers.length} values`);
    }
    const first = numbers[0];
    let same = first !== undefined;
    for (let i = 1; same && i < numbers.length; i += 1) same = Object.is(numbers[i], first);
    if (same && first !== undefined) {
      this.traced.set(id, { name: this.graph.scalar(first, type), stored: [], fill: first });
    } else {
      const name = this.graph.constant([...shape], type, valuesOf(type, numbers));
      this.traced.set(id, { name, stored: [...shape] });
    }
    return id;
  }

  override readSync(): never {
    throw new Error(
      "a program read a tensor's values while it was traced: use ops only, or feed the value as an input",
    );
  }

  override async read(): Promise<never> {
    return this.readSync();
  }

  override disposeData(): boolean {
    return true;
  }

  override numDataIds(): number {
    return 0;
  }

  override incRef(): void {}

  override refCount(): number {
    return 1;
  }

  override memory(): { unreliable: boolean } {
    return { unreliable: true };
  }

  override timerAvailable(): boolean {
    return false;
  }

  override floatPrecision(): 32 {
    return 32;
  }

  override epsilon(): number {
    return 1e-7;
  }

  override dispose(): void {}
}

const backend = new TraceBackend();
// Priority 0: a trace is asked for by name, never chosen as the default.
tf.registerBackend(traceBackendName, () => backend, 0);

/** The graph that kernels add to. */
export function currentGraph(): Graph {
  return backend.graph;
}

/** Runs `work` with an empty graph on the tracing backend, and puts the previous backend back. */
export function withTracing<T>(graph: Graph, work: () => T): T {
  // Without this, asking for the current backend could make one.
  const previous = tf.engine().backendName;
  backend.graph = graph;
  backend.traced = new WeakMap();
  void tf.setBackend(traceBackendName);
  try {
    return work();
  } finally {
    backend.graph = createGraph();
    if (previous) void tf.setBackend(previous);
  }
}

/** The traced value of a tensor. */
export function tracedOf(info: tf.TensorInfo): Traced {
  const value = backend.traced.get(info.dataId);
  if (value === undefined) {
    throw new Error(
      'a tensor made outside the trace was used in it: make it in build(), or feed it as an input',
    );
  }
  return value;
}

/** Makes the tensor handle of a traced value. */
export function handle(traced: Traced, shape: readonly number[], dtype: tf.DataType): tf.TensorInfo {
  const dataId = {};
  backend.traced.set(dataId, traced);
  return { dataId, shape: [...shape], dtype };
}

/** Makes a whole tensor of a graph's value. */
export function whole(name: string, shape: readonly number[], dtype: tf.DataType): tf.TensorInfo {
  return handle({ name, stored: [...shape] }, shape, dtype);
}

/** A tensor of a graph's value, as program code sees it. */
export function tensorOf(name: string, shape: readonly number[], dtype: 'float32' | 'int32'): tf.Tensor {
  const info = whole(name, shape, dtype);
  return tf.engine().makeTensorFromTensorInfo(info);
}

/** Whether two shapes are the same. */
export function sameShape(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((size, i) => size === b[i]);
}

/** The name of a value that has the tensor's whole shape, expanded where it is stored smaller. */
export function wholeName(info: tf.TensorInfo): string {
  const { name, stored } = tracedOf(info);
  if (sameShape(stored, info.shape)) return name;
  const graph = currentGraph();
  const expanded = graph.node('Expand', [name, graph.integers(expandShape(stored, info.shape, graph.batch))]);
  backend.traced.set(info.dataId, { name: expanded, stored: [...info.shape] });
  return expanded;
}

/** The shape operand of an Expand: a batch of any size can only come from the value that is expanded. */
function expandShape(stored: readonly number[], shape: readonly number[], batch: number | null): number[] {
  const leading = shape[0];
  if (batch === null || leading === undefined || leading % batch !== 0) return [...shape];
  if (stored.length === shape.length && stored[0] === leading) return [1, ...shape.slice(1)];
  throw new Error(`a value [${stored.join(', ')}] would be repeated over a batch whose size isn't fixed`);
}

/** The shape operand of a Reshape: a leading dimension that grows with the batch is left to be inferred. */
export function reshapeTo(shape: readonly number[], batch: number | null): number[] {
  if (batch === null) return [...shape];
  const dynamic = shape.findIndex((size) => size > 0 && size % batch === 0);
  if (dynamic > 0) {
    throw new Error(`the shape [${shape.join(', ')}] grows with the batch elsewhere than in front`);
  }
  return dynamic === 0 ? [-1, ...shape.slice(1)] : [...shape];
}

/** The element type of a TF.js tensor. Throws on strings and complex numbers. */
export function tracedType(dtype: string): TracedType {
  if (dtype === 'float32' || dtype === 'int32' || dtype === 'bool') return dtype;
  throw new Error(`tensors of ${dtype} can't be traced`);
}
