import type { Question } from './question.ts';

/** The largest groups of duplicates. */
export const duplicates: Question = {
  description: 'the 20 largest groups of duplicates, with the row that is kept for each',
  sql: `
WITH sizes AS (
  SELECT group_key, count(*) AS rows, count(*) FILTER (kind = 'exact') AS exact,
    count(*) FILTER (kind = 'near') AS near, min(key) FILTER (kind <> 'kept') AS example_key
  FROM duplicates GROUP BY group_key ORDER BY rows DESC, group_key LIMIT 20)
SELECT group_key, sizes.rows, exact, near, example_key, language, text
FROM sizes LEFT JOIN rows ON rows.key = group_key
ORDER BY sizes.rows DESC, group_key`,
};
