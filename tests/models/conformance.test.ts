import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { RgbImage } from '../../models/images.ts';
import { targetSize } from '../../models/naflex/target-size.ts';
import { type OpenTowers, openTowers } from '../../models/siglip/open-towers.ts';
import { prepareSiglip } from '../../models/siglip/prepare-siglip.ts';
import {
  type Expected,
  conformanceFolder as folder,
  picture,
  readConformance as readJson,
  samples,
} from './conformance-files.ts';

const dot = (a: readonly number[], b: readonly number[]) => a.reduce((sum, v, k) => sum + v * (b[k] ?? 0), 0);
const furthest = (a: readonly number[], b: readonly number[]) =>
  Math.max(...a.map((value, k) => Math.abs(value - (b[k] ?? Number.NaN))));
const rowsOf = (flat: Float32Array, d: number) =>
  Array.from({ length: flat.length / d }, (_, i) => [...flat.subarray(i * d, (i + 1) * d)]);
/** Of rows that should be the same: how far apart the furthest are. */
const worst = (ours: readonly number[][], theirs: readonly (readonly number[])[]) => {
  expect(ours).toHaveLength(theirs.length);
  return Math.max(...ours.map((row, i) => furthest(row, theirs[i] ?? [])));
};
const lowestCosine = (ours: readonly number[][], theirs: readonly (readonly number[])[]) =>
  Math.min(...ours.map((row, i) => dot(row, theirs[i] ?? [])));

describe.each(['siglip', 'siglip2', 'naflex'] as const)('a model that transformers saved: %s', (name) => {
  const model = join(folder, name);
  let expected: Expected;
  let texts: string[];
  let towers: OpenTowers;
  let images: RgbImage[];
  beforeAll(async () => {
    expected = await readJson(name, 'expected.json');
    texts = await readJson('texts.json');
    towers = await openTowers(model, { threads: 1, batch: 4 });
    images = expected.sides.map(([width, height]) => picture(width, height));
  });
  afterAll(() => towers?.dispose());

  it('is what it says', () => {
    expect(towers.facts.kind).toBe(name === 'siglip' ? 'siglip' : 'siglip2');
    expect(towers.facts.resolution).toEqual(
      name === 'naflex'
        ? { kind: 'naflex', patchSize: 8, sequenceLength: 48 }
        : { kind: 'fixed', side: 32, kernel: name === 'siglip' ? 'bicubic' : 'bilinear' },
    );
    expect(towers.scale).toBeCloseTo(expected.logits.scale, 3);
    expect(towers.bias).toBeCloseTo(expected.logits.bias, 5);
    expect(towers.facts.logits.from).toBe(name === 'siglip' ? 'model.safetensors' : 'assay.json');
  });

  it('sees the same pixels', async () => {
    const prepared = await prepareSiglip(model, { threads: 1 });
    const { rows, write } = prepared.startImages(images.length);
    images.forEach((image, i) => {
      write(i, image);
    });
    const pixels = rows.pixel_values as Float32Array;
    const length = pixels.length / images.length;
    images.forEach((_, i) => {
      const used = expected.mask ? (expected.mask[i] ?? 0) * 8 * 8 * 3 : length;
      const row = pixels.subarray(i * length, i * length + used);
      const ours = samples(row);
      expect(furthest(ours, expected.pixels[i] ?? [])).toBeLessThan(1e-5);
      // transformers rounds to bytes after each of two passes, and cuts a cubic's overshoots off twice.
      const levels = ours.map((value) => (value + 1) * 127.5);
      const most = name === 'siglip' ? 5 : 1.01;
      for (const theirs of [expected.levels[i] ?? [], expected.levelsPil[i] ?? []]) {
        expect(furthest(levels, theirs)).toBeLessThan(most);
        const mean = levels.reduce((sum, v, k) => sum + Math.abs(v - (theirs[k] ?? 0)), 0) / levels.length;
        expect(mean).toBeLessThan(0.55);
      }
      expect(pixels.subarray(i * length + used, (i + 1) * length).every((value) => value === 0)).toBe(true);
    });
    if (expected.shapes && expected.mask) {
      expect([...(rows.spatial_shapes ?? [])]).toEqual(expected.shapes.flat());
      const mask = expected.mask.flatMap((used) => Array.from({ length: 48 }, (_, i) => Number(i < used)));
      expect([...(rows.pixel_attention_mask ?? [])]).toEqual(mask);
    }
    await Promise.all([prepared.vision.dispose(), prepared.text.dispose()]);
  });

  it('has the same embeddings of images', async () => {
    const ours = rowsOf(await towers.embedPictures(images), towers.dimension);
    expect(worst(ours, expected.images)).toBeLessThan(1e-5);
    const compared = expected.compared ?? images.keys();
    for (const i of compared) {
      expect(dot(ours[i] ?? [], expected.imagesRounded[i] ?? [])).toBeGreaterThan(0.9998);
    }
  });

  it('has the same tokens', () => {
    const length = towers.facts.textTokens;
    const ours = towers.tokenize(texts);
    texts.forEach((text, i) => {
      const row = [...ours.subarray(i * length, (i + 1) * length)];
      expect(row, JSON.stringify(text)).toEqual(expected.tokens[i]);
    });
  });

  it('has the same embeddings of texts', async () => {
    const ours = rowsOf(await towers.embedTexts(texts), towers.dimension);
    expect(worst(ours, expected.texts)).toBeLessThan(1e-5);
  });
});

describe('other files of a model', () => {
  const embed = async (precision: 'fp16' | 'quantized', batch: number) => {
    const expected: Expected = await readJson('siglip2', 'expected.json');
    const towers = await openTowers(join(folder, 'siglip2'), { precision, threads: 1, batch });
    try {
      const images = await towers.embedPictures(expected.sides.map(([w, h]) => picture(w, h)));
      const texts = await towers.embedTexts(await readJson('texts.json'));
      const rows = (flat: Float32Array) => rowsOf(flat, towers.dimension);
      return { expected, images: rows(images), texts: rows(texts) };
    } finally {
      await towers.dispose();
    }
  };

  it('in half precision are near the whole ones', async () => {
    const { expected, images, texts } = await embed('fp16', 4);
    expect(worst(images, expected.images)).toBeLessThan(2e-3);
    expect(worst(texts, expected.texts)).toBeLessThan(2e-3);
  });

  it('in 8 bits are what ONNX Runtime makes of them in Python, and near the whole ones', async () => {
    const { expected, images, texts } = await embed('quantized', 1);
    expect(worst(images, expected.quantized?.images ?? [])).toBeLessThan(5e-3);
    expect(worst(texts, expected.quantized?.texts ?? [])).toBeLessThan(5e-3);
    expect(lowestCosine(images, expected.images)).toBeGreaterThan(0.999);
    expect(lowestCosine(texts, expected.texts)).toBeGreaterThan(0.999);
  });
});

describe("NaFlex's sizes", () => {
  it('are those of transformers for every sequence length', async () => {
    const { grids = [] }: Expected = await readJson('naflex', 'expected.json');
    expect(grids.length).toBeGreaterThan(50);
    for (const [width = 0, height = 0, ...expected] of grids) {
      const ours = [128, 256, 576, 784, 1024].flatMap((length) => {
        const size = targetSize({ width, height }, 16, length);
        return [size.height / 16, size.width / 16];
      });
      expect(ours, `${width} x ${height}`).toEqual(expected);
    }
  });
});
