import type { Question } from './question.ts';

/** Each language's rows and how sure they are. */
export const languages: Question = {
  description: 'each language: rows seen, kept and selected, how sure it was, how alike image and text are',
  sql: `
WITH of_rows AS (
  SELECT language, count(*) AS rows, avg(language_score) AS language_score, avg(text_score) AS text_score,
    avg(len(regions)) AS regions
  FROM rows GROUP BY language)
SELECT language, seen, available, kept, round(100 * realised_share, 3) AS percent_kept,
  round(language_score, 3) AS mean_language_score, round(text_score, 3) AS mean_text_score,
  round(regions, 2) AS regions_per_row, offered, selected
FROM languages LEFT JOIN of_rows USING (language)
ORDER BY kept DESC NULLS LAST, seen DESC, language`,
};
