import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { type DuckDBConnection, DuckDBInstance } from '@duckdb/node-api';
import { writeJson } from '../../pipeline/run-folder.ts';
import { shardName } from '../../stages/write-shards.ts';

const rowsOfShard = 10_000;
const languages = 109;

/** Rows of the files of such a run, of so many kept ones. */
export function sizesOf(kept: number) {
  return {
    kept,
    dropped: Math.ceil(kept / 2),
    quarantined: Math.ceil(kept / 20),
    offers: kept,
    batches: 500,
  };
}

/** Half of the rows are English, the others of languages that are ever rarer. */
const language = `CASE WHEN hash(i, 'l') % 2 = 0 THEN 'en'
  ELSE 'l' || (${languages} * pow((hash(i, 'm') % 1000) / 1000.0, 3))::INT END`;
const draw = (salt: string) => `((hash(i, '${salt}') % 1000000) / 1000000.0)`;
const word = (salt: string) => `'word' || (1000 * pow(${draw(salt)}, 2))::INT`;
const text = `${word('a')} || ' ' || ${word('b')} || ' ' || ${word('c')}`;
const key = (i: string) => `'row-' || lpad((${i})::VARCHAR, 9, '0')`;

const keptSql = `SELECT ${key('i')} AS key, 'https://host-' || i % 9973 || '.example/' || i AS url,
  {bytes: repeat('x', 200)::BLOB, path: i || '.jpg'} AS image, [${text}, ${word('d')}] AS alt_texts,
  'Page ' || i AS page_title, ${language} AS page_language, (64 + hash(i, 'w') % 2000)::INT AS width,
  (64 + hash(i, 'h') % 2000)::INT AS height,
  {bytes: (2000 + hash(i, 's') % 100000)::INT, format: 'jpeg', channels: 3, frames: 1, mean: (255 * ${draw('x')})::FLOAT,
   deviation: (90 * ${draw('y')})::FLOAT, entropy: (8 * ${draw('e')})::FLOAT, sharpness: (5000 * ${draw('z')})::FLOAT,
   chroma: (90 * ${draw('q')})::FLOAT} AS image_stats,
  sha256(i::VARCHAR) AS sha256, ${text} AS text,
  []::STRUCT("text" VARCHAR, reason VARCHAR, "value" VARCHAR, threshold VARCHAR)[] AS removed_texts,
  ${language} AS language, ${draw('c')}::FLOAT AS language_score,
  list_transform(range((hash(i, 'n') % 3)::INT), lambda r: {box: [0.1, 0.2, 0.6, 0.7]::FLOAT[], "text":
    'word' || (hash(i, r) % 1000), score: (hash(i, r) % 100 / 100.0)::FLOAT}) AS regions,
  [${draw('t')}::FLOAT] AS text_scores, ${draw('t')}::FLOAT AS text_score
FROM range($first::BIGINT, $last::BIGINT) AS made(i)`;

const droppedSql = `SELECT ${key('i + $kept::BIGINT')} AS key,
  CASE i % 3 WHEN 0 THEN 'check-images' WHEN 1 THEN 'deduplicate' ELSE 'mix-languages' END AS stage,
  CASE i % 3 WHEN 0 THEN 'aspect' WHEN 1 THEN 'exact-duplicate' ELSE 'over-share' END AS reason,
  CASE i % 3 WHEN 1 THEN 'of ' || ${key('hash(i) % $kept::BIGINT')} ELSE (hash(i) % 1000)::VARCHAR END AS value,
  CASE i % 3 WHEN 1 THEN NULL ELSE '4' END AS threshold,
  CASE i % 3 WHEN 1 THEN ${key('hash(i) % $kept::BIGINT')} END AS kept_key, ${language} AS language,
  'pool/' || i % 100 || '.parquet' AS shard, 0::INT AS row_group, i::INT AS "row"
FROM range($dropped::BIGINT) AS made(i)`;

const quarantinedSql = `SELECT ${key('i + 2 * $kept::BIGINT')} AS key, 'pool/' || i % 100 || '.parquet' AS shard,
  0::INT AS row_group, i::INT AS "row", 'check-images' AS stage, 'undecodable-image' AS reason,
  'cut short' AS detail FROM range($quarantined::BIGINT) AS made(i)`;

