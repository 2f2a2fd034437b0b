import { type FoundRow, pairScores } from '../pair-scores.ts';
import type { RunTables } from './run-tables.ts';

/**
 * Precision and recall of pairs of near duplicates (those with the same bytes aside), and recall of exact ones, from
 * what the run says of the rows that it dropped. The run must have kept all other rows: no mix, no balance.
 */
export async function duplicateFigures(tables: RunTables): Promise<Record<string, number>> {
  const found = await tables.rows(`
    SELECT a.key, kept, sha256(s.image.bytes) AS sha256 FROM (
      SELECT key, key AS kept FROM kept
      UNION ALL SELECT key, regexp_extract(value, '^of ([^ :]+)', 1) FROM dropped WHERE stage = 'deduplicate') a
    JOIN source s USING (key)`);
  const truth = await tables.rows('SELECT key, coalesce(duplicate_of, key) AS original FROM truth');
  const rows: FoundRow[] = found.map(({ key, sha256, kept }) => ({
    key: String(key),
    sha256: String(sha256),
    group: String(kept),
  }));
  const scores = pairScores(rows, new Map(truth.map(({ key, original }) => [String(key), String(original)])));
  // A copy and its original are found out when only one of them is kept.
  const exactRecall = await tables.number(`
    SELECT avg((k.key IS NULL OR o.key IS NULL)::INT) FROM truth t
    LEFT JOIN kept k ON k.key = t.key LEFT JOIN kept o ON o.key = t.duplicate_of
    WHERE list_contains(defects, 'exactDuplicates')`);
  return {
    nearDuplicatePairs: scores.planted,
    nearDuplicatePrecision: scores.precision,
    nearDuplicateRecall: scores.recall,
    exactDuplicateRecall: exactRecall,
  };
}
