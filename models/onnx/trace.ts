import * as tf from '@tensorflow/tfjs';
import type { Program } from '../executor.ts';
import { tensorOf, tracedType, wholeName, withTracing } from './backend.ts';
import { createGraph } from './graph.ts';
import './kernels/elementwise.ts';
import './kernels/indexing.ts';
import './kernels/products.ts';
import './kernels/reductions.ts';
import './kernels/shapes.ts';

/** An output of a traced program. */
export interface TracedOutput {
  readonly name: string;
  readonly shape: readonly number[];
  readonly dtype: 'float32' | 'int32';
}

/** A program as an ONNX model. */
export interface TracedProgram {
  readonly model: Uint8Array;
  readonly outputs: readonly TracedOutput[];
  /** Floating-point operations of its matrix products, in one run. */
  readonly flops: number;
}

/**
 * Runs a program's `build` once on tensors without values, and returns the ONNX model of what it did, gradients
 * included. With `batch`, leading dimensions of that size (choose one that divides no other dimension) become a
 * dynamic dimension. Throws when the program reads values, makes variables, or uses an op that has no kernel.
 */
export function traceProgram(program: Program, batch: number | null = null): TracedProgram {
  const graph = createGraph(batch);
  return withTracing(graph, () => {
    const before = new Set(Object.keys(tf.engine().registeredVariables));
    const outputs: TracedOutput[] = [];
    tf.engine().startScope(program.name);
    try {
      const tensors: Record<string, tf.Tensor> = {};
      for (const [name, { shape, dtype }] of Object.entries(program.inputs)) {
        graph.input(name, shape, dtype);
        tensors[name] = tensorOf(name, shape, dtype);
      }
      for (const [name, { shape, dtype, data }] of Object.entries(program.constants ?? {})) {
        graph.named(name, shape, dtype, data);
        tensors[name] = tensorOf(name, shape, dtype);
      }
      for (const [name, tensor] of Object.entries(program.build(tensors))) {
        const dtype = tracedType(tensor.dtype);
        if (dtype === 'bool') throw new Error(`output '${name}' of ${program.name} is a bool: cast it`);
        graph.output(name, wholeName(tensor), tensor.shape, dtype);
        outputs.push({ name, shape: [...tensor.shape], dtype });
      }
    } finally {
      tf.engine().endScope();
    }
    const made = Object.entries(tf.engine().registeredVariables).filter(([name]) => !before.has(name));
    if (made.length > 0) {
      for (const [, variable] of made) variable.dispose();
      throw new Error(`program ${program.name} made a variable: feed the value as an input`);
    }
    return { model: graph.encode(program.name), outputs, flops: graph.flops() };
  });
}
