import * as tf from '@tensorflow/tfjs';
import { describe, expect, it } from 'vitest';
import type { Program } from '../../models/executor.ts';
import { traceProgram } from '../../models/onnx/trace.ts';
import { createOnnxExecutor } from '../../models/onnx-executor.ts';

const scalarOne = { shape: [], dtype: 'float32', data: Float32Array.of(1) } as const;

function program(build: (x: tf.Tensor) => tf.Tensor, rest: Partial<Program> = {}): Program {
  return {
    name: 'traced',
    inputs: { x: { shape: [2, 3], dtype: 'float32' } },
    build: ({ x }) => ({ y: build(x as tf.Tensor) }),
    ...rest,
  };
}

const x = { shape: [2, 3], dtype: 'float32', data: Float32Array.of(1, 2, 3, 4, 5, 6) } as const;

describe('tracing', () => {
  it('counts the operations of the matrix products that an output needs, gradients included', () => {
    const forward = 2 * 2 * 3 * 5;
    const product = program((input) => {
      tf.matMul(input as tf.Tensor2D, tf.transpose(input as tf.Tensor2D));
      return tf.matMul(input as tf.Tensor2D, tf.add(tf.zeros([3, 5]), 1) as tf.Tensor2D);
    });
    expect(traceProgram(product).flops).toBe(forward);
    const gradient = program((input) =>
      tf.grad((at) =>
        tf.sum(tf.square(tf.matMul(at as tf.Tensor2D, tf.add(tf.zeros([3, 5]), 1) as tf.Tensor2D))),
      )(input),
    );
    // The product itself, whose value the square's gradient needs, and its gradient.
    expect(traceProgram(gradient).flops).toBe(2 * forward);
  });

  it('refuses programs that read values', () => {
    const reads = program((input) => {
      input.dataSync();
      return input;
    });
    expect(() => traceProgram(reads)).toThrow(/read a tensor's values/);
  });

  it('refuses programs that make variables', () => {
    const made: tf.Variable[] = [];
    const makes = program((input) => {
      const variable = tf.variable(input);
      made.push(variable);
      return tf.add(variable, 1);
    });
    expect(() => traceProgram(makes)).toThrow(/made a variable/);
    expect(made).toHaveLength(1);
    expect(Object.keys(tf.engine().registeredVariables)).toHaveLength(0);
  });

  it('refuses products whose gradient TF.js gets wrong', () => {
    const broadcast = program((input) => tf.matMul(tf.reshape(input, [2, 3, 1]), tf.ones([1, 1, 4])));
    expect(() => traceProgram(broadcast)).toThrow(/reshape the operands to two dimensions/);
  });

  it('refuses ops that it has no kernel for, by name', () => {
    expect(() => traceProgram(program((input) => tf.cumsum(input)))).toThrow(/Cumsum/);
  });

  it('refuses tensors made outside', async () => {
    await tf.setBackend('cpu');
    const outside = tf.tensor([1, 2, 3]);
    expect(() => traceProgram(program((input) => tf.add(input, outside)))).toThrow();
    outside.dispose();
  });

  it('refuses names that are taken or reserved', () => {
    const clash = program((input) => input, { constants: { y: scalarOne } });
    expect(() => traceProgram(clash)).toThrow(/'y' is taken/);
    const reserved = program((input) => input, { constants: { '%1': scalarOne } });
    expect(() => traceProgram(reserved)).toThrow(/'%1' is taken or reserved/);
  });

  it('puts the previous backend back, after a failure as well', async () => {
    await tf.setBackend('cpu');
    traceProgram(program((input) => tf.neg(input)));
    expect(tf.getBackend()).toBe('cpu');
    expect(() => traceProgram(program((input) => tf.cumsum(input)))).toThrow();
    expect(tf.getBackend()).toBe('cpu');
  });

  it('gives the same bytes for the same program', () => {
    const build = (input: tf.Tensor) => tf.softmax(tf.matMul(input, tf.transpose(input)));
    expect(traceProgram(program(build)).model).toEqual(traceProgram(program(build)).model);
  });

  it('leaves out what no output needs', () => {
    const unused = program((input) => {
      tf.add(input, tf.tensor(Float32Array.from({ length: 3 }, Math.random)));
      return tf.neg(input);
    });
    const used = traceProgram(program((input) => tf.neg(input)));
    expect(traceProgram(unused).model).toHaveLength(used.model.length);
  });

  it('runs programs whose outputs are inputs, constants or one another', async () => {
    const compiled = await createOnnxExecutor({ threads: 1 }).compile({
      name: 'same',
      inputs: { x },
      constants: { one: scalarOne },
      build: ({ x: input, one }) => ({ a: input as tf.Tensor, b: input as tf.Tensor, c: one as tf.Tensor }),
    });
    const { a, b, c } = await compiled.run({ x });
    expect([a?.data, b?.data, c?.data]).toEqual([x.data, x.data, Float32Array.of(1)]);
    await compiled.dispose();
  });

  it('checks what it is fed', async () => {
    const compiled = await createOnnxExecutor({ threads: 1 }).compile(program((input) => tf.neg(input)));
    await expect(compiled.run({})).rejects.toThrow(/needs the input 'x'/);
    await expect(compiled.run({ x, z: x })).rejects.toThrow(/has no input 'z'/);
    await expect(compiled.run({ x: { ...x, shape: [3, 2] } })).rejects.toThrow(/must be float32 \[2, 3\]/);
    await compiled.dispose();
  });
});
