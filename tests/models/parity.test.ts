import * as tf from '@tensorflow/tfjs';
import { afterAll, describe, expect, it } from 'vitest';
import { adamStep } from '../../models/adam.ts';
import { tokenize } from '../../models/byte-tokenizer.ts';
import { createEmbedder, imageProgram, textProgram } from '../../models/embedder.ts';
import type { CompiledProgram, Executor, Program, TensorValue } from '../../models/executor.ts';
import { flatten, lengthOf } from '../../models/flat-parameters.ts';
import { emptyPatches, writePixels } from '../../models/naflex/patchify.ts';
import { patchValues } from '../../models/naflex/values.ts';
import { findExecutors } from '../../models/open-executor.ts';
import { sigmoidLoss } from '../../models/sigmoid-loss.ts';
import { softmaxDistillationLoss, softmaxLoss } from '../../models/softmax-loss.ts';
import { createTfjsExecutor } from '../../models/tfjs-executor.ts';
import { parameterShapes, type TowersConfig } from '../../models/towers.ts';
import { gradientProgram, type TrainShape, trainProgram } from '../../models/train-program.ts';
import { createTrainer } from '../../models/trainer.ts';
import { createRandom } from '../../schemas/random.ts';
import { adamReference, differences, lossesInDoubles } from './float64.ts';
import { normals, stirred, tensor, toyConfig, worst } from './toy-towers.ts';

const oracle = createTfjsExecutor();
const found = await findExecutors(2);
const present = found.flatMap(({ name, provider, executor }) =>
  executor ? [{ name, provider, executor }] : [],
);

type Outputs = Record<string, TensorValue>;
const known = new Map<string, Promise<Outputs>>();
const open: CompiledProgram[] = [];

async function compile(executor: Executor, program: Program): Promise<CompiledProgram> {
  const compiled = await executor.compile(program);
  open.push(compiled);
  return compiled;
}
const run = async (executor: Executor, program: Program, inputs: Outputs) =>
  (await compile(executor, program)).run(inputs);

/** What the oracle gives for a case, computed once for all executors. */
function expected(key: string, program: Program, inputs: Outputs): Promise<Outputs> {
  const outputs = known.get(key) ?? run(oracle, program, inputs);
  known.set(key, outputs);
  return outputs;
}
afterAll(async () => {
  for (const compiled of open) await compiled.dispose();
});

const batch = 4;
const tokenCount = 16;
const images = { shape: [batch, 8, 8, 3], dtype: 'float32', data: normals(batch * 192, 'images') } as const;
const tokens: TensorValue = {
  shape: [batch, tokenCount],
  dtype: 'int32',
  data: tokenize(['a dog', 'Ünïcode, and more than fits', '', 'b'], tokenCount),
};
const taught = {
  teacherImages: tensor([batch, 5], 'teacher images'),
  teacherTexts: tensor([batch, 5], 'teacher texts'),
  teacherScaleLog: { shape: [1], dtype: 'float32', data: Float32Array.of(0.3) },
} as const;

/** What the towers come in: a token or several a position, images at one or two resolutions or of any shape, with and without a teacher. */
const shapes: Record<string, TrainShape> = {
  plain: { config: toyConfig, batch, tokens: tokenCount },
  'stride 2, pool 2': { config: { ...toyConfig, textStride: 2 }, batch, tokens: tokenCount, imagePool: 2 },
  'stride 4, distilled': {
    config: { ...toyConfig, textStride: 4 },
    batch,
    tokens: tokenCount,
    distillation: { weight: 0.7, dimension: 5 },
  },
  NaFlex: { config: toyConfig, batch, tokens: tokenCount, sequenceLength: 6 },
};
const patchSize = { patchSize: toyConfig.patchSize, sequenceLength: 6 };
/** Images of four shapes, of which none fills the sequence. */
const patches = emptyPatches(batch, patchSize);
for (const [row, [height, width]] of [
  [8, 8],
  [4, 20],
  [12, 4],
  [4, 4],
].entries() as Iterable<[number, [number, number]]>) {
  writePixels(patches, row, normals(height * width * 3, `patches ${row}`), { height, width }, patchSize);
}
const batchOf = (shape: TrainShape) => ({
  ...(shape.sequenceLength ? patchValues(toyConfig, patches) : { images }),
  tokens,
  ...(shape.distillation && taught),
});
const vectorOf = (config: TowersConfig): TensorValue => {
  const data = flatten(parameterShapes(config), stirred(config));
  return { shape: [data.length], dtype: 'float32', data };
};

