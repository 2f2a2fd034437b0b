import type { Question } from './question.ts';

/** The n-grams that are found most. */
export const regions: Question = {
  description: 'the 30 n-grams found on most images, how surely, and how much of the image they take',
  sql: `
SELECT text, language, count(*) AS regions, count(DISTINCT key) AS images, round(avg(score), 3) AS mean_score,
  round(100 * avg((ymax - ymin) * (xmax - xmin)), 1) AS mean_percent_of_image
FROM regions GROUP BY text, language ORDER BY images DESC, regions DESC, text, language LIMIT 30`,
};