const lineageSql = `SELECT ${key('i')} AS key, 'pool/' || i % 100 || '.parquet' AS shard, 0::INT AS row_group,
  i::INT AS "row", (i % ${rowsOfShard})::INT AS file_row FROM range($first::BIGINT, $last::BIGINT) AS made(i)`;

const offersSql = `SELECT (i // ($offers::BIGINT // $batches::BIGINT))::INT AS step, (i % ($offers::BIGINT // $batches::BIGINT))::INT AS index,
  ${key('hash(i, 7) % $kept::BIGINT')} AS key, (6 * ${draw('1')})::FLOAT AS self_score, (8 * ${draw('2')})::FLOAT AS learner_loss,
  (2 * ${draw('3')})::FLOAT AS teacher_loss FROM range($offers::BIGINT) AS made(i)`;

const selectionsSql = `SELECT step, (index // 4)::INT AS position, (index // 64)::INT AS chunk, index, key,
  'en' AS language, self_score, self_score AS logit, learner_loss, teacher_loss FROM (${offersSql}) WHERE index % 4 = 0`;

/** Writes a run's folder as the demo's, of made metadata: `kept` rows, half as many dropped, and tiny images. */
export async function makeRun(folder: string, kept: number): Promise<void> {
  const [curated, distilled] = [join(folder, 'curated'), join(folder, 'distilled')];
  for (const part of ['shards', 'dropped', 'quarantine', 'lineage']) {
    await mkdir(join(curated, part), { recursive: true });
  }
  await mkdir(distilled, { recursive: true });
  const instance = await DuckDBInstance.create(':memory:', { memory_limit: '2GB', temp_directory: folder });
  const connection = await instance.connect();
  const { dropped, quarantined, offers, batches } = sizesOf(kept);
  try {
    for (let first = 0; first < kept; first += rowsOfShard) {
      const range = { first, last: Math.min(kept, first + rowsOfShard) };
      const name = shardName(first / rowsOfShard);
      await write(connection, keptSql, join(curated, 'shards', name), range);
      await write(connection, lineageSql, join(curated, 'lineage', name), range);
    }
    const part = (name: string) => join(curated, name, shardName(0));
    await write(connection, droppedSql, part('dropped'), { kept, dropped });
    await write(connection, quarantinedSql, part('quarantine'), { kept, quarantined });
    await write(connection, offersSql, join(distilled, 'offers.parquet'), { kept, offers, batches });
    await write(connection, selectionsSql, join(distilled, 'selections.parquet'), { kept, offers, batches });
  } finally {
    connection.closeSync();
    instance.closeSync();
  }
  await writeReports(curated, distilled, kept);
}

async function write(
  connection: DuckDBConnection,
  sql: string,
  path: string,
  values: Readonly<Record<string, number>>,
): Promise<void> {
  const bound = Object.fromEntries(Object.entries(values).map(([name, value]) => [name, BigInt(value)]));
  await connection.run(`COPY (${sql}) TO $path (FORMAT parquet, COMPRESSION zstd)`, { ...bound, path });
}

async function writeReports(curated: string, distilled: string, kept: number): Promise<void> {
  const { dropped, quarantined } = sizesOf(kept);
  const read = kept + dropped + quarantined;
  const names = ['en', ...Array.from({ length: languages }, (_, i) => `l${i}`)];
  const perLanguage = names.map((name) => ({
    language: name,
    seen: Math.ceil(read / names.length),
    available: Math.ceil(kept / names.length),
    kept: Math.floor(kept / names.length),
    requestedShare: 1 / names.length,
    realisedShare: 1 / names.length,
  }));
  const stages = ['read-shards', 'check-images', 'deduplicate', 'mix-languages', 'write-shards'];
  const counts = { read, kept, dropped, quarantined, seed: 1 };
  await writeJson(join(curated, 'manifest.json'), { kind: 'curation', config: {} });
  await writeJson(join(curated, 'report.json'), {
    ...counts,
    stages: stages.map((stage) => ({ stage, in: read, out: kept, seconds: 1 })),
    languages: perLanguage,
  });
  const offered = Object.fromEntries(names.map((name) => [name, { offered: 10, selected: 3 }]));
  await writeJson(join(distilled, 'manifest.json'), { kind: 'distillation', config: {} });
  await writeJson(join(distilled, 'report.json'), { drift: { counts: offered } });
}
