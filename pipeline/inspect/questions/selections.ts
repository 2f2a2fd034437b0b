import type { Question } from './question.ts';

/** The pairs that are selected most. */
export const selections: Question = {
  description: 'the 20 rows selected most often, with how often they were offered and their scores',
  sql: `
WITH most AS (
  SELECT key, count(*) AS selected, min(step) AS first_step, max(step) AS last_step, avg(self_score) AS score
  FROM selections GROUP BY key ORDER BY selected DESC, key LIMIT 20),
offered AS (SELECT key, count(*) AS offered FROM offers WHERE key IN (SELECT key FROM most) GROUP BY key)
SELECT most.key, selected, offered, first_step, last_step, round(score, 3) AS mean_score, language,
  round(text_score, 3) AS text_score, text
FROM most LEFT JOIN offered USING (key) LEFT JOIN rows USING (key)
ORDER BY selected DESC, most.key`,
};
