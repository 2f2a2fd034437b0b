import type { Question } from './question.ts';

/** A measure of a row, by its name in the answer. */
const measures: Readonly<Record<string, string>> = {
  text_score: 'text_score',
  language_score: 'language_score',
  text_length: 'length(text)',
  aspect: 'width / nullif(height, 0)',
  pixels: 'width::BIGINT * height',
  image_bytes: 'image_stats.bytes',
  entropy: 'image_stats.entropy',
  sharpness: 'image_stats.sharpness',
  regions: 'len(regions)',
};

const columns = Object.entries(measures).map(([name, sql]) => `(${sql})::DOUBLE AS ${name}`);

/** Rows of which the quartiles are, about: every so many-th of each shard, the same ones each time. */
const sampledRows = 20_000;

/** One scan: of each measure its quartiles, and the three rows at either end. Keys and values are in the same order. */
const facts = Object.keys(measures).map(
  (name) => `{measure: '${name}',
    quartiles: quantile_cont(${name}, [0.25, 0.5, 0.75]) FILTER (is_sampled),
    keys: list_concat(min_by(key, ${name}, 3), max_by(key, ${name}, 3)),
    ends: list_concat(min(${name}, 3), max(${name}, 3))}`,
);

/** The rows that are furthest from all others, measure by measure. */
export const outliers: Question = {
  description: 'rows furthest from the others by each measure, in interquartile ranges from the median',
  sql: `
WITH measured AS (
  SELECT key, file_row % greatest(1, (SELECT count(*) FROM rows) // ${sampledRows}) = 0 AS is_sampled,
    ${columns.join(', ')}
  FROM rows),
facts AS (SELECT unnest([${facts.join(', ')}]) AS fact FROM measured),
found AS (
  SELECT fact.measure AS measure, fact.quartiles AS quartiles, unnest(fact.keys) AS key, unnest(fact.ends) AS value
  FROM facts)
SELECT DISTINCT measure, round(found.value, 4) AS value, round(quartiles[2], 4) AS median,
  round((found.value - quartiles[2]) / (quartiles[3] - quartiles[1]), 1) AS ranges_away, found.key AS key, language, text
FROM found LEFT JOIN rows ON rows.key = found.key
WHERE quartiles[3] > quartiles[1] AND abs(found.value - quartiles[2]) > 1.5 * (quartiles[3] - quartiles[1])
ORDER BY abs(ranges_away) DESC, measure, key`,
};
