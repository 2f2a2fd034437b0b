import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { exactly } from '../sql-text.ts';
import { type Picture, pictureOf } from './pictures.ts';
import {
  numberOf,
  parquetFiles,
  type Query,
  type QueryRow,
  textOf,
  textsOf,
  withQueries,
} from './queries.ts';

/** A row that was kept. */
export interface KeptExample {
  readonly key: string;
  readonly language: string;
  readonly languageScore: number;
  /** The alt-text that trains. */
  readonly text: string;
  readonly texts: readonly string[];
  readonly picture: Picture;
}

/** A row that was dropped or quarantined. */
export interface LeftExample {
  readonly stage: string;
  readonly reason: string;
  readonly kind: 'dropped' | 'quarantined';
  /** The row's key, or where it was read when it has none. */
  readonly name: string;
  /** The value that decided, or what went wrong. */
  readonly detail: string;
  readonly texts: readonly string[];
  /** The language that its page declared; empty when it isn't known. */
  readonly language: string;
  readonly picture: Picture;
}

/** One labelled region: box (ymin, xmin, ymax, xmax) as fractions of the picture. */
export interface RegionBox {
  readonly box: readonly [number, number, number, number];
  readonly text: string;
  readonly score: number;
}

/** A kept row with its regions, best first. */
export interface RegionExample extends KeptExample {
  readonly regions: readonly RegionBox[];
}

/** What a curation page shows of a run's rows. */
export interface CurationExamples {
  readonly kept: readonly KeptExample[];
  readonly left: readonly LeftExample[];
  readonly regions: readonly RegionExample[];
}

/** Longer sides of pictures, in pixels: small ones, and those that boxes are drawn over. */
const sides = { small: 128, boxes: 256 };
const counts = { english: 4, others: 14, perReason: 4, regions: 12 };

/**
 * Picks examples from a run's folder: the same ones each time, by a hash of their keys. Pictures of rows that
 * weren't kept come from the input shards that the manifest names; a shard that is gone means no picture.
 */
export async function curationExamples(folder: string): Promise<CurationExamples> {
  const shards = (await parquetFiles(join(folder, 'shards'))).map(exactly);
  return withQueries(async (query) => ({
    kept: await keptExamples(query, shards),
    left: await leftExamples(query, folder),
    regions: await regionExamples(query, shards),
  }));
}

async function keptExamples(query: Query, shards: readonly string[]): Promise<KeptExample[]> {
  if (shards.length === 0) return [];
  const picked = await query(
    `WITH ranked AS (
       SELECT key, language, row_number() OVER (PARTITION BY language ORDER BY md5(key)) AS nth
       FROM read_parquet($shards, hive_partitioning = false))
     (SELECT key FROM ranked WHERE language = 'en' AND nth <= $english)
     UNION ALL
     (SELECT key FROM ranked WHERE language <> 'en' ORDER BY nth, md5(language) LIMIT $others)`,
    { shards, english: counts.english, others: counts.others },
  );
  const keys = picked.map((row) => textOf(row, 'key'));
  const rows = await query(
    `SELECT key, language, language_score, text, alt_texts, image.bytes AS bytes
     FROM read_parquet($shards, hive_partitioning = false) WHERE list_contains($keys, key) ORDER BY language <> 'en', md5(key)`,
    { shards, keys },
  );
  return Promise.all(rows.map((row) => keptExample(row, sides.small)));
}

async function keptExample(row: QueryRow, side: number): Promise<KeptExample> {
  return {
    key: textOf(row, 'key'),
    language: textOf(row, 'language'),
    languageScore: numberOf(row, 'language_score'),
    text: textOf(row, 'text'),
    texts: textsOf(row, 'alt_texts'),
    picture: await pictureOf(row.bytes, side),
  };
}

