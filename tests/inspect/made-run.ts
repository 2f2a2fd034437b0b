import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Float32, Int32, Utf8 } from 'apache-arrow';
import { batchOf } from '../../schemas/batches.ts';
import { openParquetWriter } from '../../schemas/parquet-writer.ts';
import { createRandom } from '../../schemas/random.ts';
import {
  curatedTypes,
  droppedTypes,
  provenanceTypes,
  quarantineTypes,
  rowTypes,
} from '../../schemas/rows.ts';
import { labelsType } from '../../schemas/verdicts.ts';
import { temporaryFolder } from '../support.ts';

/** Keys that would break SQL, a path, a pattern or a terminal that took them for its own. */
export const hostileKeys = [
  "k'); DROP TABLE languages; --",
  '../../etc/passwd',
  '%',
  'a"b',
  '\u001b[31mred\u001b[0m\nnext',
  '$key',
  'of x: 1 <= 5 bits, colours 1.00 <= 3',
  '\u202eturned',
] as const;

export interface MadeRow {
  readonly key: string;
  readonly language: string;
  readonly text: string;
  readonly textScore: number;
  readonly languageScore: number;
  readonly regions: readonly { readonly box: number[]; readonly text: string; readonly score: number }[];
  readonly labels: readonly { stage: string; reason: string; value: string; threshold: string | null }[];
}

export interface MadeDrop {
  readonly key: string;
  readonly stage: string;
  readonly reason: string;
  readonly value: string;
  readonly threshold: string | null;
  readonly kept: string | null;
  readonly language: string | null;
}

export interface MadeOffer {
  readonly step: number;
  readonly index: number;
  readonly key: string;
  readonly learner: number;
  readonly teacher: number;
  readonly position: number | null;
}

/** What a made run holds, as plain values to compute answers from. */
export interface MadeRun {
  readonly folder: string;
  readonly rows: readonly MadeRow[];
  readonly dropped: readonly MadeDrop[];
  readonly quarantined: readonly string[];
  readonly offers: readonly MadeOffer[];
}

type Columns = Parameters<typeof batchOf>[0];

async function write(path: string, columns: Columns): Promise<void> {
  const writer = await openParquetWriter(path);
  await writer.write(batchOf(columns));
  await writer.close();
}

const half = (value: number) => Math.fround(Math.round(value * 64) / 64);

/** Writes a demo's folder of so many kept rows, hostile keys among them, and gives what is in it. */
export async function makeRun(
  options: { rows?: number; seed?: number; name?: string; english?: number } = {},
): Promise<MadeRun> {
  const { rows: count = 60, seed = 1, name = 'run', english = 0.5 } = options;
  const folder = join(await temporaryFolder(), name);
  const random = createRandom(seed);
  const words = ['cat', 'dog', 'boat', 'tree'];
  const keys = [...hostileKeys, ...Array.from({ length: count - hostileKeys.length }, (_, i) => `k${i}`)];
  const rows = keys.map((key, i): MadeRow => {
    const language = random.uniform() < english ? 'en' : random.pick(['de', 'ar']);
    const regions = Array.from({ length: random.integer(3) }, () => ({
      box: [0, 0.25, 0.5, 0.75].map((edge) => half(edge + random.uniform() / 8)),
      text: random.pick(words),
      score: half(random.uniform()),
    }));
    const labels =
      i % 7 === 3
        ? [
            {
              stage: 'deduplicate',
              reason: 'near-duplicate',
              value: `of ${keys[i - 1]}: 2 <= 5 bits, colours 1.50 <= 3`,
              threshold: '5 bits, colours 3',
            },
          ]
        : [];
    return {
      key,
      language,
      text: `${random.pick(words)} ${i}`,
      textScore: half(random.uniform()),
      languageScore: half(random.uniform()),
      regions,
      labels,
    };
  });
  const dropped = Array.from({ length: count / 2 }, (_, i): MadeDrop => {
    const of = keys[i % 10] as string;
    const base = { key: `dropped-${i}`, language: i % 2 ? 'en' : null };
    if (i % 3 === 0)
      return {
        ...base,
        stage: 'check-images',
        reason: 'aspect',
        value: `${i}.00`,
        threshold: '4',
        kept: null,
      };
    if (i % 3 === 1)
      return {
        ...base,
        stage: 'deduplicate',
        reason: 'exact-duplicate',
        value: `of ${of}`,
        threshold: null,
        kept: of,
      };
    return {
      ...base,
      stage: 'deduplicate',
      reason: 'near-duplicate',
      value: `of ${of} through ${keys[11]}: 3 <= 5 bits, colours 0.50 <= 3`,
      threshold: '5 bits, colours 3',
      // An older run has its words alone.
      kept: i % 2 ? of : null,
    };
  });
  const quarantined = Array.from({ length: 3 }, (_, i) => `broken-${i}`);
  const offers = Array.from({ length: 20 }, (_, step) => step).flatMap((step) => {
    const drawn = keys.filter(() => random.uniform() < 0.5);
    return drawn.map((key, index): MadeOffer => {
      const position = index % 4 === 0 ? index / 4 : null;
      return {
        step,
        index,
        key,
        learner: half(4 * random.uniform()),
        teacher: half(random.uniform()),
        position,
      };
    });
  });
  const made = { folder, rows, dropped, quarantined, offers };
  await writeCuration(made);
  await writeDistillation(made);
  return made;
}

