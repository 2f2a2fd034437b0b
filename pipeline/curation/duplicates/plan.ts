import type { Nearness } from '../../../stages/duplicates/nearness.ts';
import { type Database, type RowFiles, relationOf, writtenPixels } from './database.ts';
import { groupPairs } from './groups.ts';
import { findNearPairs, type Partitioning } from './near-pairs.ts';

/** An evaluation set: its rows' facts (parquet: id, key, sha256) and fingerprints, and what is done about them. */
export interface EvaluationSearch extends Nearness {
  readonly facts: string;
  readonly fingerprints: string;
  /** Whether contaminated rows are dropped, and so no part of groups. */
  readonly dropsRows: boolean;
}

/**
 * Ranks rows by their bytes: makes the table `ranked` (id, rep_id, language, pixels, draw, score) of the view `facts`,
 * where `rep_id` is the row that stands for all with the same image, the first of {@link bestFirst}. `ranks` is a relation
 * of those for which another one stands, as {@link rankingSql} has it. What is text is left where it is: it would be most
 * of what has to be held.
 */
export async function rankByBytes(database: Database, ranks: string): Promise<void> {
  await database.run(`
    CREATE TABLE ranked AS
    SELECT f.id, coalesce(r.rep_id, f.id) AS rep_id, f.language, f.pixels, f.draw, f.score
    FROM facts f LEFT JOIN ${ranks} r USING (id)`);
}

/** The rows of facts for which another one stands: id, rep_id. */
export function rankingSql(facts: string): string {
  // Most images are there once: they are told by a number, and what rows are ranked by is looked at of the others alone.
  return `SELECT id, rep_id FROM (
      SELECT id, first_value(id) OVER (PARTITION BY sha256 ORDER BY ${bestFirst}) AS rep_id
      FROM (SELECT *, hash(sha256) AS number FROM ${facts})
      SEMI JOIN (SELECT hash(sha256) AS number FROM ${facts} GROUP BY 1 HAVING count(*) > 1) USING (number))
    WHERE id <> rep_id`;
}

/** Which of several rows is kept: the one with the most pixels, then the first by key, wherever it stands. */
const bestFirst = 'pixels DESC, key, shard, row_group, row';

/**
 * Finds the rows whose images are in an evaluation set or near one of its images, either way round: the table
 * `contaminated` (rep_id, evaluation_key, distance, colours; the last two null for the same bytes), a row for each
 * image that is, with the nearest of the set. The view `left_out` has those that are dropped for it.
 */
export async function findContaminated(
  database: Database,
  evaluation: EvaluationSearch | null,
  partitioning: Partitioning,
  folder: string,
  found: FoundPairs | null = null,
): Promise<void> {
  await database.run(
    'CREATE TABLE contaminated (rep_id BIGINT, evaluation_key VARCHAR, distance INT, colours DOUBLE)',
  );
  const isOut = evaluation?.dropsRows ? 'true' : 'false';
  await database.run(`CREATE VIEW left_out AS SELECT rep_id FROM contaminated WHERE ${isOut}`);
  if (evaluation === null) return;
  await database.run(`CREATE TABLE evaluation AS SELECT * FROM ${relationOf(evaluation.facts)}`);
  if (found === null) await pairWithEvaluation(database, evaluation, partitioning, folder);
  else {
    for (const into of evaluationPairs) {
      await database.run(`CREATE VIEW ${into} AS SELECT * FROM ${found.files(into)}`);
    }
  }
  await database.run(`
    INSERT INTO contaminated
    ${firstOf(
      'rep_id',
      'distance NULLS FIRST, colours, key',
      `SELECT r.rep_id, e.key, NULL AS distance, NULL AS colours
      FROM facts f JOIN evaluation e USING (sha256) JOIN ranked r ON r.id = f.id
      UNION ALL SELECT p.probe, e.key, p.distance, p.colours
      FROM rows_in_evaluation p JOIN evaluation e ON e.id = p.base
      UNION ALL SELECT p.base, e.key, p.distance, p.colours
      FROM evaluation_in_rows p JOIN evaluation e ON e.id = p.probe`,
    )}`);
}

/** The first row, in an order, of each group of a query's: unlike `DISTINCT ON`, DuckDB spills it. */
function firstOf(group: string, order: string, query: string): string {
  return `SELECT * EXCLUDE (nth) FROM (
      SELECT *, row_number() OVER (PARTITION BY ${group} ORDER BY ${order}) AS nth FROM (${query}))
    WHERE nth = 1`;
}

/** Pairs that were found before, by the table that they belong in: relations of probe, base, distance, colours. */
export interface FoundPairs {
  readonly files: (into: 'pairs' | (typeof evaluationPairs)[number]) => string;
}

/** The tables of rows near an evaluation set's images, and the other way round. */
export const evaluationPairs = ['rows_in_evaluation', 'evaluation_in_rows'] as const;

