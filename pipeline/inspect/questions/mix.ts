import type { Question } from './question.ts';

/** The mix of languages as it was asked for, as it came, and as the learner saw it. */
export const mix: Question = {
  description: 'English and the rest: as asked for, as kept, as offered to the learner and as selected',
  sql: `
SELECT CASE language WHEN 'en' THEN 'English' ELSE 'other languages' END AS part,
  count(*) FILTER (kept > 0) AS languages, sum(seen) AS seen, sum(kept) AS kept,
  round(100 * sum(requested_share), 2) AS percent_requested,
  round(100 * sum(realised_share), 2) AS percent_kept,
  round(100 * sum(offered) / sum(sum(offered)) OVER (), 2) AS percent_offered,
  round(100 * sum(selected) / sum(sum(selected)) OVER (), 2) AS percent_selected
FROM languages GROUP BY part ORDER BY part`,
};
