import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { tokenize } from '../../models/byte-tokenizer.ts';
import { bucketOf, createEmbedder, type Embedder } from '../../models/embedder.ts';
import { createOnnxExecutor } from '../../models/onnx-executor.ts';
import { createTfjsExecutor } from '../../models/tfjs-executor.ts';
import { initializeParameters } from '../../models/towers.ts';
import { createTrainer } from '../../models/trainer.ts';
import { createRandom } from '../../schemas/random.ts';
import { normals, toyConfig, worst } from './toy-towers.ts';

const executor = createOnnxExecutor({ threads: 2 });
const parameters = initializeParameters(toyConfig, createRandom(11));
const others = initializeParameters(toyConfig, createRandom(12));
const d = toyConfig.embeddingDim;
const size = 8 * 8 * 3;
const count = 11;
const images = normals(count * size, 'images');
const texts = [
  'a',
  'the quick brown fox jumps over the lazy dog',
  '',
  'ЖЖЖ',
  'exactly fifteen',
  'exactly sixteen!',
  'x'.repeat(500),
  'a',
];

let frozen: Embedder;
let open: Embedder;
beforeAll(async () => {
  frozen = await createEmbedder({ executor, config: toyConfig, parameters, batch: 4, frozen: true });
  open = await createEmbedder({ executor, config: toyConfig, parameters, batch: 4, frozen: false });
});
afterAll(async () => {
  await frozen.dispose();
  await open.dispose();
});

const row = (rows: Float32Array, i: number) => rows.slice(i * d, (i + 1) * d);
const image = (i: number) => images.slice(i * size, (i + 1) * size);

describe('the embedder', () => {
  it('gives unit rows, as many as asked for', async () => {
    const [ofImages, ofTexts] = [await frozen.embedImages(images, count), await frozen.embedTexts(texts)];
    expect(ofImages).toHaveLength(count * d);
    expect(ofTexts).toHaveLength(texts.length * d);
    for (const rows of [ofImages, ofTexts]) {
      for (let i = 0; i < rows.length / d; i += 1) expect(Math.hypot(...row(rows, i))).toBeCloseTo(1, 5);
    }
  });

  it('gives nothing for nothing', async () => {
    expect(await frozen.embedImages(new Float32Array(), 0)).toHaveLength(0);
    expect(await frozen.embedTexts([])).toHaveLength(0);
  });

  it('gives an image the same bits alone and in any place of any batch', async () => {
    const together = await frozen.embedImages(images, count);
    for (let i = 0; i < count; i += 1) {
      expect(await frozen.embedImages(image(i), 1), `image ${i}`).toEqual(row(together, i));
    }
  });

  it('gives a text the same bits alone, repeated, and in another order', async () => {
    const together = await frozen.embedTexts(texts);
    const backwards = await frozen.embedTexts(texts.toReversed());
    for (const [i, text] of texts.entries()) {
      expect(await frozen.embedTexts([text]), text).toEqual(row(together, i));
      expect(row(backwards, texts.length - 1 - i), text).toEqual(row(together, i));
    }
    expect(row(together, 0)).toEqual(row(together, 7));
    expect(row(together, 0)).not.toEqual(row(together, 1));
  });

  it("agrees with TF.js's own backend", async () => {
    const oracle = await createEmbedder({
      executor: createTfjsExecutor(),
      config: toyConfig,
      parameters,
      batch: 3,
      frozen: true,
    });
    const some = images.slice(0, 4 * size);
    expect(worst(await frozen.embedImages(some, 4), await oracle.embedImages(some, 4))).toBeLessThan(1e-5);
    const few = texts.slice(0, 5);
    expect(worst(await frozen.embedTexts(few), await oracle.embedTexts(few))).toBeLessThan(1e-5);
  });

  it('has the weights of its last update', async () => {
    expect(worst(await open.embedTexts(texts), await frozen.embedTexts(texts))).toBeLessThan(1e-6);
    await open.update(others);
    const fresh = await createEmbedder({
      executor,
      config: toyConfig,
      parameters: others,
      batch: 4,
      frozen: true,
    });
    expect(worst(await open.embedTexts(texts), await fresh.embedTexts(texts))).toBeLessThan(1e-6);
    expect(worst(await open.embedImages(images, count), await fresh.embedImages(images, count))).toBeLessThan(
      1e-6,
    );
    await fresh.dispose();
    await open.update(parameters);
    expect(
      worst(await open.embedImages(images, count), await frozen.embedImages(images, count)),
    ).toBeLessThan(1e-6);
  });

  it("takes a trainer's weights from the executor's hands, and not from another executor's", async () => {
    const trainer = await createTrainer({
      executor,
      config: toyConfig,
      parameters: others,
      optimizer: { weightDecay: 0, beta1: 0.9, beta2: 0.95, clipNorm: 1 },
      batch: 4,
      textTokens: 16,
    });
    const tokens = tokenize(['a', 'b', 'c', 'd'], 16);
    await trainer.step({ images: images.slice(0, 4 * size), tokens, learningRate: 0.01 });
    await open.update(trainer.weights());
    const learnt = await trainer.parameters();
    expect(learnt).not.toEqual(others);
    const handed = await open.embedImages(images, count);
    await open.update(learnt);
    expect(await open.embedImages(images, count)).toEqual(handed);
    const foreign = await createTfjsExecutor().hold(await trainer.weights().read());
    await expect(open.update(foreign)).rejects.toThrow(/isn't held by the executor onnx/);
    await expect(open.embedTexts(texts)).rejects.toThrow(/isn't held by/);
    await trainer.dispose();
    await expect(open.update(trainer.weights())).rejects.toThrow(/isn't held by/);
    await open.update(parameters);
  });

  it('refuses updates when frozen, or that do not fit', async () => {
    await expect(frozen.update(others)).rejects.toThrow(/frozen: false/);
    const { logit_bias: _, ...rest } = others;
    await expect(open.update(rest)).rejects.toThrow(/'logit_bias' is missing/);
  });

  it('refuses images of another size', async () => {
    await expect(frozen.embedImages(images, count + 1)).rejects.toThrow(/aren't 12 images of 8 x 8 x 3/);
  });
});

describe('bucketOf', () => {
  it.each([
    [1, 64, 16],
    [16, 64, 16],
    [17, 64, 32],
    [48, 64, 48],
    [500, 64, 64],
    [20, 24, 24],
    [3, 8, 8],
  ])('%i tokens of at most %i run at %i', (tokens, most, width) => {
    expect(bucketOf(tokens, most)).toBe(width);
  });
});
