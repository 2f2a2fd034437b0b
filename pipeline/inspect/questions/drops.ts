import type { Question } from './question.ts';

/** Why rows were left out. */
export const drops: Question = {
  description: 'why rows were dropped, quarantined or labelled, with an example of each reason',
  sql: `
SELECT outcome, stage, reason, count(*) AS rows,
  round(100 * count(*) / (SELECT max(rows_in) FROM stages), 2) AS percent_of_read,
  arg_min(said, key).value AS such_as, arg_min(said, key).threshold AS held_against, min(key) AS example_key
FROM (SELECT *, {'value': value, 'threshold': threshold} AS said FROM verdicts)
GROUP BY outcome, stage, reason ORDER BY rows DESC, stage, reason, outcome`,
};
