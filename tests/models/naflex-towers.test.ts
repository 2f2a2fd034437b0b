import { afterEach, describe, expect, it } from 'vitest';
import { tokenize } from '../../models/byte-tokenizer.ts';
import { createEmbedder, type Embedder } from '../../models/embedder.ts';
import { emptyPatches, type PatchBatch, writePatches, writePixels } from '../../models/naflex/patchify.ts';
import { drawSequenceLength } from '../../models/naflex/sequence-lengths.ts';
import { createOnnxExecutor } from '../../models/onnx-executor.ts';
import { createTrainer, type Trainer, type TrainerOptions } from '../../models/trainer.ts';
import { normals, stirred, toyConfig, worst } from './toy-towers.ts';

const executor = createOnnxExecutor({ threads: 2 });
const { imageSize, patchSize, embeddingDim: d } = toyConfig;
const parameters = stirred(toyConfig);

const open: (Embedder | Trainer)[] = [];
afterEach(async () => {
  for (const one of open.splice(0)) await one.dispose();
});

function pictures(sequenceLength: number): PatchBatch {
  const sizes = [
    [40, 24],
    [9, 30],
    [16, 16],
    [50, 8],
    [8, 8],
    [21, 20],
  ] as const;
  const options = { patchSize, sequenceLength };
  const batch = emptyPatches(sizes.length, options);
  for (const [row, [width, height]] of sizes.entries()) {
    const pixels = Uint8Array.from({ length: width * height * 3 }, (_, i) => (i * (row * 2 + 7)) % 256);
    writePatches(batch, row, { pixels, width, height }, options);
  }
  return batch;
}

describe('towers that take patches', () => {
  it('embed a square as towers that take squares do, with the same weights, however many pads follow', async () => {
    const embedder = await createEmbedder({
      executor,
      config: toyConfig,
      parameters,
      batch: 2,
      frozen: false,
    });
    open.push(embedder);
    const images = normals(3 * imageSize * imageSize * 3, 'squares');
    const expected = await embedder.embedImages(images, 3);
    for (const sequenceLength of [4, 7]) {
      const options = { patchSize, sequenceLength };
      const batch = emptyPatches(3, options);
      for (let row = 0; row < 3; row += 1) {
        const pixels = images.subarray(row * 192, (row + 1) * 192);
        writePixels(batch, row, pixels, { height: imageSize, width: imageSize }, options);
      }
      expect(worst(await embedder.embedPatches(batch), expected)).toBeLessThan(2e-6);
    }
  });

  it('tell shapes apart by their positions', async () => {
    const embedder = await createEmbedder({
      executor,
      config: toyConfig,
      parameters,
      batch: 2,
      frozen: true,
    });
    open.push(embedder);
    const options = { patchSize, sequenceLength: 4 };
    const batch = emptyPatches(2, options);
    const pixels = normals(4 * 16 * 3, 'one');
    writePixels(batch, 0, pixels, { height: 4, width: 16 }, options);
    writePixels(batch, 1, pixels, { height: 16, width: 4 }, options);
    batch.patches.copyWithin(batch.patches.length / 2, 0, batch.patches.length / 2);
    const rows = await embedder.embedPatches(batch);
    expect(worst(rows.subarray(0, d), rows.subarray(d))).toBeGreaterThan(1e-3);
  });

  const options: TrainerOptions = {
    executor,
    config: toyConfig,
    parameters,
    optimizer: { weightDecay: 1e-4, beta1: 0.9, beta2: 0.95, clipNorm: 1 },
    batch: 6,
    textTokens: 16,
    sequenceLengths: [4, 6, 12],
  };
  const start = async (rest: Partial<TrainerOptions> = {}) => {
    const trainer = await createTrainer({ ...options, ...rest });
    open.push(trainer);
    return trainer;
  };
  const tokens = tokenize(['one', 'two', 'three', 'four', 'five', 'six'], 16);
  const stepOf = (i: number) => ({
    images: pictures(drawSequenceLength([4, 6, 12], 'test', i)),
    tokens,
    learningRate: 3e-3,
  });

  it('learn pairs at sequence lengths that change from step to step', async () => {
    const trainer = await start();
    const losses: number[] = [];
    for (let i = 0; i < 60; i += 1) losses.push((await trainer.step(stepOf(i))).loss);
    expect(losses.at(-1)).toBeLessThan((losses[0] ?? 0) / 4);
  });

  it('continue to the bit from their parameters and moments', async () => {
    const whole = await start();
    for (let i = 0; i < 4; i += 1) await whole.step(stepOf(i));
    const before = await start();
    for (let i = 0; i < 2; i += 1) await before.step(stepOf(i));
    const after = await start({ parameters: await before.parameters(), moments: await before.moments() });
    for (let i = 2; i < 4; i += 1) await after.step(stepOf(i));
    expect(await after.parameters()).toEqual(await whole.parameters());
  });

  it('refuse squares, as towers that take squares refuse patches', async () => {
    const step = { tokens, learningRate: 1e-3 };
    const squares = normals(6 * 192, 'squares');
    await expect((await start()).step({ ...step, images: squares })).rejects.toThrow(/patches/);
    const plain = await start({ sequenceLengths: undefined });
    await expect(plain.step({ ...step, images: pictures(4) })).rejects.toThrow(/squares/);
  });
});
