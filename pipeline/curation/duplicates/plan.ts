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
 * Ranks the facts by their bytes: the table `ranked` adds `rep_id`, the row that stands for all with the same image
 * (the first of {@link bestFirst}), to each row of the table `facts`.
 */
export async function rankByBytes(database: Database): Promise<void> {
  await database.run(`CREATE TABLE ranked AS ${rankingSql('*', 'facts')}`);
}

/** Columns of rows, and `rep_id` as {@link rankByBytes} has it. */
export function rankingSql(columns: string, from: string): string {
  return `SELECT ${columns}, first_value(id) OVER same AS rep_id
    FROM ${from} WINDOW same AS (PARTITION BY sha256 ORDER BY ${bestFirst})`;
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
    SELECT DISTINCT ON (rep_id) rep_id, key, distance, colours FROM (
      SELECT r.rep_id, e.key, NULL AS distance, NULL AS colours
      FROM ranked r JOIN evaluation e USING (sha256)
      UNION ALL SELECT p.probe, e.key, p.distance, p.colours
      FROM rows_in_evaluation p JOIN evaluation e ON e.id = p.base
      UNION ALL SELECT p.base, e.key, p.distance, p.colours
      FROM evaluation_in_rows p JOIN evaluation e ON e.id = p.probe)
    ORDER BY rep_id, distance NULLS FIRST, colours, key`);
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
  await openFingerprints(database, 'evaluation_fingerprints', evaluation.fingerprints, 'true');
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
      INSERT INTO pairs SELECT * FROM ${found.files('pairs')}
      WHERE probe NOT IN (SELECT rep_id FROM left_out) AND base NOT IN (SELECT rep_id FROM left_out)`);
  } else if (near !== null) {
    await database.run(`
      CREATE VIEW clean_fingerprints AS SELECT * FROM unique_fingerprints
      WHERE id NOT IN (SELECT rep_id FROM left_out)`);
    const clean = 'clean_fingerprints';
    await findNearPairs(database, { probe: clean, base: clean, into: 'pairs' }, near, folder);
  }
  await groupPairs(database, 'pairs');
}

/**
 * Puts the rows into groups of duplicates, those in the views `left_out` and `textless` aside: the table `grouped` adds
 * to `ranked`, for each row, the kept row of its group (`kept_id`, `kept_key`, `kept_sha256`). Rows that earlier runs wrote are
 * in it whatever is found of them now. The table `closest` (id,
 * through, distance, colours) says which pair connects a near duplicate: the one with the kept row, where there is one.
 */
export async function groupDuplicates(database: Database): Promise<void> {
  await database.run(`
    CREATE TABLE grouped AS
    SELECT *, first_value(id) OVER alike AS kept_id, first_value(key) OVER alike AS kept_key,
      first_value(sha256) OVER alike AS kept_sha256
    FROM (SELECT r.*, coalesce(m.root, r.rep_id) AS root FROM ranked r LEFT JOIN members m ON m.id = r.rep_id)
    WHERE rep_id NOT IN (SELECT rep_id FROM left_out) AND id NOT IN (SELECT id FROM textless)
      OR pixels = ${writtenPixels}
    WINDOW alike AS (PARTITION BY root ORDER BY ${bestFirst})`);
  await database.run(`
    CREATE TABLE closest AS
    SELECT DISTINCT ON (l.id) l.id, o.key AS through, l.distance, l.colours FROM (
      SELECT probe AS id, base AS other, distance, colours FROM pairs
      UNION ALL SELECT base, probe, distance, colours FROM pairs) l
    JOIN (SELECT DISTINCT ON (rep_id) rep_id, id, kept_id, key FROM grouped ORDER BY rep_id, ${bestFirst}) o
      ON o.rep_id = l.other
    ORDER BY l.id, o.id <> o.kept_id, l.distance, l.colours, o.key`);
}

/** Makes a view of a file's fingerprints, of those rows only for which a condition holds. */
export async function openFingerprints(
  database: Database,
  view: string,
  files: RowFiles,
  condition: string,
): Promise<void> {
  await database.run(`CREATE VIEW ${view} AS SELECT * FROM ${relationOf(files)} WHERE ${condition}`);
}