/** Makes the tables {@link evaluationPairs} of the view `unique_fingerprints` and an evaluation set's. */
export async function pairWithEvaluation(
  database: Database,
  evaluation: EvaluationSearch,
  partitioning: Partitioning,
  folder: string,
): Promise<void> {
  await openFingerprints(database, 'evaluation_fingerprints', evaluation.fingerprints);
  const options = { ...evaluation, ...partitioning };
  const [rows, set] = ['unique_fingerprints', 'evaluation_fingerprints'];
  const [inSet, inRows] = evaluationPairs;
  await findNearPairs(database, { probe: rows, base: set, into: inSet }, options, folder);
  await findNearPairs(database, { probe: set, base: rows, into: inRows }, options, folder);
}

/**
 * Finds which images are duplicates of which, those in the view `left_out` aside: the tables `pairs` of near ones and
 * `members` (id, root) of the groups that they make.
 */
export async function pairDuplicates(
  database: Database,
  near: (Nearness & Partitioning) | null,
  folder: string,
  found: FoundPairs | null = null,
): Promise<void> {
  await database.run('CREATE TABLE pairs (probe BIGINT, base BIGINT, distance INT, colours DOUBLE)');
  if (near !== null && found !== null) {
    await database.run(`
      INSERT INTO pairs SELECT p.* FROM ${found.files('pairs')} p
      ANTI JOIN left_out a ON a.rep_id = p.probe ANTI JOIN left_out b ON b.rep_id = p.base`);
  } else if (near !== null) {
    await database.run(`
      CREATE VIEW clean_fingerprints AS SELECT f.* FROM unique_fingerprints f
      ANTI JOIN left_out l ON l.rep_id = f.id`);
    const clean = 'clean_fingerprints';
    await findNearPairs(database, { probe: clean, base: clean, into: 'pairs' }, near, folder);
  }
  await groupPairs(database, 'pairs');
}

/**
 * Puts rows into groups of duplicates, those in the views `left_out` and `textless` aside: the table `gathered` (id, rep_id,
 * kept_id, kept_key, exact, key, place) has the rows that others are alike, with the kept row of their group, whether they
 * have its bytes, and their place among those of the same bytes. The view `grouped` has what is left of `ranked`, with the
 * `kept_id` of each row. Rows that earlier runs wrote are in it whatever is found of them now. The table `closest` (id,
 * through, distance, colours) says which pair connects a near duplicate: the one with the kept row, where there is one.
 */
export async function groupDuplicates(database: Database): Promise<void> {
  const isNew = `r.pixels IS DISTINCT FROM ${writtenPixels}`;
  await database.run(`
    CREATE TABLE excluded AS
    SELECT r.id FROM ranked r SEMI JOIN left_out USING (rep_id) WHERE ${isNew}
    UNION SELECT r.id FROM ranked r SEMI JOIN textless USING (id) WHERE ${isNew}`);
  await database.run(`
    CREATE TABLE gathered AS
    SELECT id, rep_id, first_value(id) OVER alike AS kept_id, first_value(key) OVER alike AS kept_key,
      sha256 = first_value(sha256) OVER alike AS exact, key,
      row_number() OVER (PARTITION BY rep_id ORDER BY ${bestFirst}) AS place
    FROM (
      SELECT f.id, f.key, f.shard, f.row_group, f."row", f.sha256, f.pixels, r.rep_id,
        coalesce(m.root, r.rep_id) AS root
      FROM ranked r
      LEFT JOIN members m ON m.id = r.rep_id
      LEFT JOIN (SELECT DISTINCT rep_id FROM ranked WHERE rep_id <> id) s ON s.rep_id = r.rep_id
      JOIN facts f ON f.id = r.id
      WHERE m.root IS NOT NULL OR s.rep_id IS NOT NULL)
    ANTI JOIN excluded USING (id)
    WINDOW alike AS (PARTITION BY root ORDER BY ${bestFirst})`);
  await database.run(`
    CREATE VIEW grouped AS
    SELECT r.*, coalesce(g.kept_id, r.id) AS kept_id
    FROM ranked r LEFT JOIN gathered g USING (id) ANTI JOIN excluded e ON e.id = r.id`);
  const connections = `
    SELECT l.id, o.key AS through, l.distance, l.colours, o.id <> o.kept_id AS is_other FROM (
      SELECT probe AS id, base AS other, distance, colours FROM pairs
      UNION ALL SELECT base, probe, distance, colours FROM pairs) l
    JOIN gathered o ON o.rep_id = l.other AND o.place = 1`;
  await database.run(`
    CREATE TABLE closest AS
    SELECT * EXCLUDE (is_other) FROM (
      ${firstOf('id', 'is_other, distance, colours, through', connections)})`);
}

/** Makes a view of a file's fingerprints, without the rows of a relation's ids where one is named. */
export async function openFingerprints(
  database: Database,
  view: string,
  files: RowFiles,
  without?: string,
): Promise<void> {
  const others = without === undefined ? '' : `ANTI JOIN ${without} w ON w.id = f.id`;
  await database.run(`CREATE VIEW ${view} AS SELECT f.* FROM ${relationOf(files)} f ${others}`);
}
