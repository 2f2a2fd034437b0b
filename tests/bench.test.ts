import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { benchTrain } from '../bench/train.ts';
import { createOnnxExecutor } from '../models/onnx-executor.ts';

const root = new URL('..', import.meta.url).pathname;
const execute = promisify(execFile);

describe('the bench of duplicates', () => {
  it('builds a pool of the rows asked for, and prints its figures as one JSON object last', async () => {
    const args = ['--import', 'tsx', join(root, 'bench/main.ts'), 'duplicates', '--rows', '150', '--json'];
    const { stdout } = await execute(process.execPath, args, { cwd: root });
    const figures = JSON.parse(stdout.trim().split('\n').at(-1) ?? '');
    expect(figures['rows admitted']).toBeGreaterThan(120);
    expect(figures['rows admitted']).toBeLessThan(150);
    expect(figures['near pairs planted']).toBeGreaterThan(0);
    expect(figures.recall).toBeGreaterThan(0.5);
    expect(Object.keys(figures)).toContain('fingerprints / the rest of check-images');
  });

  it('refuses rows that are no count', async () => {
    const args = ['--import', 'tsx', join(root, 'bench/main.ts'), 'duplicates', '--rows', 'many'];
    await expect(execute(process.execPath, args, { cwd: root })).rejects.toThrow(/--rows/);
  });
});

describe('the bench of training', () => {
  it('says how many images a second a step and a forward pass take, on what', async () => {
    const figures = await benchTrain({ seconds: 0, executor: createOnnxExecutor(), batch: 4 });
    expect(figures.stepImagesPerSecond).toBeGreaterThan(0);
    expect(figures.forwardImagesPerSecond).toBeGreaterThan(Number(figures.stepImagesPerSecond));
    expect(figures).toMatchObject({
      'training step, images/s': figures.stepImagesPerSecond,
      'forward, images/s': figures.forwardImagesPerSecond,
      executor: 'onnx',
      provider: 'cpu',
    });
  });

  it('refuses a provider that does not exist', async () => {
    const args = ['--import', 'tsx', join(root, 'bench/main.ts'), 'train', '--provider', 'tpu'];
    await expect(execute(process.execPath, args, { cwd: root })).rejects.toThrow(/tpu/);
  });
});