const lossInputs: Outputs = {
  images: tensor([7, 5], 'images'),
  texts: tensor([7, 5], 'texts'),
  scaleLog: tensor([1], 'scale'),
  bias: tensor([1], 'bias'),
  teacherImages: tensor([7, 3], 'teacher images'),
  teacherTexts: tensor([7, 3], 'teacher texts'),
  teacherScaleLog: tensor([1], 'teacher scale'),
};
/** What a loss has gradients for: the bias is the sigmoid loss's alone. */
const learntOf = (name: keyof typeof lossesInDoubles) =>
  name === 'sigmoid' ? ['images', 'texts', 'scaleLog', 'bias'] : ['images', 'texts', 'scaleLog'];
type Tensors = Record<keyof typeof lossInputs, tf.Tensor>;
const lossFunctions: Record<keyof typeof lossesInDoubles, (given: Tensors) => tf.Scalar> = {
  sigmoid: ({ images: x, texts: y, scaleLog, bias }) =>
    sigmoidLoss(x as tf.Tensor, y as tf.Tensor, scaleLog as tf.Tensor, bias as tf.Tensor),
  softmax: (given) => softmaxLoss(student(given)),
  distillation: (given) =>
    softmaxDistillationLoss(student(given), {
      images: given.teacherImages as tf.Tensor,
      texts: given.teacherTexts as tf.Tensor,
      scaleLog: given.teacherScaleLog as tf.Tensor,
    }),
};
function student({ images: x, texts: y, scaleLog }: Tensors) {
  return { images: x as tf.Tensor, texts: y as tf.Tensor, scaleLog: scaleLog as tf.Tensor };
}
function lossProgram(name: keyof typeof lossFunctions): Program {
  const learnt = learntOf(name);
  return {
    name,
    inputs: lossInputs,
    build(given) {
      const loss = (...values: tf.Tensor[]) =>
        lossFunctions[name]({
          ...given,
          ...Object.fromEntries(learnt.map((key, i) => [key, values[i] as tf.Tensor])),
        });
      const { value, grads } = tf.valueAndGrads(loss)(learnt.map((key) => given[key] as tf.Tensor));
      return { loss: value, ...Object.fromEntries(grads.map((grad, i) => [`d-${learnt[i]}`, grad])) };
    },
  };
}

it('the processor is there', () => {
  expect(present.map(({ name, provider }) => `${name} on ${provider}`)).toContain('onnx on cpu');
});
for (const absent of found.filter(({ executor }) => executor === null)) {
  if (absent.executor === null) it.skip(`${absent.name} on ${absent.provider} is absent: ${absent.why}`);
}

