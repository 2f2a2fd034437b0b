import { mkdir, mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Float32, Int32, Utf8 } from 'apache-arrow';
import sharp from 'sharp';
import { batchOf } from '../../schemas/batches.ts';
import { openParquetWriter } from '../../schemas/parquet-writer.ts';
import type { CurationReport, DistillReport, EvaluationScores } from '../../schemas/reports.ts';
import { curatedTypes, droppedTypes, quarantineTypes, rowTypes } from '../../schemas/rows.ts';

/** A text that would run if a page let it. */
export const hostile = '<script>alert(1)</script><img src=x onerror="alert(2)"> \' & "';

type Columns = Parameters<typeof batchOf>[0];

export async function writeParquet(path: string, columns: Columns): Promise<void> {
  const writer = await openParquetWriter(path);
  await writer.write(batchOf(columns));
  await writer.close();
}

/** A PNG of 40 x 20 pixels. */
export async function picture(): Promise<Uint8Array> {
  const png = sharp({ create: { width: 40, height: 20, channels: 3, background: '#c04020' } }).png();
  return new Uint8Array(await png.toBuffer());
}

/** A curation run's folder of three kept, two dropped and one quarantined row, and the shard they came from. */
export async function curatedFolder(options: { regions: boolean }): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'assay-report-'));
  for (const part of ['shards', 'dropped', 'quarantine']) await mkdir(join(folder, part));
  const bytes = await picture();
  const image = (value: Uint8Array) => ({ bytes: value, path: 'a.png' });
  const kept = ['k1', 'k2', 'k3'];
  const source = [...kept, 'd1', 'd2', 'q1'];
  await writeParquet(join(folder, 'shards', '00000.parquet'), {
    key: { type: rowTypes.key, values: kept },
    image: { type: rowTypes.image, values: kept.map(() => image(bytes)) },
    alt_texts: { type: rowTypes.alt_texts, values: [['a red box', hostile], ['صندوق'], ['ein Kasten']] },
    language: { type: curatedTypes.language, values: ['en', 'ar', 'de'] },
    language_score: { type: curatedTypes.language_score, values: [0.9, 0.8, 0.7] },
    text: { type: curatedTypes.text, values: [hostile, 'صندوق', 'ein Kasten'] },
    ...(options.regions
      ? {
          regions: {
            type: curatedTypes.regions,
            values: [
              [
                { box: [0.25, 0.5, 0.75, 1], text: hostile, score: 0.625 },
                { box: [0, 0, 0.5, 0.25], text: 'box', score: 0.75 },
              ],
              [],
              [],
            ],
          },
        }
      : {}),
  });
  const input = join(folder, 'source.parquet');
  await writeParquet(input, {
    key: { type: rowTypes.key, values: source },
    image: {
      type: rowTypes.image,
      values: source.map((key) => image(key === 'q1' ? bytes.subarray(0, 60) : bytes)),
    },
    alt_texts: { type: rowTypes.alt_texts, values: source.map((key) => [`alt of ${key}`]) },
    page_language: { type: rowTypes.page_language, values: source.map(() => 'en') },
  });
  await writeParquet(join(folder, 'dropped', '00000.parquet'), {
    key: { type: droppedTypes.key, values: ['d1', 'd2'] },
    stage: { type: droppedTypes.stage, values: ['clean-texts', 'deduplicate'] },
    reason: { type: droppedTypes.reason, values: ['no-alt-text', 'exact-duplicate'] },
    value: { type: droppedTypes.value, values: [`file-name: ${hostile}`, 'of k1'] },
    threshold: { type: droppedTypes.threshold, values: ['1 alt-text', null] },
  });
  await writeParquet(join(folder, 'quarantine', '00000.parquet'), {
    key: { type: quarantineTypes.key, values: ['q1'] },
    shard: { type: quarantineTypes.shard, values: [input] },
    row_group: { type: quarantineTypes.row_group, values: [0] },
    row: { type: quarantineTypes.row, values: [5] },
    stage: { type: quarantineTypes.stage, values: ['check-images'] },
    reason: { type: quarantineTypes.reason, values: ['undecodable-image'] },
    detail: { type: quarantineTypes.detail, values: ['the file ends early'] },
  });
  const missing = join(folder, 'gone.parquet');
  await writeFile(
    join(folder, 'manifest.json'),
    JSON.stringify({ input: [{ path: missing }, { path: input }] }),
  );
  return folder;
}

