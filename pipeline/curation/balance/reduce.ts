import { mkdir, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type BalancePlan, planBalance, type TermHistogram } from '../../../stages/balance/plan.ts';
import type { BalanceOptions } from '../../../stages/balance-terms.ts';
import { exactly, parquetOf, quoted } from '../../sql-text.ts';
import { type Database, type RowFiles, relationOf } from '../duplicates/database.ts';

/** What is balanced, and by which files of terms (parquet: id, balance_draw, terms). */
export interface BalanceSearch extends Omit<BalanceOptions, 'enabled'> {
  readonly terms: RowFiles;
}

/** Rows whose terms are multiplied at a time: DuckDB doesn't spill lists while it gathers them. */
const rowsAtOnce = 1_000_000;

/**
 * Balances the rows of the view `available` (id, language): counts the terms of each language over all of them, plans
 * the thresholds, and makes the table `unbalanced` (id, draw, probability, matched) of the rows that are not drawn.
 * DuckDB spills to `folder` what its memory doesn't hold; no order of the rows makes a difference, nor how many of them
 * are looked at `atOnce`.
 */
export async function balanceRows(
  database: Database,
  search: BalanceSearch,
  folder: string,
  atOnce = rowsAtOnce,
): Promise<BalancePlan> {
  const { termsMinRows, termsMinInformation } = search;
  await database.run(`
    CREATE VIEW candidate_terms AS SELECT id, language, unnest(terms) AS term
    FROM ${relationOf(search.terms)} JOIN available USING (id)`);
  const counted = (condition: string) =>
    `SELECT language, term, count(*)::BIGINT AS matches FROM candidate_terms WHERE ${condition}
     GROUP BY 1, 2 HAVING count(*) >= ${termsMinRows}`;
  await database.run(`CREATE TABLE words AS ${counted("NOT contains(term, ' ')")}`);
  await database.run(`
    CREATE TABLE terms AS SELECT * FROM words
    UNION ALL SELECT p.language, p.term, p.matches FROM (${counted("contains(term, ' ')")}) p
    JOIN words a ON a.language = p.language AND a.term = split_part(p.term, ' ', 1)
    JOIN words b ON b.language = p.language AND b.term = split_part(p.term, ' ', 2)
    JOIN (SELECT language, count(*)::BIGINT AS total FROM available GROUP BY 1) n ON n.language = p.language
    WHERE log2(p.matches::DOUBLE * n.total / (a.matches::DOUBLE * b.matches)) >= ${termsMinInformation}`);
  const plan = planBalance(await histograms(database), search.englishThreshold);
  await database.run('CREATE TABLE thresholds (language VARCHAR, t DOUBLE)');
  await database.append('thresholds', async (appender) => {
    for (const [language, { threshold }] of Object.entries(plan.languages)) {
      appender.appendVarchar(language);
      appender.appendDouble(threshold);
      appender.endRow();
    }
  });
  await multiplyTerms(database, folder, atOnce);
  const probability = `coalesce(1 - product, ${search.unmatched === 'keep' ? 1 : 0})`;
  await database.run(`
    CREATE TABLE unbalanced AS SELECT id, draw, ${probability} AS probability, coalesce(matched, 0)::INT AS matched
    FROM (SELECT id, balance_draw AS draw FROM ${relationOf(search.terms)} JOIN available USING (id))
    LEFT JOIN products USING (id)
    WHERE draw >= probability`);
  await database.run('DROP VIEW candidate_terms');
  for (const table of ['words', 'terms', 'thresholds', 'products']) await database.run(`DROP TABLE ${table}`);
  return plan;
}

/** Makes the table `products` (id, matched, product) of the rows that have terms: of what each of them leaves of a row. */
async function multiplyTerms(database: Database, folder: string, atOnce: number): Promise<void> {
  await database.run('CREATE TABLE products (id BIGINT, matched BIGINT, product DOUBLE)');
  const factors = `SELECT id, 1 - t / greatest(matches, t) AS factor
    FROM candidate_terms JOIN terms USING (language, term) JOIN thresholds USING (language)`;
  // Factors are multiplied in the order of their size: a product in any other order may differ in its last bit.
  const multiply = (from: string) =>
    database.run(`
      INSERT INTO products
      SELECT id, count(*), list_reduce(list_sort(list(factor)), lambda a, b: a * b) FROM ${from} GROUP BY id`);
  const [{ rows = 0 } = {}] = await database.rows('SELECT count(*) AS rows FROM available');
  const parts = Math.ceil(Number(rows) / atOnce);
  if (parts <= 1) return multiply(`(${factors})`);
  const at = join(folder, 'factors');
  await mkdir(at);
  await database.run(`
    COPY (SELECT *, (hash(id) % ${parts})::INT AS part FROM (${factors}))
    TO ${quoted(at)} (FORMAT parquet, PARTITION_BY (part), OVERWRITE_OR_IGNORE)`);
  for (const part of await readdir(at)) {
    await multiply(parquetOf(join(exactly(join(at, part)), '*.parquet')));
  }
  await rm(at, { recursive: true });
}

async function histograms(database: Database): Promise<Record<string, TermHistogram>> {
  const found: Record<string, [number, number][]> = {};
  const counts = await database.rows(
    'SELECT language, matches, count(*) AS terms FROM terms GROUP BY 1, 2 ORDER BY 1, 2',
  );
  for (const { language, matches, terms } of counts) {
    const list = found[String(language)] ?? [];
    found[String(language)] = list;
    list.push([Number(matches), Number(terms)]);
  }
  return found;
}

/** What decided that a row is not drawn: its draw over the probability of its terms. */
export function balanceVerdict(row: Readonly<Record<string, unknown>>) {
  const [draw, probability] = [Number(row.draw), Number(row.probability)];
  const matched = Number(row.matched);
  const of = matched === 0 ? 'no term' : `${matched} ${matched === 1 ? 'term' : 'terms'}`;
  return { reason: 'balance', value: `draw ${draw.toFixed(4)}, ${of}`, threshold: probability.toFixed(4) };
}
