import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { tokenize } from '../../models/byte-tokenizer.ts';
import { createEmbedder } from '../../models/embedder.ts';
import { exportTowersOnnx } from '../../models/export-onnx.ts';
import { createOnnxExecutor } from '../../models/onnx-executor.ts';
import { openTowers } from '../../models/siglip/open-towers.ts';
import { initializeParameters } from '../../models/towers.ts';
import { createRandom } from '../../schemas/random.ts';
import { normals, toyConfig, worst } from './toy-towers.ts';

const size = 8 * 8 * 3;
const images = normals(8 * size, 'images');
const texts = ['one', 'two words', '', 'FOUR', 'five '.repeat(30), 'six', 'seven', 'acht'];

describe.each([
  ['a token a position', toyConfig],
  ['merged tokens', { ...toyConfig, textStride: 2 } as const],
])('exported towers, %s', (_, config) => {
  const parameters = initializeParameters(config, createRandom(21));
  let folder: string;
  let ofImages: Float32Array;
  let ofTexts: Float32Array;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'export-'));
    await exportTowersOnnx(config, parameters, join(folder, 'made'));
    const executor = createOnnxExecutor({ threads: 1 });
    const embedder = await createEmbedder({ executor, config, parameters, frozen: true });
    ofImages = await embedder.embedImages(images, 8);
    ofTexts = await embedder.embedTexts(texts);
    await embedder.dispose();
  });
  afterAll(() => rm(folder, { recursive: true }));

  it('are two files, and a third for the scale and the bias', async () => {
    expect(await readdir(join(folder, 'made'))).toEqual(['assay.json', 'image.onnx', 'text.onnx']);
  });

  it('open as a model with the scale and the bias that they were trained to', async () => {
    const towers = await openTowers(join(folder, 'made'), { threads: 1 });
    expect(towers).toMatchObject({ imageSize: 8, dimension: toyConfig.embeddingDim });
    expect(towers.scale).toBeCloseTo(10, 5);
    expect(towers.bias).toBe(-10);
    expect(worst(await towers.embedImages(images, 8), ofImages)).toBeLessThan(1e-6);
    expect(worst(await towers.embedTexts(texts), ofTexts)).toBeLessThan(2e-6);
    await towers.dispose();
  });

  it.each([1, 3, 8])('take a batch of %i and agree with the embedder', async (batch) => {
    const image = await InferenceSession.create(join(folder, 'made', 'image.onnx'));
    const pixels = new Tensor('float32', images.slice(0, batch * size), [batch, 8, 8, 3]);
    const { embeddings: a } = await image.run({ images: pixels });
    expect(a?.dims).toEqual([batch, toyConfig.embeddingDim]);
    expect(worst(a?.data as Float32Array, ofImages.subarray(0, batch * toyConfig.embeddingDim))).toBeLessThan(
      1e-6,
    );
    await image.release();

    const text = await InferenceSession.create(join(folder, 'made', 'text.onnx'));
    const ids = new Tensor('int32', tokenize(texts.slice(0, batch), 64), [batch, 64]);
    const { embeddings: b } = await text.run({ tokens: ids });
    expect(b?.dims).toEqual([batch, toyConfig.embeddingDim]);
    expect(worst(b?.data as Float32Array, ofTexts.subarray(0, batch * toyConfig.embeddingDim))).toBeLessThan(
      2e-6,
    );
    await text.release();
  });

  it('are not written from parameters that do not fit', async () => {
    const { logit_bias: _, ...rest } = parameters;
    await expect(exportTowersOnnx(config, rest, join(folder, 'no'))).rejects.toThrow(
      /'logit_bias' is missing/,
    );
  });
});
