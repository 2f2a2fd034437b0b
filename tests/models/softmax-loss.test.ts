import * as tf from '@tensorflow/tfjs';
import { describe, expect, it } from 'vitest';
import type { Executor, Program, TensorValue } from '../../models/executor.ts';
import { createOnnxExecutor } from '../../models/onnx-executor.ts';
import { softmaxDistillationLoss, softmaxLoss } from '../../models/softmax-loss.ts';
import { createTfjsExecutor } from '../../models/tfjs-executor.ts';
import { tensor, worst } from './toy-towers.ts';

const batch = 7;
const [d, teacherDimension] = [5, 3];
const onnx = createOnnxExecutor({ threads: 2 });
const inputs: Record<string, TensorValue> = {
  images: tensor([batch, d], 'images'),
  texts: tensor([batch, d], 'texts'),
  scaleLog: tensor([1], 'scale'),
  teacherImages: tensor([batch, teacherDimension], 'teacher images'),
  teacherTexts: tensor([batch, teacherDimension], 'teacher texts'),
  teacherScaleLog: tensor([1], 'teacher scale'),
};
const learnt = ['images', 'texts', 'scaleLog'];

type Tensors = Readonly<Record<string, tf.Tensor>>;
const get = (tensors: Tensors, name: string) => {
  const value = tensors[name];
  if (value === undefined) throw new Error(`no ${name}`);
  return value;
};
const student = (tensors: Tensors) => ({
  images: get(tensors, 'images'),
  texts: get(tensors, 'texts'),
  scaleLog: get(tensors, 'scaleLog'),
});
const teacher = (tensors: Tensors) => ({
  images: get(tensors, 'teacherImages'),
  texts: get(tensors, 'teacherTexts'),
  scaleLog: get(tensors, 'teacherScaleLog'),
});

const losses = {
  contrastive: (tensors: Tensors) => softmaxLoss(student(tensors)),
  distillation: (tensors: Tensors) => softmaxDistillationLoss(student(tensors), teacher(tensors)),
} as const;

function programOf(loss: (tensors: Tensors) => tf.Scalar): Program {
  return {
    name: 'loss',
    inputs,
    build(tensors) {
      const { value, grads } = tf.valueAndGrads((...values: tf.Tensor[]) =>
        loss({ ...tensors, ...Object.fromEntries(learnt.map((name, i) => [name, values[i] as tf.Tensor])) }),
      )(learnt.map((name) => get(tensors, name)));
      return { loss: value, ...Object.fromEntries(grads.map((grad, i) => [`d-${learnt[i]}`, grad])) };
    },
  };
}

async function run(executor: Executor, loss: keyof typeof losses, given = inputs) {
  const compiled = await executor.compile(programOf(losses[loss]));
  const outputs = await compiled.run(given);
  await compiled.dispose();
  return outputs;
}

/** Row-wise probabilities of scaled similarities, in float64; transposed: of the images given a text. */
function probabilities(prefix: string, transposed: boolean): number[][] {
  const name = (word: string) => (prefix ? prefix + (word[0]?.toUpperCase() ?? '') + word.slice(1) : word);
  const [images, texts, scaleLog] = ['images', 'texts', 'scaleLog'].map((word) => inputs[name(word)]);
  const width = images?.shape[1] ?? 0;
  const [rows, others] = transposed ? [texts, images] : [images, texts];
  return Array.from({ length: batch }, (_, i) => {
    const weights = Array.from({ length: batch }, (_, j) => {
      let dot = 0;
      for (let k = 0; k < width; k += 1) {
        dot += (rows?.data[i * width + k] ?? 0) * (others?.data[j * width + k] ?? 0);
      }
      return Math.exp(Math.exp(scaleLog?.data[0] ?? 0) * dot);
    });
    const total = weights.reduce((a, b) => a + b, 0);
    return weights.map((weight) => weight / total);
  });
}

function crossEntropy(targets: number[][], found: number[][]): number {
  return -targets.reduce(
    (sum, row, i) => sum + row.reduce((part, p, j) => part + p * Math.log(found[i]?.[j] ?? 0), 0),
    0,
  );
}
const identity = Array.from({ length: batch }, (_, i) => Array.from({ length: batch }, (_, j) => +(i === j)));

describe.each(['contrastive', 'distillation'] as const)('the softmax %s loss', (name) => {
  it('is what its definition says', async () => {
    const target = (transposed: boolean) =>
      name === 'contrastive' ? identity : probabilities('teacher', transposed);
    const expected = [false, true].reduce(
      (sum, transposed) =>
        sum + crossEntropy(target(transposed), probabilities('', transposed)) / (2 * batch),
      0,
    );
    expect((await run(onnx, name)).loss?.data[0]).toBeCloseTo(expected, 4);
  });

  it("agrees with TF.js's own, gradients too", async () => {
    const [fast, slow] = [await run(onnx, name), await run(createTfjsExecutor(), name)];
    for (const output of ['loss', ...learnt.map((input) => `d-${input}`)]) {
      expect(worst(fast[output]?.data ?? [], slow[output]?.data ?? [0]), output).toBeLessThan(1e-5);
    }
  });

  it('has the gradients that finite differences give', async () => {
    const outputs = await run(onnx, name);
    const compiled = await onnx.compile(programOf(losses[name]));
    for (const input of learnt) {
      const value = inputs[input] as TensorValue;
      const gradient = outputs[`d-${input}`]?.data ?? [];
      expect(Array.from(gradient).some((g) => Math.abs(g) > 1e-3)).toBe(true);
      for (let i = 0; i < value.data.length; i += 1) {
        const step = 5e-3;
        const moved = async (by: number) => {
          const data = Float32Array.from(value.data, (x, k) => (k === i ? x + by : x));
          return (await compiled.run({ ...inputs, [input]: { ...value, data } })).loss?.data[0] ?? Number.NaN;
        };
        const measured = ((await moved(step)) - (await moved(-step))) / (2 * step);
        expect(Math.abs(measured - (gradient[i] ?? Number.NaN)), `${input} ${i}`).toBeLessThan(1e-3);
      }
    }
    await compiled.dispose();
  });
});

describe('softmax distillation', () => {
  it('is least where the student is the teacher: its gradient is then 0', async () => {
    const program: Program = {
      name: 'self',
      inputs,
      build: (tensors) => {
        const { grads } = tf.valueAndGrads((images: tf.Tensor, texts: tf.Tensor) =>
          softmaxDistillationLoss(
            { images, texts, scaleLog: get(tensors, 'teacherScaleLog') },
            teacher(tensors),
          ),
        )([get(tensors, 'teacherImages'), get(tensors, 'teacherTexts')]);
        return { dImages: grads[0] as tf.Tensor, dTexts: grads[1] as tf.Tensor };
      },
    };
    const compiled = await onnx.compile(program);
    const outputs = await compiled.run(inputs);
    for (const side of ['dImages', 'dTexts']) {
      expect(worst(outputs[side]?.data ?? [1], new Float32Array(batch * teacherDimension))).toBeLessThan(
        1e-5,
      );
    }
    await compiled.dispose();
  });
});
