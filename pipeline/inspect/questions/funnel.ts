import type { Question } from './question.ts';

/** Stage by stage, what came and what went on. */
export const funnel: Question = {
  description: 'stage by stage, the rows that came, and those that were dropped, quarantined or went on',
  sql: `
WITH gone AS (
  SELECT stage, count(*) FILTER (outcome = 'dropped') AS dropped,
    count(*) FILTER (outcome = 'quarantined') AS quarantined, count(*) FILTER (outcome = 'labelled') AS labelled
  FROM verdicts GROUP BY stage)
SELECT stage, rows_in, coalesce(dropped, 0) AS dropped, coalesce(quarantined, 0) AS quarantined,
  coalesce(labelled, 0) AS labelled, rows_out,
  round(100 * rows_out / nullif(max(rows_in) OVER (), 0), 2) AS percent_left, seconds
FROM stages LEFT JOIN gone USING (stage)
ORDER BY position`,
};