async function writeCuration({ folder, rows, dropped, quarantined }: MadeRun): Promise<void> {
  const curated = join(folder, 'curated');
  for (const part of ['shards', 'dropped', 'quarantine', 'lineage'])
    await mkdir(join(curated, part), { recursive: true });
  const middle = Math.floor(rows.length / 2);
  for (const [i, part] of [rows.slice(0, middle), rows.slice(middle)].entries()) {
    await write(join(curated, 'lineage', `0000${i}.parquet`), {
      key: { type: rowTypes.key, values: part.map(({ key }) => key) },
      shard: { type: provenanceTypes.shard, values: part.map(() => 'pool/a.parquet') },
      row_group: { type: provenanceTypes.row_group, values: part.map(() => 2) },
      row: { type: provenanceTypes.row, values: part.map((_, at) => i * middle + at) },
      file_row: { type: new Int32(), values: part.map((_, at) => at) },
    });
    await write(join(curated, 'shards', `0000${i}.parquet`), {
      key: { type: rowTypes.key, values: part.map(({ key }) => key) },
      image: {
        type: rowTypes.image,
        values: part.map(({ key }) => ({ bytes: new Uint8Array([1, 2, 3]), path: key })),
      },
      alt_texts: { type: rowTypes.alt_texts, values: part.map(({ text }) => [text, 'another']) },
      width: { type: rowTypes.width, values: part.map(() => 64) },
      height: { type: rowTypes.height, values: part.map(() => 48) },
      text: { type: curatedTypes.text, values: part.map(({ text }) => text) },
      language: { type: curatedTypes.language, values: part.map(({ language }) => language) },
      language_score: { type: curatedTypes.language_score, values: part.map((row) => row.languageScore) },
      regions: { type: curatedTypes.regions, values: part.map(({ regions }) => regions) },
      text_score: { type: curatedTypes.text_score, values: part.map(({ textScore }) => textScore) },
      labels: { type: labelsType, values: part.map(({ labels }) => labels) },
    });
  }
  await write(join(curated, 'dropped', '00000.parquet'), {
    key: { type: droppedTypes.key, values: dropped.map(({ key }) => key) },
    stage: { type: droppedTypes.stage, values: dropped.map(({ stage }) => stage) },
    reason: { type: droppedTypes.reason, values: dropped.map(({ reason }) => reason) },
    value: { type: droppedTypes.value, values: dropped.map(({ value }) => value) },
    threshold: { type: droppedTypes.threshold, values: dropped.map(({ threshold }) => threshold) },
    kept_key: { type: droppedTypes.kept_key, values: dropped.map(({ kept }) => kept) },
    language: { type: droppedTypes.language, values: dropped.map(({ language }) => language) },
    shard: { type: droppedTypes.shard, values: dropped.map(() => 'pool/b.parquet') },
    row_group: { type: droppedTypes.row_group, values: dropped.map(() => 0) },
    row: { type: droppedTypes.row, values: dropped.map((_, i) => i) },
  });
  await write(join(curated, 'quarantine', '00000.parquet'), {
    key: { type: quarantineTypes.key, values: quarantined },
    shard: { type: quarantineTypes.shard, values: quarantined.map(() => 'pool/c.parquet') },
    row_group: { type: quarantineTypes.row_group, values: quarantined.map(() => 1) },
    row: { type: quarantineTypes.row, values: quarantined.map((_, i) => i) },
    stage: { type: quarantineTypes.stage, values: quarantined.map(() => 'check-images') },
    reason: { type: quarantineTypes.reason, values: quarantined.map(() => 'undecodable-image') },
    detail: { type: quarantineTypes.detail, values: quarantined.map(() => 'cut short') },
  });
  const read = rows.length + dropped.length + quarantined.length;
  const stage = (name: string, into: number, out: number) => ({ stage: name, in: into, out, seconds: 0.5 });
  const checked = read - quarantined.length - dropped.filter((row) => row.stage === 'check-images').length;
  const config = { images: { minSide: 32, maxAspect: 4 }, language: { minScore: 0.3 } };
  await writeFile(join(curated, 'manifest.json'), JSON.stringify({ kind: 'curation', config }));
  const languages = ['en', 'de', 'ar'].map((language) => {
    const kept = rows.filter((row) => row.language === language).length;
    return {
      language,
      seen: kept + 1,
      available: kept,
      kept,
      requestedShare: 0.25,
      realisedShare: kept / rows.length,
    };
  });
  const report = {
    read,
    kept: rows.length,
    dropped: dropped.length,
    quarantined: quarantined.length,
    seed: 1,
    stages: [
      stage('check-images', read, checked),
      stage('deduplicate', checked, rows.length),
      stage('mix-languages', rows.length, rows.length),
      stage('write-shards', rows.length, rows.length),
    ],
    languages,
  };
  await writeFile(join(curated, 'report.json'), JSON.stringify(report));
}

