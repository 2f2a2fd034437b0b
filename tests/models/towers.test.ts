import { beforeAll, describe, expect, it } from 'vitest';
import { tokenize } from '../../models/byte-tokenizer.ts';
import { textProgram } from '../../models/embedder.ts';
import type { CompiledProgram, TensorValue } from '../../models/executor.ts';
import { flatten, lengthOf } from '../../models/flat-parameters.ts';
import { createOnnxExecutor } from '../../models/onnx-executor.ts';
import { createTfjsExecutor } from '../../models/tfjs-executor.ts';
import {
  decaysWeight,
  initializeParameters,
  parameterShapes,
  type TowersConfig,
  towersConfigSchema,
} from '../../models/towers.ts';
import { gradientProgram } from '../../models/train-program.ts';
import { createRandom } from '../../schemas/random.ts';
import { normals, stirred, toyConfig, worst } from './toy-towers.ts';

const batch = 3;
const width = 16;
const merging: TowersConfig = { ...toyConfig, textStride: 2 };
const onnx = createOnnxExecutor({ threads: 2 });

const inputsFor = (flat: Float32Array): Record<string, TensorValue> => ({
  parameters: { shape: [flat.length], dtype: 'float32', data: flat },
  images: { shape: [batch, 8, 8, 3], dtype: 'float32', data: normals(batch * 192, 'images') },
  tokens: {
    shape: [batch, width],
    dtype: 'int32',
    data: tokenize(['a dog', 'Ünïcode, and more than fits', ''], width),
  },
});

describe.each([
  ['a token a position', toyConfig],
  ['merged tokens', merging],
])('the loss and its gradient, %s', (_, config) => {
  const layout = parameterShapes(config);
  const flat = flatten(layout, stirred(config));
  let compiled: CompiledProgram;
  let loss: (parameters: Float32Array) => Promise<number>;
  let gradients: Float32Array;

  beforeAll(async () => {
    compiled = await onnx.compile(gradientProgram({ config, batch, tokens: width }));
    loss = async (parameters) => (await compiled.run(inputsFor(parameters))).loss?.data[0] ?? Number.NaN;
    gradients = (await compiled.run(inputsFor(flat))).gradients?.data as Float32Array;
  });

  it("agree with TF.js's own for every parameter", async () => {
    const oracle = await createTfjsExecutor().compile(gradientProgram({ config, batch, tokens: width }));
    const expected = await oracle.run(inputsFor(flat));
    expect(Math.abs((await loss(flat)) - (expected.loss?.data[0] ?? Number.NaN))).toBeLessThan(1e-4);
    let at = 0;
    for (const [name, shape] of Object.entries(layout)) {
      const size = lengthOf({ [name]: shape });
      const want = expected.gradients?.data.slice(at, at + size) ?? [];
      const scale = Math.max(1e-2, ...Array.from(want, Math.abs));
      expect(worst(gradients.subarray(at, at + size), want) / scale, name).toBeLessThan(1e-3);
      at += size;
    }
  });

  it('agree with finite differences along random directions', async () => {
    const random = createRandom('directions');
    for (let trial = 0; trial < 8; trial += 1) {
      const direction = Float32Array.from(flat, () => Math.sign(random.normal()));
      const step = 1e-4;
      const moved = (sign: number) => flat.map((x, i) => x + sign * step * (direction[i] ?? 0));
      const measured = ((await loss(moved(1))) - (await loss(moved(-1)))) / (2 * step);
      const expected = gradients.reduce((sum, g, i) => sum + g * (direction[i] ?? 0), 0);
      expect(Math.abs(measured - expected) / Math.max(5, Math.abs(expected))).toBeLessThan(0.02);
    }
  });

  it('reaches every parameter that the batch can train', () => {
    let at = 0;
    for (const [name, shape] of Object.entries(layout)) {
      const size = lengthOf({ [name]: shape });
      // A bias of keys moves all logits of a query alike, which the softmax undoes.
      const used = !name.endsWith('key.bias');
      if (used)
        expect(
          gradients.subarray(at, at + size).some((g) => Math.abs(g) > 1e-6),
          name,
        ).toBe(true);
      at += size;
    }
  });
});

describe('the text tower', () => {
  it.each([
    ['a token a position', toyConfig],
    ['merged tokens', merging],
  ])('gives a text the same embedding at every padding: %s', async (_, config) => {
    const parameters = stirred(config);
    const rows: Float32Array[] = [];
    for (const tokens of [16, 32, 48, 64]) {
      const compiled = await onnx.compile(textProgram(config, parameters, 2, tokens));
      const ids = tokenize(['a red kite', 'b'], tokens);
      const { embeddings } = await compiled.run({
        tokens: { shape: [2, tokens], dtype: 'int32', data: ids },
      });
      rows.push(embeddings?.data as Float32Array);
      await compiled.dispose();
    }
    for (const row of rows.slice(1)) expect(worst(row, rows[0] ?? [])).toBeLessThan(2e-6);
    const [first, second] = [rows[0]?.subarray(0, 4) ?? [], rows[0]?.subarray(4) ?? []];
    expect(worst(first, second)).toBeGreaterThan(1e-2);
  });
});

describe('parameters', () => {
  const parameters = initializeParameters(toyConfig, createRandom(1));

  it('start the scale at log 10 and the bias at -10', () => {
    expect(parameters.logit_scale_log?.data[0]).toBeCloseTo(Math.log(10), 6);
    expect(parameters.logit_bias?.data[0]).toBe(-10);
  });

  it('start them where they are told', () => {
    const told = initializeParameters(toyConfig, createRandom(1), { logitScale: 2, logitBias: -3 });
    expect(told.logit_scale_log?.data[0]).toBeCloseTo(Math.log(2), 6);
    expect(told.logit_bias?.data[0]).toBe(-3);
  });

  it('depend on the seed alone', () => {
    expect(initializeParameters(toyConfig, createRandom(1))).toEqual(parameters);
    expect(initializeParameters(toyConfig, createRandom(2))).not.toEqual(parameters);
  });

  it('start dense weights within the Glorot bound, and not at its half', () => {
    const weight = parameters['image.blocks.0.attention.query.weight'];
    const bound = Math.sqrt(6 / (12 + 12));
    const largest = Math.max(...Array.from(weight?.data ?? [], Math.abs));
    expect(largest).toBeLessThanOrEqual(bound);
    expect(largest).toBeGreaterThan(bound / 2);
  });

  it('decay dense weights alone', () => {
    const names = Object.keys(parameters).filter(decaysWeight);
    expect(names).toContain('text.blocks.0.mlp.expand.weight');
    expect(names.every((name) => parameters[name]?.shape.length === 2)).toBe(true);
    for (const name of ['text.embedding.weight', 'image.positions', 'image.norm.scale', 'logit_bias']) {
      expect(names).not.toContain(name);
    }
  });
});

describe('the config', () => {
  it.each([
    ['patchSize', { patchSize: 3 }],
    ['heads', { heads: 5 }],
    ['textHeads', { textHeads: 3 }],
    ['textStride', { textStride: 3 }],
    ['depth', { depth: 0 }],
    ['width', { width: 6 }],
    ['embeddingDim', { embeddingDim: 6 }],
    ['textWidth', { textWidth: 6 }],
  ])('names a wrong %s', (key, wrong) => {
    const result = towersConfigSchema.safeParse({ ...toyConfig, ...wrong });
    expect(result.error?.issues[0]?.path).toEqual([key]);
  });
});
