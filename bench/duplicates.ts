import { mkdir, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { RecordBatch } from 'apache-arrow';
import { openFacts } from '../pipeline/curation/facts.ts';
import { chainStages } from '../pipeline/curation/funnel.ts';
import { reduceFacts } from '../pipeline/curation/reduce.ts';
import { buildEmojiSources } from '../pipeline/sources/emoji/build.ts';
import { emojiSourceOptionsSchema } from '../pipeline/sources/emoji/options.ts';
import { column, withColumns } from '../schemas/batches.ts';
import { openShard } from '../schemas/parquet-reader.ts';
import { curatedTypes } from '../schemas/rows.ts';
import type { StageContext } from '../schemas/stage.ts';
import { checkImages, checkImagesOptionsSchema, type ImageMeasure } from '../stages/check-images.ts';
import { deduplicateOptionsSchema } from '../stages/deduplicate.ts';
import { fingerprintMeasure } from '../stages/duplicates/fingerprint-column.ts';
import { hashImages } from '../stages/hash-images.ts';
import { readShards, readShardsOptionsSchema } from '../stages/read-shards.ts';
import { type FoundRow, type PairScores, pairScores } from './pair-scores.ts';

/** Rows of the pool when none are asked for. */
const defaultRows = 3000;

/**
 * Builds an emoji-109 pool, finds its duplicates and scores the near pairs against the planted truth: pairs of rows in
 * one group, those of the same bytes aside, exact copies and copies of copies included. Times the fingerprints as a
 * ratio, what they take over what else checking the images takes in the same run, and the search in rows a second.
 */
export async function benchDuplicates({
  rows = defaultRows,
  seed = 11,
}: {
  readonly rows?: number | undefined;
  readonly seed?: number | undefined;
}): Promise<Record<string, number | string>> {
  const folder = await mkdtemp(join(tmpdir(), 'assay-bench-'));
  try {
    const options = emojiSourceOptionsSchema.parse({
      out: join(folder, 'pool'),
      rows,
      seed,
      evaluationImages: 1,
    });
    await buildEmojiSources(options, { signal: context.signal, progress: () => {} });
    const shards = (await readdir(join(folder, 'pool', 'shards'))).sort();
    const paths = shards.map((name) => join(folder, 'pool', 'shards', name));
    await mkdir(join(folder, 'work'));
    const found = await findGroups(paths, join(folder, 'work'));
    const truth = await plantedGroups(join(folder, 'pool', 'truth.parquet'));
    return figures(pairScores(found.rows, truth), found);
  } finally {
    await rm(folder, { recursive: true });
  }
}

const context: StageContext = {
  signal: new AbortController().signal,
  quarantine: () => {},
  drop: () => {},
};

function checked(paths: readonly string[], measure: ImageMeasure) {
  const batches = readShards(paths, readShardsOptionsSchema.parse({}), context);
  const stages = [checkImages(checkImagesOptionsSchema.parse({}), [measure]), hashImages()];
  return chainStages({ name: 'read-shards', batches }, stages, context);
}

async function findGroups(paths: readonly string[], folder: string) {
  const files = { facts: join(folder, 'facts.parquet'), fingerprints: join(folder, 'fingerprints.parquet') };
  const facts = await openFacts(files.facts, 1, { fingerprints: files.fingerprints });
  const admitted: { key: string; sha256: string; shard: string; rowGroup: number; row: number }[] = [];
  let milliseconds = 0;
  const timed: ImageMeasure = {
    ...fingerprintMeasure,
    of(image) {
      const began = performance.now();
      const found = fingerprintMeasure.of(image);
      milliseconds += performance.now() - began;
      return found;
    },
  };
  const chain = checked(paths, timed);
  for await (const batch of chain.batches) {
    await facts.write(withLanguage(batch));
    const of = (name: string) => [...column(batch, name)];
    const [keys, hashes, shards, groups, rows] = [
      of('key'),
      of('sha256'),
      of('shard'),
      of('row_group'),
      of('row'),
    ];
    keys.forEach((key, i) => {
      admitted.push({ key, sha256: hashes[i], shard: shards[i], rowGroup: groups[i], row: rows[i] });
    });
  }
  await facts.close();
  const fingerprinting = milliseconds / 1000;
  const checking = (chain.figures()[1]?.seconds ?? Number.NaN) - fingerprinting;
  const started = performance.now();
  const { radius, colours, partitionRows } = deduplicateOptionsSchema.parse({});
  const reduction = await reduceFacts(files.facts, folder, {
    fingerprints: files.fingerprints,
    near: { radius, colours },
    partitionRows,
    evaluation: null,
    dropsDuplicates: true,
  });
  const seconds = (performance.now() - started) / 1000;
  const rows: FoundRow[] = [];
  const said = new Map<string, ReturnType<typeof reduction.duplicatesOf>>();
  for (const { key, sha256, shard, rowGroup, row } of admitted) {
    const of = `${rowGroup} ${shard}`;
    const duplicates = said.get(of) ?? reduction.duplicatesOf(shard, rowGroup);
    said.set(of, duplicates);
    rows.push({ key, sha256, group: (await duplicates).get(row)?.kept ?? key });
  }
  reduction.close();
  return { rows, seconds, share: fingerprinting / checking };
}

function withLanguage(batch: RecordBatch): RecordBatch {
  const values = new Array<string>(batch.numRows).fill('und');
  return withColumns(batch, { language: { type: curatedTypes.language, values } });
}

/** The row whose image each row repeats, or the row itself, by key. */
async function plantedGroups(path: string): Promise<Map<string, string>> {
  const truth = await openShard(path);
  const groups = new Map<string, string>();
  for (const { index } of truth.rowGroups) {
    const { key = [], duplicate_of: of = [] } = await truth.readRowGroup(index, ['key', 'duplicate_of']);
    Array.from(key).forEach((name, i) => {
      groups.set(String(name), String(of[i] ?? name));
    });
  }
  return groups;
}

function figures(
  scores: PairScores,
  found: { readonly rows: readonly FoundRow[]; readonly seconds: number; readonly share: number },
): Record<string, number | string> {
  const round = (value: number) => Math.round(value * 10_000) / 10_000;
  return {
    'rows admitted': found.rows.length,
    'near pairs planted': scores.planted,
    'near pairs found': scores.found,
    precision: round(scores.precision),
    recall: round(scores.recall),
    'fingerprints / the rest of check-images': round(found.share),
    'search, rows/s': Math.round(found.rows.length / found.seconds),
    'search, seconds': round(found.seconds),
  };
}
