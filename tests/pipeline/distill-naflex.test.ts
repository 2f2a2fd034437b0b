import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { parseConfig } from '../../pipeline/config.ts';
import { prepareRows } from '../../pipeline/distill/prepare.ts';
import { distill } from '../../pipeline/distill.ts';
import { silentProgress } from '../../pipeline/progress.ts';
import { columnData } from '../../schemas/batches.ts';
import { temporaryFolder } from '../support.ts';
import { writeCurated, writeHeldOut } from './curated-pool.ts';

let folder: string;
let pool: string;

beforeAll(async () => {
  folder = await temporaryFolder();
  pool = join(folder, 'pool');
  await writeCurated(pool, 60, 1, [
    [16, 16],
    [40, 10],
    [9, 33],
  ]);
  await writeHeldOut(join(folder, 'held-out.parquet'), 10);
});

const recipe = (more = '') =>
  parseConfig(
    `
seed: 3
threads: 1
evaluation: {shards: ${folder}/held-out.parquet, images: 10}
distill:
  learner: {imageSize: 16, patchSize: 4, width: 16, depth: 1, heads: 2, embeddingDim: 8, textTokens: 16, textWidth: 16, textDepth: 1, textHeads: 2}
  naflex: {sequenceLengths: [4, 16]}
  superBatch: 20
  batch: 8
  chunks: 2
  english: 0.6
  shuffleRows: 40
  evaluateEvery: 30
  baseline: false
  training: {steps: 30, warmup: 2, learningRate: 0.003}
${more}`,
    'naflex.yaml',
  );

const context = (signal = new AbortController().signal) => ({
  signal,
  progress: silentProgress,
  configPath: 'naflex.yaml',
});

const losses = async (out: string, run: string) =>
  (await readFile(join(out, 'metrics.jsonl'), 'utf8'))
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as { run: string; step: number; loss: number })
    .filter((step) => step.run === run)
    .map(({ loss }) => loss);

const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;

describe('distillation at native aspect ratios', () => {
  it('keeps the shapes of images, as large as the longest sequence takes', async () => {
    const shards = [join(pool, 'shards', '00000.parquet')];
    const images = { patchSize: 4, sequenceLength: 16 };
    const rows = await prepareRows(shards, images, folder, context());
    const shapes = new Set<string>();
    for await (const batch of rows.epoch()) {
      const sizes = columnData(batch, 'pixel_size').children[0]?.values as Uint16Array;
      for (let i = 0; i < sizes.length; i += 2) shapes.add(`${sizes[i]} x ${sizes[i + 1]}`);
    }
    expect([...shapes].sort()).toEqual(['16 x 16', '32 x 8', '8 x 32']);
  });

  it('trains learners whose losses fall, and goes on to the same bits after a stop', async () => {
    const whole = join(folder, 'whole');
    const report = await distill(recipe(), pool, whole, context());
    const all = await losses(whole, 'selected');
    expect(all).toHaveLength(30);
    expect(mean(all.slice(-8))).toBeLessThan(mean(all.slice(0, 8)) * 0.8);
    expect(report.learners[0]?.evaluation?.images).toBe(10);

    const stopped = join(folder, 'stopped');
    const stop = new AbortController();
    const progress = {
      start: (label: string) => ({
        update(done: number) {
          if (label.startsWith('training') && done === 13) stop.abort(new Error('stopped'));
        },
        end() {},
      }),
    };
    await expect(distill(recipe(), pool, stopped, { ...context(stop.signal), progress })).rejects.toThrow(
      'stopped',
    );
    await distill(recipe(), pool, stopped, context());
    expect(await losses(stopped, 'selected')).toEqual(all);
  });

  it('scores in a thread of its own as well', async () => {
    const out = join(folder, 'overlapped');
    await distill(recipe('  scoring: {overlap: true}\n'), pool, out, context());
    const [first, whole] = [await losses(out, 'selected'), await losses(join(folder, 'whole'), 'selected')];
    // The first super-batch is scored by the same weights; later ones by weights one step old.
    expect(first[0]).toBeCloseTo(whole[0] ?? 0, 5);
    expect(mean(first.slice(-8))).toBeLessThan(mean(first.slice(0, 8)) * 0.8);
  });

  it('refuses images averaged for scoring beside it', async () => {
    const config = recipe('  scoring: {imagePool: 2}\n');
    await expect(distill(config, pool, join(folder, 'refused'), context())).rejects.toThrow(/naflex/);
  });
});