async function regionExamples(query: Query, shards: readonly string[]): Promise<RegionExample[]> {
  if (shards.length === 0) return [];
  const columns = await query('SELECT DISTINCT name FROM parquet_schema($shards)', { shards });
  if (!columns.some((row) => row.name === 'regions')) return [];
  const picked = await query(
    `SELECT key FROM read_parquet($shards, hive_partitioning = false) WHERE len(regions) > 0
     ORDER BY len(list_distinct([region.text FOR region IN regions])) DESC, len(regions) DESC, md5(key) LIMIT $most`,
    { shards, most: counts.regions },
  );
  const keys = picked.map((row) => textOf(row, 'key'));
  const rows = await query(
    `SELECT key, language, language_score, text, alt_texts, image.bytes AS bytes, regions
     FROM read_parquet($shards, hive_partitioning = false) WHERE list_contains($keys, key)
     ORDER BY list_position($keys, key)`,
    { shards, keys },
  );
  return Promise.all(
    rows.map(async (row) => ({ ...(await keptExample(row, sides.boxes)), regions: regionsOf(row.regions) })),
  );
}

function regionsOf(value: unknown): RegionBox[] {
  const list = (Array.isArray(value) ? value : []) as { box: number[]; text: string; score: number }[];
  return list
    .map(({ box: [ymin = 0, xmin = 0, ymax = 0, xmax = 0], text, score }): RegionBox => {
      return { box: [ymin, xmin, ymax, xmax], text, score };
    })
    .sort((a, b) => b.score - a.score);
}

async function leftExamples(query: Query, folder: string): Promise<LeftExample[]> {
  const some = (rows: string) => `
    WITH ranked AS (
      SELECT *, row_number() OVER (PARTITION BY stage, reason ORDER BY md5(coalesce(key, '')), detail) AS nth
      FROM (${rows}))
    SELECT * FROM ranked WHERE nth <= $most ORDER BY stage, reason, nth`;
  const read = async (part: string, rows: string) => {
    const files = (await parquetFiles(join(folder, part))).map(exactly);
    return files.length === 0 ? [] : query(some(rows), { files, most: counts.perReason });
  };
  const dropped = await read(
    'dropped',
    `SELECT key, stage, reason, concat_ws(' against ', value, threshold) AS detail, NULL AS place
     FROM read_parquet($files, hive_partitioning = false)`,
  );
  const quarantined = await read(
    'quarantine',
    `SELECT key, stage, reason, detail,
       concat_ws(', ', parse_filename(shard), 'row group ' || row_group, 'row ' || "row") AS place
     FROM read_parquet($files, hive_partitioning = false)`,
  );
  const keys = [...dropped, ...quarantined].map((row) => textOf(row, 'key')).filter((key) => key !== '');
  const sources = await sourceRows(query, await inputShards(folder), keys);
  const exampleOf = async (row: QueryRow, kind: LeftExample['kind']): Promise<LeftExample> => {
    const source = sources.get(textOf(row, 'key'));
    return {
      stage: textOf(row, 'stage'),
      reason: textOf(row, 'reason'),
      kind,
      name: textOf(row, 'key') || textOf(row, 'place'),
      detail: textOf(row, 'detail'),
      texts: source ? textsOf(source, 'alt_texts') : [],
      language: source ? textOf(source, 'page_language') : '',
      picture: source ? await pictureOf(source.bytes, sides.small) : { missing: 'source row not found' },
    };
  };
  return Promise.all([
    ...dropped.map((row) => exampleOf(row, 'dropped')),
    ...quarantined.map((row) => exampleOf(row, 'quarantined')),
  ]);
}

/** The rows of input shards that have these keys, by key. A shard that is gone or unsound is passed over. */
async function sourceRows(
  query: Query,
  shards: readonly string[],
  keys: readonly string[],
): Promise<Map<string, QueryRow>> {
  const found = new Map<string, QueryRow>();
  for (const shard of shards) {
    const wanted = keys.filter((key) => !found.has(key));
    if (wanted.length === 0) break;
    const rows = await query(
      `SELECT key, image.bytes AS bytes, alt_texts, page_language
       FROM read_parquet($shard, hive_partitioning = false) WHERE list_contains($wanted, key)`,
      { shard: exactly(shard), wanted },
    ).catch(() => []);
    for (const row of rows) found.set(textOf(row, 'key'), row);
  }
  return found;
}

/** The input shards that a run's manifest names; none when there is no manifest. */
async function inputShards(folder: string): Promise<string[]> {
  const text = await readFile(join(folder, 'manifest.json'), 'utf8').catch(() => '{}');
  const { input = [] } = JSON.parse(text) as { input?: readonly { path: string }[] };
  return input.map(({ path }) => path);
}