describe.each([{ name: 'tfjs', provider: 'cpu', executor: oracle }, ...present])(
  '$name on $provider',
  ({ executor }) => {
    describe.each(Object.keys(lossFunctions) as (keyof typeof lossFunctions)[])('the %s loss', (name) => {
      it('is what its definition gives in double precision, and so are its gradients', async () => {
        const outputs = await run(executor, lossProgram(name), lossInputs);
        const inDoubles = lossesInDoubles[name];
        expect(Math.abs((outputs.loss?.data[0] ?? Number.NaN) - inDoubles(lossInputs))).toBeLessThan(2e-5);
        for (const key of learntOf(name)) {
          const exact = differences(inDoubles, lossInputs, key);
          expect(worst(outputs[`d-${key}`]?.data ?? [], exact), key).toBeLessThan(2e-5);
        }
      });
    });

    it.each([1, 2])('embeds images as the oracle does, averaged over %i pixels', async (pool) => {
      const program = imageProgram(toyConfig, stirred(toyConfig), batch, pool);
      const [own, other] = [
        await run(executor, program, { images }),
        await expected(`image ${pool}`, program, { images }),
      ];
      expect(worst(own.embeddings?.data ?? [], other.embeddings?.data ?? [0])).toBeLessThan(2e-6);
    });

    it.each([1, 2, 4] as const)(
      'embeds texts as the oracle does, %i tokens a position',
      async (textStride) => {
        const config = { ...toyConfig, textStride };
        const program = textProgram(config, stirred(config), batch, tokenCount);
        const [own, other] = [
          await run(executor, program, { tokens }),
          await expected(`text ${textStride}`, program, { tokens }),
        ];
        expect(worst(own.embeddings?.data ?? [], other.embeddings?.data ?? [0])).toBeLessThan(2e-6);
      },
    );

    describe.each(Object.entries(shapes))('the towers, %s', (key, shape) => {
      const { config } = shape;
      const program = gradientProgram(shape);
      const vector = vectorOf(config);
      const inputs = { ...batchOf(shape), parameters: vector };

      it('have the loss and the gradient of every parameter that the oracle gives', async () => {
        const own = await run(executor, program, inputs);
        const other = await expected(`gradient ${key}`, program, inputs);
        const [loss = Number.NaN] = own.loss?.data ?? [];
        expect(Math.abs(loss - (other.loss?.data[0] ?? Number.NaN)) / loss).toBeLessThan(1e-5);
        let at = 0;
        for (const [name, dimensions] of Object.entries(parameterShapes(config))) {
          const size = lengthOf({ [name]: dimensions });
          const want = other.gradients?.data.slice(at, at + size) ?? [];
          const scale = Math.max(1e-2, ...Array.from(want, Math.abs));
          const have = own.gradients?.data.slice(at, at + size) ?? [];
          expect(worst(have, want) / scale, name).toBeLessThan(1e-3);
          at += size;
        }
      });

      it('have gradients that finite differences give', async () => {
        const compiled = await compile(executor, program);
        const random = createRandom('directions');
        const { gradients } = await compiled.run(inputs);
        for (let trial = 0; trial < 3; trial += 1) {
          const direction = vector.data.map(() => Math.sign(random.normal()));
          const step = 2e-4;
          const lossAt = async (sign: number) => {
            const data = Float32Array.from(vector.data, (x, i) => x + sign * step * (direction[i] ?? 0));
            return (
              (await compiled.run({ ...inputs, parameters: { ...vector, data } })).loss?.data[0] ?? Number.NaN
            );
          };
          const measured = ((await lossAt(1)) - (await lossAt(-1))) / (2 * step);
          let slope = 0;
          gradients?.data.forEach((g, i) => {
            slope += g * (direction[i] ?? 0);
          });
          expect(Math.abs(measured - slope) / Math.max(5, Math.abs(slope))).toBeLessThan(0.02);
        }
      });
    });

    it('takes the steps of Adam that double precision takes, with decay and clipping', async () => {
      const options = { beta1: 0.9, beta2: 0.95, weightDecay: 0.3, clipNorm: 0.5 };
      const size = 33;
      const decays = Float32Array.from({ length: size }, (_, i) => i % 2);
      const gradients = ['g1', 'g2', 'g3'].map((seed) => normals(size, seed));
      const vector = { shape: [size], dtype: 'float32' } as const;
      const scalar = { shape: [], dtype: 'float32' } as const;
      const compiled = await compile(executor, {
        name: 'adam',
        inputs: { p: vector, m: vector, v: vector, g: vector, rate: scalar, c1: scalar, c2: scalar },
        keeps: ['parameters', 'first', 'second'],
        build: ({ p, m, v, g, rate, c1, c2 }) =>
          adamStep(
            {
              parameters: p as tf.Tensor,
              gradients: g as tf.Tensor,
              first: m as tf.Tensor,
              second: v as tf.Tensor,
              decays: tf.tensor1d(decays),
              learningRate: rate as tf.Tensor,
              firstCorrection: c1 as tf.Tensor,
              secondCorrection: c2 as tf.Tensor,
            },
            options,
          ),
      });
      const hold = (data: Float32Array) => executor.hold({ ...vector, data });
      const one = (value: number): TensorValue => ({ ...scalar, data: Float32Array.of(value) });
      let [p, m, v] = [
        await hold(normals(size, 'p')),
        await hold(new Float32Array(size)),
        await hold(new Float32Array(size)),
      ];
      for (const [i, g] of gradients.entries()) {
        const { values, kept } = await compiled.runKeeping({
          p,
          m,
          v,
          g: { ...vector, data: g },
          rate: one(0.1),
          c1: one(1 / (1 - options.beta1 ** (i + 1))),
          c2: one(1 / (1 - options.beta2 ** (i + 1))),
        });
        for (const former of [p, m, v]) former.release();
        const { parameters, first, second } = kept;
        if (!parameters || !first || !second) throw new Error('nothing was kept');
        [p, m, v] = [parameters, first, second];
        expect(values.gradientNorm?.data[0]).toBeCloseTo(Math.hypot(...g), 4);
      }
      const reference = adamReference(normals(size, 'p'), decays, gradients, 0.1, options);
      expect(worst((await p.read()).data, reference)).toBeLessThan(2e-6);
      for (const held of [p, m, v]) held.release();
    });

    it("embeds with a trainer's weights as with the same weights given", async () => {
      const { config } = shapes['stride 2, pool 2'] as TrainShape;
      const optimizer = { weightDecay: 1e-4, beta1: 0.9, beta2: 0.95, clipNorm: 1 };
      const parameters = stirred(config);
      const trainer = await createTrainer({ executor, config, parameters, optimizer, batch, textTokens: 16 });
      const embedder = await createEmbedder({ executor, config, parameters, batch, frozen: false });
      const before = await embedder.embedTexts(['a', 'b']);
      await trainer.step({ images: images.data, tokens: tokens.data as Int32Array, learningRate: 1e-2 });
      await embedder.update(trainer.weights());
      const handed = await embedder.embedTexts(['a', 'b']);
      expect(worst(handed, before)).toBeGreaterThan(1e-3);
      await embedder.update(await trainer.parameters());
      expect(await embedder.embedTexts(['a', 'b'])).toEqual(handed);
      await embedder.dispose();
      await trainer.dispose();
    });

    it('steps from what it holds to the same bits as from what it is given', async () => {
      const shape = shapes.plain as TrainShape;
      const vector = vectorOf(shape.config);
      const zeros = { ...vector, data: new Float32Array(vector.data.length) };
      const optimizer = { weightDecay: 1e-4, beta1: 0.9, beta2: 0.95, clipNorm: 1 };
      const compiled = await compile(executor, trainProgram(shape, optimizer));
      const rest = {
        ...batchOf(shape),
        learningRate: { shape: [], dtype: 'float32', data: Float32Array.of(1e-3) },
        firstCorrection: { shape: [], dtype: 'float32', data: Float32Array.of(10) },
        secondCorrection: { shape: [], dtype: 'float32', data: Float32Array.of(20) },
      } as const;
      const start = { parameters: vector, first: zeros, second: zeros };
      const { kept } = await compiled.runKeeping({ ...rest, ...start });
      const { newParameters, newFirst, newSecond } = kept;
      if (!newParameters || !newFirst || !newSecond) throw new Error('nothing was kept');
      const given = {
        parameters: await newParameters.read(),
        first: await newFirst.read(),
        second: await newSecond.read(),
      };
      expect(worst(given.parameters.data, vector.data)).toBeGreaterThan(1e-4);
      const fromHeld = await compiled.run({
        ...rest,
        parameters: newParameters,
        first: newFirst,
        second: newSecond,
      });
      const fromGiven = await compiled.run({ ...rest, ...given });
      expect(fromHeld).toEqual(fromGiven);
      for (const held of [newParameters, newFirst, newSecond]) held.release();
    });
  },
);
