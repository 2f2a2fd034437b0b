import type { DuckDBConnection } from '@duckdb/node-api';
import { LIST, listValue, VARCHAR } from '@duckdb/node-api';
import type { OpenRun } from '../inspect/open-run.ts';
import type { Sources } from './sources.ts';

/** Source shards of more rows than this aren't read through for the texts of rows that were left out. */
const mostSourceRows = 5_000_000;

/**
 * Puts what the gallery asks of a run into tables of its database, once: `gallery`, a row for every row of the run,
 * numbered as it was written, and `gallery_steps`, the rows selected at each step. Neither holds a picture or an
 * embedding, lists are kept as JSON (a list's values far apart are slow to read), and DuckDB spills them to disk past its memory. Gives why rows that were left out lack their texts.
 */
export async function indexRows(
  connection: DuckDBConnection,
  run: OpenRun,
  sources: Sources | null,
): Promise<string | null> {
  const without = await makeSourceTexts(connection, sources);
  await connection.run(`CREATE TABLE gallery AS SELECT row_number() OVER () - 1 AS id, * FROM (${rowsSql})`);
  await connection.run(`CREATE TABLE gallery_steps AS
    SELECT step, id FROM selections JOIN (SELECT key, id FROM gallery WHERE outcome = 'kept') USING (key)
    ORDER BY step`);
  await connection.run('DROP TABLE gallery_sources');
  if (run.parts.curated === null) return 'The curated rows are no longer where the distillation read them.';
  return without;
}

/** What is found of rows in the source shards, by where they were read. */
const emptySources = `CREATE TABLE gallery_sources (shard VARCHAR, row_group BIGINT, "row" BIGINT, file_row BIGINT,
  texts VARCHAR[], url VARCHAR, width INTEGER, height INTEGER)`;

async function makeSourceTexts(
  connection: DuckDBConnection,
  sources: Sources | null,
): Promise<string | null> {
  await connection.run(emptySources);
  if (sources === null || sources.files.length === 0) return sources?.problem ?? null;
  const problems: string[] = sources.problem === null ? [] : [sources.problem];
  let rows = 0;
  for (const file of sources.files) {
    try {
      rows += await addSource(connection, sources, file, mostSourceRows - rows);
    } catch (error) {
      if (!(error instanceof TooManyRows)) continue;
      problems.push(error.message);
      break;
    }
  }
  return problems.length === 0 ? null : problems.join(' ');
}

class TooManyRows extends Error {}

