import { DuckDBInstance } from '@duckdb/node-api';
import { areaUnderCurve } from './rank.ts';

/** How well the teacher's similarity tells planted mismatched alt-texts from those that belong. */
export interface TeacherScoreFigures {
  /** Kept rows that were compared. */
  readonly rows: number;
  readonly mismatched: number;
  /** How often a row whose texts belong has the higher `text_score`; 0.5 is chance. */
  readonly auc: number;
  /** The same of rows with one picture, and of canvases. */
  readonly aucSingles: number;
  readonly aucCanvases: number;
  /** The same of English rows. */
  readonly aucEnglish: number;
}

/**
 * Compares `text_score` of a curation run's rows with the planted truth. Rows whose text is planted boilerplate say
 * nothing of either and are rare: they count with their own truth. Throws when the run had no teacher.
 */
export async function benchTeacherScores(runFolder: string, truthPath: string): Promise<TeacherScoreFigures> {
  const instance = await DuckDBInstance.create();
  const connection = await instance.connect();
  const rows = (
    await connection.runAndReadAll(
      `SELECT r.text_score::DOUBLE AS score, list_contains(t.defects, 'mismatched') AS mismatched, t.kind, t.language
       FROM read_parquet($shards) r JOIN read_parquet($truth) t USING (key) ORDER BY key`,
      { shards: `${runFolder}/shards/*.parquet`, truth: truthPath },
    )
  ).getRowObjectsJS();
  connection.closeSync();
  instance.closeSync();
  const aucOf = (some: typeof rows) =>
    areaUnderCurve(
      some.map((row) => Number(row.score)),
      some.map((row) => row.mismatched !== true),
    );
  return {
    rows: rows.length,
    mismatched: rows.filter((row) => row.mismatched === true).length,
    auc: aucOf(rows),
    aucSingles: aucOf(rows.filter((row) => row.kind === 'single')),
    aucCanvases: aucOf(rows.filter((row) => row.kind === 'canvas')),
    aucEnglish: aucOf(rows.filter((row) => row.language === 'en')),
  };
}
