import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { DuckDBInstance } from '@duckdb/node-api';

/** How one filter did against the planted truth. */
export interface FilterScore {
  /** Rows that have what it looks for, of those that it saw. */
  readonly planted: number;
  /** Rows that it found, whether it dropped, quarantined or labelled them. */
  readonly found: number;
  /** Rows that it found and that have it. */
  readonly right: number;
  /** right / found; 1 where nothing was found. */
  readonly precision: number;
  /** right / planted; 1 where nothing was planted. */
  readonly recall: number;
}

/** The defects of emoji-109 and the reasons by which filters of images find them; none is planted for the last three. */
const imageFilters: readonly (readonly [defect: string, reason: string])[] = [
  ['truncated', 'undecodable-image'],
  ['empty', 'empty-image'],
  ['bombs', 'pixel-limit'],
  ['tiny', 'too-small'],
  ['extremeAspect', 'aspect'],
  ['none', 'animated'],
  ['none', 'blank'],
  ['none', 'near-blank'],
];
const textFilters = [
  'file-name',
  'placeholder',
  'footer',
  'no-letters',
  'too-short',
  'repetition',
  'boilerplate',
];

/**
 * Scores the filters of images and texts of a curation run against the truth of its pool (`truth.parquet`): what was
 * dropped, quarantined, labelled or removed, joined by key. The score `texts` is of rows: those with planted
 * boilerplate against those that lost, or would have lost, a text; it looks at the rows that the filters of texts saw
 * and no later stage dropped (labels of a dropped row are lost), so a run without a mix and without duplicates dropped says most. `entities` counts the
 * kept rows with planted entities of which no text holds any.
 */
export async function filterScores(
  runFolder: string,
  truthPath: string,
): Promise<Record<string, FilterScore>> {
  const instance = await DuckDBInstance.create(':memory:');
  const connection = await instance.connect();
  try {
    const files = async (part: string) => {
      const names = await readdir(join(runFolder, part)).catch(() => []);
      return names.some((name) => name.endsWith('.parquet')) ? join(runFolder, part, '*.parquet') : null;
    };
    const run = (sql: string, values: Record<string, string> = {}) => connection.run(sql, values);
    const rowsOf = async (sql: string, values: Record<string, string> = {}) =>
      (await connection.runAndReadAll(sql, values)).getRowObjectsJS();
    await run('CREATE TABLE found (key VARCHAR, stage VARCHAR, reason VARCHAR)');
    await run('CREATE TABLE kept (key VARCHAR, alt_texts VARCHAR[])');
    await run('CREATE TABLE truth AS SELECT key, defects FROM read_parquet($truth)', { truth: truthPath });
    for (const part of ['dropped', 'quarantine']) {
      const path = await files(part);
      if (path) await run('INSERT INTO found SELECT key, stage, reason FROM read_parquet($path)', { path });
    }
    const shards = await files('shards');
    if (shards) {
      await run('INSERT INTO kept SELECT key, alt_texts FROM read_parquet($shards)', { shards });
      const described = await rowsOf('DESCRIBE SELECT * FROM read_parquet($shards)', { shards });
      const has = (name: string) => described.some(({ column_name }) => column_name === name);
      const unnested = (name: string, stage: string) =>
        run(
          `INSERT INTO found SELECT key, ${stage}, one.reason
           FROM (SELECT key, unnest(${name}) AS one FROM read_parquet($shards))`,
          { shards },
        );
      if (has('labels')) await unnested('labels', 'one.stage');
      if (has('removed_texts')) await unnested('removed_texts', "'clean-texts'");
    }
    const score = async (planted: string, found: string, seen = 'true'): Promise<FilterScore> => {
      const [row] = await rowsOf(`
        WITH judged AS (
          SELECT ${planted} AS planted, key IN (SELECT key FROM found WHERE ${found}) AS found
          FROM truth WHERE ${seen})
        SELECT count_if(planted)::INT AS planted, count_if(found)::INT AS found,
          count_if(planted AND found)::INT AS "right" FROM judged`);
      return scoreOf(Number(row?.planted), Number(row?.found), Number(row?.right));
    };
    const scores: Record<string, FilterScore> = {};
    for (const [defect, reason] of imageFilters) {
      const name = defect === 'none' ? reason : defect;
      scores[name] = await score(`list_contains(defects, '${defect}')`, `reason = '${reason}'`);
    }
    const ofTexts = "stage IN ('clean-texts', 'drop-boilerplate')";
    const seen = `(key IN (SELECT key FROM kept) OR key IN (SELECT key FROM found WHERE ${ofTexts}))`;
    const planted = "list_contains(defects, 'boilerplate')";
    scores.texts = await score(planted, ofTexts, seen);
    for (const reason of textFilters) {
      scores[`texts: ${reason}`] = await score(planted, `${ofTexts} AND reason = '${reason}'`, seen);
    }
    const [entities] = await rowsOf(`
      SELECT count(*)::INT AS planted, count_if(NOT regexp_matches(array_to_string(alt_texts, ' '),
        '&(#\\d+|#x[0-9a-f]+|[a-z]+);|</?[a-z]+[ />]', 'i'))::INT AS "right"
      FROM kept JOIN truth USING (key) WHERE list_contains(defects, 'entities')`);
    const cleaned = Number(entities?.right);
    scores.entities = scoreOf(Number(entities?.planted), cleaned, cleaned);
    return scores;
  } finally {
    connection.closeSync();
    instance.closeSync();
  }
}

function scoreOf(planted: number, found: number, right: number): FilterScore {
  const share = (of: number) => (of === 0 ? 1 : right / of);
  return { planted, found, right, precision: share(found), recall: share(planted) };
}