/** Reads one source shard's rows that were left out, without their pictures. Gives the rows that it has. */
async function addSource(
  connection: DuckDBConnection,
  { columns }: Sources,
  file: string,
  most: number,
): Promise<number> {
  const files = { file: listValue([file.replace(/[[*?]/g, '[$&]')]) };
  const types = { file: LIST(VARCHAR) };
  const read = async (sql: string) => (await connection.runAndReadAll(sql, files, types)).getRowObjectsJS();
  const groups = await read(
    `SELECT DISTINCT row_group_id AS "group", row_group_num_rows AS many FROM parquet_metadata($file) ORDER BY 1`,
  );
  const rows = groups.reduce((sum, { many }) => sum + Number(many), 0);
  if (rows > most) {
    throw new TooManyRows(
      `The source shards have over ${mostSourceRows.toLocaleString('en')} rows: the texts of some rows that were left out are not read.`,
    );
  }
  const described = await read('DESCRIBE SELECT * FROM read_parquet($file, hive_partitioning = false)');
  const typeOf = new Map(described.map((row) => [String(row.column_name), String(row.column_type)]));
  const named = (name: string | null, type: string) =>
    name !== null && typeOf.has(name) ? `TRY_CAST(${quoted(name)} AS ${type})` : `NULL::${type}`;
  const textColumn = columns.texts.find((name) => typeOf.has(name)) ?? null;
  const isList = (typeOf.get(textColumn ?? '') ?? '').endsWith('[]');
  const texts = isList ? named(textColumn, 'VARCHAR[]') : `[${named(textColumn, 'VARCHAR')}]`;
  await connection.run(
    `INSERT INTO gallery_sources
     WITH groups AS (
       SELECT row_group_id, many, sum(many) OVER (ORDER BY row_group_id) - many AS first
       FROM (SELECT DISTINCT row_group_id, row_group_num_rows AS many FROM parquet_metadata($file))),
     gone AS (SELECT shard, row_group, "row" FROM dropped WHERE shard = $path
       UNION SELECT shard, row_group, "row" FROM quarantined WHERE shard = $path AND "row" IS NOT NULL),
     placed AS (SELECT shard, row_group, "row", (first + "row")::BIGINT AS file_row
       FROM gone JOIN groups ON row_group = row_group_id)
     SELECT shard, row_group, "row", file_row, texts, url, width, height FROM placed JOIN (
       SELECT file_row_number AS file_row, ${texts} AS texts, ${named(columns.url, 'VARCHAR')} AS url,
         ${named(columns.width, 'INTEGER')} AS width, ${named(columns.height, 'INTEGER')} AS height
       FROM read_parquet($file, hive_partitioning = false, file_row_number = true)) USING (file_row)`,
    { ...files, path: file },
    types,
  );
  return rows;
}

function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

/** A score that can be sorted by: what is no number is none. */
const finite = (score: string) => `CASE WHEN isfinite(${score}) THEN (${score})::DOUBLE END`;

const selected = `SELECT key, count(*)::INTEGER AS selections, min(step)::INTEGER AS first_step,
  ${finite('max(self_score)')} AS learnability FROM selections GROUP BY key`;

const groups = `SELECT key, any_value(group_key) AS group_key, any_value(many)::INTEGER AS group_size
  FROM (SELECT key, group_key, count(*) OVER (PARTITION BY group_key) AS many FROM duplicates) GROUP BY key`;

const kept = `SELECT 'kept' AS outcome, key, text, alt_texts AS texts, language, ${finite('language_score')} AS language_score,
  NULL::VARCHAR AS stage, NULL::VARCHAR AS reason, NULL::VARCHAR AS value, NULL::VARCHAR AS threshold,
  url, width, height, ${finite('text_score')} AS text_score, regions,
  len(regions)::INTEGER AS region_count, ${finite('list_max([part.score FOR part IN regions])')} AS region_score,
  ${finite('image_stats.entropy')} AS entropy, ${finite('image_stats.sharpness')} AS sharpness, file, file_row
  FROM rows`;

/** Rows that were left out; what their files don't say comes from the source shards. */
const left = (outcome: string, table: string, language: string, value: string, threshold: string) => `
  SELECT '${outcome}' AS outcome, gone.key, NULL::VARCHAR AS text, source.texts, ${language} AS language,
  NULL::DOUBLE AS language_score, gone.stage, gone.reason, ${value} AS value, ${threshold} AS threshold,
  source.url, source.width, source.height, NULL::DOUBLE AS text_score,
  NULL::STRUCT(box FLOAT[], "text" VARCHAR, score FLOAT)[] AS regions, NULL::INTEGER AS region_count,
  NULL::DOUBLE AS region_score, NULL::DOUBLE AS entropy, NULL::DOUBLE AS sharpness,
  gone.shard AS file, source.file_row FROM ${table} AS gone
  LEFT JOIN gallery_sources AS source
  ON gone.shard = source.shard AND gone.row_group = source.row_group AND gone."row" = source."row"`;

const rowsSql = `
  SELECT base.* EXCLUDE (texts, regions), to_json(texts)::VARCHAR AS texts, to_json(regions)::VARCHAR AS regions,
    (width::BIGINT * height)::DOUBLE AS pixels,
    length(coalesce(text, texts[1]))::INTEGER AS characters,
    lower(array_to_string(texts, chr(10))) AS search,
    CASE WHEN outcome = 'kept' THEN chosen.selections END AS selections,
    CASE WHEN outcome = 'kept' THEN chosen.first_step END AS first_step,
    CASE WHEN outcome = 'kept' THEN chosen.learnability END AS learnability,
    together.group_key, together.group_size,
    (hash(outcome, key, file, file_row) % 2147483648)::DOUBLE AS shuffle
  FROM (
    ${kept}
    UNION ALL ${left('dropped', 'dropped', 'gone.language', 'gone.value', 'gone.threshold')}
    UNION ALL ${left('quarantined', 'quarantined', 'NULL::VARCHAR', 'gone.detail', 'NULL::VARCHAR')}
  ) AS base
  LEFT JOIN (${selected}) AS chosen USING (key)
  LEFT JOIN (${groups}) AS together USING (key)
  ORDER BY CASE outcome WHEN 'kept' THEN 0 WHEN 'dropped' THEN 1 ELSE 2 END, file, file_row, key`;
