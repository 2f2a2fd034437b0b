import type { Question } from './question.ts';

/** How the scores of what was offered and what was selected moved over the training. */
export const learnability: Question = {
  description:
    'by tenth of the steps: the own scores of pairs offered and selected, and the losses they are made of',
  sql: `
WITH length AS (SELECT max(step) + 1 AS steps FROM selections),
offered AS (
  SELECT step * 10 // steps AS tenth, count(*) AS pairs_offered, avg(self_score) AS score
  FROM offers, length GROUP BY tenth),
selected AS (
  SELECT step * 10 // steps AS tenth, min(step) AS first_step, max(step) AS last_step, count(*) AS pairs_selected,
    count(DISTINCT key) AS distinct_rows, avg(self_score) AS score, avg(learner_loss) AS learner_loss,
    avg(teacher_loss) AS teacher_loss
  FROM selections, length GROUP BY tenth)
SELECT first_step, last_step, pairs_offered, round(offered.score, 3) AS mean_score_offered, pairs_selected,
  distinct_rows, round(selected.score, 3) AS mean_score_selected, round(learner_loss, 3) AS mean_learner_loss,
  round(teacher_loss, 3) AS mean_teacher_loss
FROM selected LEFT JOIN offered USING (tenth) ORDER BY first_step`,
};
