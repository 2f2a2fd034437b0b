import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadTowers, saveTowers } from '../../models/checkpoint.ts';
import { readSafetensors, writeSafetensors } from '../../models/safetensors.ts';
import { initializeParameters } from '../../models/towers.ts';
import { createRandom } from '../../schemas/random.ts';
import { toyConfig } from './toy-towers.ts';

const parameters = initializeParameters(toyConfig, createRandom(3));
let folder: string;
let path: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'checkpoint-'));
  path = join(folder, 'towers.safetensors');
  await saveTowers(path, toyConfig, parameters, { step: '12' });
});
afterAll(() => rm(folder, { recursive: true }));

/** The saved file with its tensors and texts changed. */
async function changed(
  change: (file: Awaited<ReturnType<typeof readSafetensors>>) => Awaited<ReturnType<typeof readSafetensors>>,
): Promise<string> {
  const { tensors, metadata } = change(await readSafetensors(path));
  const other = join(folder, 'changed.safetensors');
  await writeSafetensors(other, tensors, metadata);
  return other;
}

describe('checkpoints', () => {
  it('give the config, the parameters in their order, and the metadata back', async () => {
    const saved = await loadTowers(path);
    expect(saved.config).toEqual(toyConfig);
    expect(saved.parameters).toEqual(parameters);
    expect(Object.keys(saved.parameters)).toEqual(Object.keys(parameters));
    expect(saved.metadata).toEqual({ step: '12' });
  });

  it('name a missing tensor', async () => {
    const other = await changed(({ tensors: { logit_bias: _, ...tensors }, metadata }) => ({
      tensors,
      metadata,
    }));
    await expect(loadTowers(other)).rejects.toThrow(/changed.safetensors.*'logit_bias' is missing/);
  });

  it('name a tensor too many', async () => {
    const extra = { shape: [1], dtype: 'float32', data: Float32Array.of(1) } as const;
    const other = await changed(({ tensors, metadata }) => ({ tensors: { ...tensors, extra }, metadata }));
    await expect(loadTowers(other)).rejects.toThrow(/'extra' isn't one/);
  });

  it('name a misshapen tensor', async () => {
    const wrong = { shape: [2], dtype: 'float32', data: Float32Array.of(1, 2) } as const;
    const other = await changed(({ tensors, metadata }) => ({
      tensors: { ...tensors, logit_bias: wrong },
      metadata,
    }));
    await expect(loadTowers(other)).rejects.toThrow(/'logit_bias' must be \[1\], not \[2\]/);
  });

  it('refuse integers for weights', async () => {
    const wrong = { shape: [1], dtype: 'int32', data: Int32Array.of(1) } as const;
    const other = await changed(({ tensors, metadata }) => ({
      tensors: { ...tensors, logit_bias: wrong },
      metadata,
    }));
    await expect(loadTowers(other)).rejects.toThrow(/'logit_bias' must be float32/);
  });

  it('refuse files without a config, or with an impossible one', async () => {
    const without = await changed(({ tensors }) => ({ tensors, metadata: {} }));
    await expect(loadTowers(without)).rejects.toThrow(/not a checkpoint of towers/);
    const towers = JSON.stringify({ ...toyConfig, heads: 5 });
    const impossible = await changed(({ tensors }) => ({ tensors, metadata: { towers } }));
    await expect(loadTowers(impossible)).rejects.toThrow(/changed.safetensors.*heads must divide width/s);
    const garbled = await changed(({ tensors }) => ({ tensors, metadata: { towers: '{' } }));
    await expect(loadTowers(garbled)).rejects.toThrow(/config of its towers is invalid/);
  });

  it('are not saved from parameters that do not fit', async () => {
    const { logit_bias: _, ...rest } = parameters;
    await expect(saveTowers(join(folder, 'no'), toyConfig, rest)).rejects.toThrow(/'logit_bias' is missing/);
  });
});
