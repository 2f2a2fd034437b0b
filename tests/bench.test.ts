import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { benchTrain } from '../bench/train.ts';
import { createOnnxExecutor } from '../models/onnx-executor.ts';
import { questions } from '../pipeline/inspect/questions/index.ts';

const root = new URL('..', import.meta.url).pathname;
const execute = promisify(execFile);

const benched = async (...args: string[]): Promise<Record<string, number>> => {
  const command = ['--import', 'tsx', join(root, 'bench/main.ts'), ...args, '--json'];
  const { stdout } = await execute(process.execPath, command, { cwd: root });
  return JSON.parse(stdout.trim().split('\n').at(-1) ?? '');
};

describe('the bench of curation', () => {
  it('scores filters, duplicates and languages against the planted truth', async () => {
    const figures = await benched('curation', '--rows', '150');
    expect(figures.rows).toBe(150);
    expect(figures.truncatedRecall).toBe(1);
    expect(figures.exactDuplicateRecall).toBe(1);
    expect(figures.nearDuplicatePairs).toBeGreaterThan(0);
    expect(figures.languageEnglishRecall).toBeGreaterThan(0.8);
    expect(figures.mismatchedAuc).toBeGreaterThan(0.7);
    expect(figures.boxesRecall).toBeGreaterThan(0.3);
  }, 300_000);
});

describe('the bench of inspection', () => {
  it('answers every ready question and pages of the gallery, and holds each against its goal', async () => {
    const figures: Record<string, unknown> = await benched('inspect', '--rows', '2000');
    expect(figures.rows).toBe(2000);
    const names = [...Object.keys(questions), 'why', 'galleryPageAsWritten', 'galleryPageByScore'];
    for (const name of names) {
      expect(figures[`${name}Seconds`]).toBeGreaterThanOrEqual(0);
      expect(figures[`${name}Goal`]).toMatch(name.startsWith('gallery') ? /: 0\.3 s$/ : /: 2 s$/);
    }
  }, 300_000);
});

describe('the bench of throughput', () => {
  it('measures every ratio, of few rows', async () => {
    const figures = await benched('throughput', '--rows', '8');
    const ratios = [
      'imagesRatio',
      'imagesRatioProbe',
      'workersRatio',
      'metadataRatio',
      'memoryRatio50over10',
    ];
    for (const name of ratios) expect(figures[name]).toBeGreaterThan(0);
  }, 300_000);
});

describe('the bench of storage', () => {
  it('reads the same rows from files, a store and both caches', async () => {
    const figures = await benched('storage', '--rows', '64');
    for (const name of ['s3OverFile', 's3DiskColdOverFile', 'warmOverCold', 'warmOverFile']) {
      expect(figures[name]).toBeGreaterThan(0);
    }
    expect(figures.rows).toBe(64);
    expect(figures.megabytes).toBeGreaterThan(3);
  });
});

describe('the bench of the feed', () => {
  it('measures throughput, the latency of selection and memory, of few rows and steps', async () => {
    const figures = await benched('feed', '--rows', '64');
    expect(figures).toMatchObject({ rows: 64, superBatch: 16, candidates: 256, memorySteps: 60 });
    for (const name of ['throughputRatio', 'megabytesPerSecond', 'selectionShare', 'memoryEndMegabytes']) {
      expect(figures[name]).toBeGreaterThan(0);
    }
    expect(figures.memorySlopeError).toBeGreaterThanOrEqual(0);
  }, 300_000);
});

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

describe('the bench of the reduction', () => {
  it('finds every planted duplicate of two sizes, and says what a row costs of each', async () => {
    const figures = await benched('reduction', '--rows', '600');
    expect(figures).toMatchObject({ rows: 600, rows10x: 6000, planted: 60, planted10x: 600 });
    expect([figures.found, figures.found10x]).toEqual([60, 600]);
    for (const name of ['rankCostRatio', 'pairsCostRatio', 'decideCostRatio', 'memoryRatio']) {
      expect(figures[name]).toBeGreaterThan(0);
    }
  }, 300_000);
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