/** A distillation run's folder whose selections are of the rows of a curation run's. */
export async function distilledFolder(data: string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'assay-report-'));
  const steps = [0, 0, 1, 1, 2, 2];
  await writeParquet(join(folder, 'selections.parquet'), {
    step: { type: new Int32(), values: steps },
    key: { type: new Utf8(), values: ['k1', 'k2', 'k1', 'k3', 'k1', 'k2'] },
    language: { type: new Utf8(), values: ['en', 'ar', 'en', 'de', 'en', 'ar'] },
    self_score: { type: new Float32(), values: [1, 3, 0, 2, -1, 1] },
  });
  const config = { distill: { english: 0.5 } };
  await writeFile(join(folder, 'manifest.json'), JSON.stringify({ data, config }));
  return folder;
}

/** The report of {@link curatedFolder}. */
export const curationReport: CurationReport = {
  kind: 'curation',
  version: '0.0.0',
  seed: 7,
  seconds: 3,
  read: 6,
  kept: 3,
  dropped: 2,
  quarantined: 1,
  quarantinedShards: 0,
  balanced: true,
  stages: [
    { stage: 'read-shards', in: 6, out: 6, seconds: 1 },
    { stage: 'check-images', in: 6, out: 5, seconds: 1 },
    { stage: 'clean-texts', in: 5, out: 4, seconds: 1 },
    { stage: 'deduplicate', in: 4, out: 3, seconds: 1 },
  ],
  reasons: {
    dropped: [
      { stage: 'clean-texts', reason: 'no-alt-text', rows: 1 },
      { stage: 'deduplicate', reason: 'exact-duplicate', rows: 1 },
    ],
    quarantined: [{ stage: 'check-images', reason: 'undecodable-image', rows: 1 }],
  },
  leftOut: [{ stage: 'embed-with-teacher', why: 'no teacher.checkpoint' }],
  languagesSeen: 3,
  mix: {
    requested: { english: 0.25 },
    realised: { english: 1 / 3 },
    missing: [],
    shortfalls: ['English: 1 row too many'],
  },
  languages: ['en', 'ar', 'de'].map((language) => ({
    language,
    seen: 2,
    available: 1,
    kept: 1,
    requestedShare: language === 'en' ? 0.25 : 0.375,
    realisedShare: 1 / 3,
  })),
  regions: { rows: 1, regions: 2 },
};

export function scores(recallAt1: number): EvaluationScores {
  return {
    images: 400,
    recallAt1,
    recallAt5: recallAt1 * 2,
    zeroShot: recallAt1 / 2,
    languages: {
      count: 2,
      recallAt1: recallAt1 / 4,
      recallAt5: recallAt1 / 3,
      perLanguage: { ar: { recallAt1, recallAt5: recallAt1, names: 9 } },
    },
  };
}

/** A distillation's report in which the learners end at these recalls. */
export function distillReport(selected: number, uniform: number): DistillReport {
  const learner = (name: 'selected' | 'uniform', recallAt1: number) => ({
    name,
    steps: 3,
    seconds: 6,
    flops: 2.5e12,
    finalLoss: 4.5,
    curve: [1, 2, 3].map((step) => ({
      step,
      seconds: step * 2,
      flops: step * 1e12,
      loss: 6 - step,
      evaluation: scores((recallAt1 * step) / 3),
    })),
    evaluation: scores(recallAt1),
  });
  return {
    kind: 'distillation',
    version: '0.0.0',
    seed: 7,
    seconds: 15,
    rows: 3,
    superBatch: 1000,
    batch: 250,
    filterRatio: 0.75,
    method: 'learnability',
    teacherAgreement: scores(0.875),
    learners: [learner('selected', selected), learner('uniform', uniform)],
    leftOut: [],
  };
}