async function writeDistillation({ folder, rows, offers }: MadeRun): Promise<void> {
  const distilled = join(folder, 'distilled');
  await mkdir(distilled, { recursive: true });
  const columns = (of: readonly MadeOffer[]) => ({
    step: { type: new Int32(), values: of.map(({ step }) => step) },
    index: { type: new Int32(), values: of.map(({ index }) => index) },
    key: { type: new Utf8(), values: of.map(({ key }) => key) },
    self_score: { type: new Float32(), values: of.map(({ learner, teacher }) => learner - teacher) },
    learner_loss: { type: new Float32(), values: of.map(({ learner }) => learner) },
    teacher_loss: { type: new Float32(), values: of.map(({ teacher }) => teacher) },
  });
  await write(join(distilled, 'offers.parquet'), columns(offers));
  const selected = offers.filter(({ position }) => position !== null);
  const languageOf = new Map(rows.map(({ key, language }) => [key, language]));
  await write(join(distilled, 'selections.parquet'), {
    ...columns(selected),
    position: { type: new Int32(), values: selected.map(({ position }) => position) },
    chunk: { type: new Int32(), values: selected.map(({ position }) => Math.floor((position ?? 0) / 2)) },
    language: { type: new Utf8(), values: selected.map(({ key }) => languageOf.get(key) ?? '') },
    logit: { type: new Float32(), values: selected.map(({ learner }) => learner) },
  });
  const line = {
    run: 'selected',
    step: 0,
    loss: 1,
    gradientNorm: 2,
    learningRate: 0.1,
    seconds: 3,
    flops: null,
  };
  await writeFile(
    join(distilled, 'metrics.jsonl'),
    `${JSON.stringify(line)}\n${JSON.stringify({ ...line, step: 1 })}\n`,
  );
  await writeFile(
    join(distilled, 'manifest.json'),
    JSON.stringify({
      kind: 'distillation',
      config: { distill: { batch: 4 } },
      data: join(folder, 'curated'),
    }),
  );
  await writeFile(
    join(distilled, 'report.json'),
    JSON.stringify({
      drift: { counts: { en: { offered: 9, selected: 3 }, de: { offered: 1, selected: 1 } } },
      learners: [{ name: 'selected', finalLoss: 2, evaluation: { recallAt1: 0.5 } }],
    }),
  );
}
