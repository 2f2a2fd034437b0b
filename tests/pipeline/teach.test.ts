import { createHash } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { loadTowers } from '../../models/checkpoint.ts';
import { type Config, parseConfig } from '../../pipeline/config.ts';
import type { RunContext } from '../../pipeline/curate.ts';
import { prepareRows } from '../../pipeline/distill/prepare.ts';
import { type Progress, silentProgress } from '../../pipeline/progress.ts';
import { keepMostAlike, lowestBin } from '../../pipeline/teach/keep-most-alike.ts';
import { type TeachReport, teach } from '../../pipeline/teach.ts';
import { column } from '../../schemas/batches.ts';
import { temporaryFolder } from '../support.ts';
import { writeCurated, writeHeldOut } from './curated-pool.ts';

let folder: string;
let pool: string;
let report: TeachReport;

const recipe = (fineTune: string, held = false): Config =>
  parseConfig(
    `
seed: 5
threads: 1
${held ? `evaluation: {shards: ${folder}/held-out.parquet, images: 10}` : ''}
teach:
  towers: {imageSize: 16, patchSize: 8, width: 16, depth: 1, heads: 2, embeddingDim: 8, textTokens: 32, textWidth: 16, textDepth: 1, textHeads: 2}
  batch: 8
  shuffleRows: 40
  checkpointEvery: 3
  training: {steps: 8, warmup: 2}
${fineTune}`,
    'teach.yaml',
  );
const staged = '  fineTune: {steps: 7, learningRate: 0.0005, warmup: 1, quality: 0.5}';

const context = (progress: Progress = silentProgress, signal = new AbortController().signal): RunContext => ({
  signal,
  progress,
  configPath: 'teach.yaml',
});
const at = (name: string) => join(folder, name, 'teacher.safetensors');

beforeAll(async () => {
  folder = await temporaryFolder();
  pool = join(folder, 'pool');
  await writeCurated(pool, 60);
  await writeCurated(join(folder, 'best'), 30, 2);
  await writeHeldOut(join(folder, 'held-out.parquet'), 10);
  report = await teach(recipe(staged, true), pool, at('both'), context());
});

describe('a teacher of two stages', () => {
  it('says what it was made from, in its report and in its checkpoint', async () => {
    const shard = await readFile(join(pool, 'shards', '00000.parquet'));
    const sha256 = createHash('sha256').update(shard).digest('hex');
    const whole = createHash('sha256')
      .update(JSON.stringify([sha256]))
      .digest('hex');
    const made = [
      {
        stage: 'pool',
        rows: 60,
        quality: null,
        sha256: whole,
        curatedBy: null,
        steps: 8,
        learningRate: 0.001,
      },
      {
        stage: 'fine-tune',
        rows: expect.any(Number),
        quality: 0.5,
        sha256: whole,
        curatedBy: null,
        steps: 7,
        learningRate: 0.0005,
      },
    ];
    expect(report.stages).toMatchObject(made);
    const { metadata } = await loadTowers(at('both'));
    expect(JSON.parse(metadata.stages ?? '')).toEqual(made);
    expect([metadata.step, metadata.rows, report.steps, report.rows]).toEqual(['15', '60', 15, 60]);
  });

  it('is scored after each stage', () => {
    const [first, second] = report.stages;
    expect(first?.evaluation?.images).toBe(10);
    expect(second?.evaluation).toEqual(report.evaluation);
    expect(second?.loss).toBe(report.loss);
    expect(first?.loss).not.toBe(second?.loss);
  });

  it('has the first stage that one of a single stage has', async () => {
    const single = await teach(recipe('', true), pool, at('one'), context());
    expect(single.stages).toEqual(report.stages.slice(0, 1));
  });

  it('takes a folder for its second stage, whole', async () => {
    const best = join(folder, 'best');
    await writeFile(join(best, 'manifest.json'), '{"configSha256": "abc"}');
    const taught = await teach(recipe('  fineTune: {steps: 2}'), pool, at('folder'), context(), {
      fineTune: best,
    });
    expect(taught.stages[1]).toMatchObject({ rows: 30, quality: null, curatedBy: 'abc', steps: 2 });
    expect(taught.stages[0]?.curatedBy).toBeNull();
    expect(taught.stages[1]?.sha256).not.toBe(taught.stages[0]?.sha256);
    const missing = teach(recipe(''), pool, at('none'), context(), { fineTune: join(folder, 'none') });
    await expect(missing).rejects.toThrow(/--fine-tune/);
  });

  it('goes on in either stage where it was stopped or broke off, to the same bytes', async () => {
    const stops = [
      ['training the teacher', 4, false],
      ['training the teacher', 7, true],
      ['training the teacher', 8, false],
      ['fine-tuning the teacher', 2, true],
      ['fine-tuning the teacher', 5, false],
    ] as const;
    for (const [task, step, asked] of stops) {
      const stop = new AbortController();
      const update = (label: string) => (done: number) => {
        if (label !== task || done !== step) return;
        if (!asked) throw new Error('power cut');
        stop.abort(new Error('stopped'));
      };
      const progress: Progress = { start: (label) => ({ update: update(label), end() {} }) };
      const broken = teach(recipe(staged, true), pool, at('broken'), context(progress, stop.signal));
      await expect(broken).rejects.toThrow(/power cut|stopped/);
    }
    const again = await teach(recipe(staged, true), pool, at('broken'), context());
    expect({ ...again, seconds: 0 }).toEqual({ ...report, seconds: 0 });
    expect((await readFile(at('broken'))).equals(await readFile(at('both')))).toBe(true);
  });
});

describe('keeping the rows that are the most alike', () => {
  it('keeps the best share of each language', async () => {
    const rows = await prepareRows([join(pool, 'shards', '00000.parquet')], 16, folder, context());
    const cosines = new Map<string, number>();
    let seen = 0;
    // A model that says what it likes: rows by their number, evenly over [-1, 1].
    const embedder = {
      embedImages: async (_: Float32Array, count: number) =>
        Float32Array.from({ length: count * 2 }, (_, i) => 1 - (i % 2)),
      embedTexts: async (texts: readonly string[]) =>
        Float32Array.from(
          texts.flatMap((_, i) => {
            const cosine = Math.sin(17 * (seen + i));
            if (i === texts.length - 1) seen += texts.length;
            return [cosine, 0];
          }),
        ),
    };
    const languages = new Map<string, string>();
    let row = 0;
    for await (const batch of rows.epoch()) {
      for (const [i, key] of [...column(batch, 'key')].entries()) {
        cosines.set(String(key), Math.sin(17 * row++));
        languages.set(String(key), String(column(batch, 'language').get(i)));
      }
    }
    const kept = await keepMostAlike(rows, embedder, 0.25, folder, context());
    const keys: string[] = [];
    for await (const batch of kept.epoch()) keys.push(...[...column(batch, 'key')].map(String));
    expect(kept.rows).toBe(keys.length);
    for (const language of ['en', 'de', 'es']) {
      const own = [...cosines].filter(([key]) => languages.get(key) === language);
      const best = own.toSorted(([, a], [, b]) => b - a).slice(0, Math.ceil(own.length / 4));
      expect(keys.filter((key) => languages.get(key) === language).sort()).toEqual(
        best.map(([key]) => key).sort(),
      );
    }
  });

  it('cuts a histogram at the bin that completes the share', () => {
    const histogram = Uint32Array.of(4, 0, 3, 2, 1);
    expect([0.1, 0.11, 0.3, 0.31, 0.6, 1].map((share) => lowestBin(histogram, share))).toEqual([
      4, 3, 3, 2, 2, 0,
    ]);
  });
});
