import type { BalancePlan } from '../../stages/balance/plan.ts';
import type { Nearness } from '../../stages/duplicates/nearness.ts';
import { type FilterByScoreOptions, thresholdPlace } from '../../stages/filter-by-score.ts';
import { type MixPlan, type PlannedLanguage, planQuotas, type QuotaOptions } from '../../stages/mix/plan.ts';
import { quoted } from '../sql-text.ts';
import { type BalanceSearch, balanceRows } from './balance/reduce.ts';
import {
  type Database,
  openDatabase,
  type RowFiles,
  relationOf,
  writtenPixels,
} from './duplicates/database.ts';
import {
  type EvaluationSearch,
  type FoundPairs,
  findContaminated,
  groupDuplicates,
  openFingerprints,
  pairDuplicates,
  rankByBytes,
  rankingSql,
} from './duplicates/plan.ts';
import { askDatabase, type SavedVerdicts, saveVerdicts, type Verdicts } from './duplicates/verdict-tables.ts';
import { type BoilerplateSearch, findBoilerplate } from './texts/boilerplate.ts';

/**
 * The decisions that need the whole data set: which rows are in an evaluation set or duplicates, which texts are
 * boilerplate, and the mix.
 */
export interface Reduction extends Verdicts {
  /** Rows by language that the mix can take: without those that decisions before it drop. */
  readonly counts: Readonly<Record<string, number>>;
  /** What terms were balanced to; null where they weren't. */
  readonly balanced: BalancePlan | null;
  /** The least `text_score` of a row that the filter wants; null without a filter. */
  readonly scoreThreshold: number | null;
  readonly planMix: (options: QuotaOptions) => Promise<MixPlan>;
  /** Writes the verdicts to a folder, for `readVerdicts`. */
  save(folder: string): Promise<SavedVerdicts>;
  /** Ranges of ids of so many kept rows each, by the plan of a mix that drops what is over its shares. */
  cut(rows: number, plan: MixPlan | null): Promise<IdRange[]>;
  /** Writes the ids of the rows that are kept, as `cut` has found them (parquet: id). */
  saveKept(path: string): Promise<void>;
  close(): void;
}

/** Ids [from, to), and how many rows of them are kept. */
export interface IdRange {
  readonly from: number;
  readonly to: number;
  readonly rows: number;
}

/** What is looked for beside exact duplicates. */
export interface ReduceOptions {
  /** Fingerprints of the rows; without them only equal bytes are found. */
  readonly fingerprints: RowFiles | null;
  /** What partitions of the reduction have found already; all of it is done here where it is absent. */
  readonly found?:
    | (FoundPairs & { /** A relation as `rankingSql` has it. */ readonly ranks: string })
    | undefined;
  /** How near near duplicates are; null looks for exact ones only. */
  readonly near: Nearness | null;
  readonly partitionRows: number;
  readonly evaluation: EvaluationSearch | null;
  /** How boilerplate is looked for; without it none is. */
  readonly boilerplate?: BoilerplateSearch | null;
  /** Whether duplicates are dropped, and so nothing that the mix can take. */
  readonly dropsDuplicates: boolean;
  /** How terms are balanced; they aren't where it is absent. */
  readonly balance?: BalanceSearch | null;
  /** The filter by score; null where there is none. */
  readonly scores?: FilterByScoreOptions | null;
  readonly signal?: AbortSignal;
  /** Bytes that DuckDB takes before it spills; as many as `openDatabase` has them where absent. */
  readonly memory?: number | undefined;
}

const exactOnly: ReduceOptions = {
  fingerprints: null,
  near: null,
  partitionRows: 1,
  evaluation: null,
  dropsDuplicates: true,
};

/**
 * Reduces the facts of every admitted row (parquet: id, key, shard, row_group, row, sha256, language, pixels, draw, score)
 * by DuckDB, which spills to `folder` what doesn't fit its memory. Of duplicates the one with the most pixels is
 * kept, then the one with the first key: whatever the order of the shards.
 */
export async function reduceFacts(
  facts: RowFiles,
  folder: string,
  options: ReduceOptions = exactOnly,
): Promise<Reduction> {
  const database = await openDatabase(folder, options.memory);
  const { fingerprints, near, evaluation, partitionRows, signal, found = null } = options;
  await database.run(`CREATE VIEW facts AS SELECT * FROM ${relationOf(facts)}`);
  if (found === null) await database.run(`CREATE TABLE ranks AS ${rankingSql('facts')}`);
  else await database.run(`CREATE VIEW ranks AS SELECT * FROM ${found.ranks}`);
  await rankByBytes(database, 'ranks');
  const partitioning = { partitionRows, signal };
  if (fingerprints !== null && found === null) {
    await openFingerprints(database, 'unique_fingerprints', fingerprints, 'ranks');
  }
  await findContaminated(database, evaluation, partitioning, folder, found);
  await pairDuplicates(database, near && { ...near, ...partitioning }, folder, found);
  await findBoilerplate(database, options.boilerplate ?? null);
  await groupDuplicates(database);
  const isUnique = options.dropsDuplicates ? 'id = kept_id' : 'true';
  const scoreThreshold = options.scores ? await findThreshold(database, isUnique, options.scores) : null;
  const dropsLow = scoreThreshold !== null && options.scores?.mode === 'drop';
  const isTaken = dropsLow ? `${isUnique} AND score >= '${Number(scoreThreshold)}'::DOUBLE` : isUnique;
  // What an earlier run has written stays, and counts.
  const isWritten = `pixels = ${writtenPixels}`;
  await database.run(`
    CREATE TABLE available AS SELECT id, language, draw, coalesce(${isWritten}, false) AS written
    FROM grouped WHERE ${isTaken} OR ${isWritten}`);
  const { balance = null } = options;
  const balanced = balance && (await balanceRows(database, balance, folder));
  await database.run(
    balance?.mode === 'drop'
      ? `CREATE VIEW wanted AS SELECT a.* FROM available a LEFT JOIN unbalanced u USING (id)
         WHERE u.id IS NULL OR a.written`
      : 'CREATE VIEW wanted AS SELECT * FROM available',
  );
  const counts = await countLanguages(database, 'true');
  return {
    counts,
    balanced,
    scoreThreshold,
    ...askDatabase(database, balanced !== null, { near, evaluation }),
    save: (to) => saveVerdicts(database, balanced !== null, to),
    cut: (rows, plan) => cutRows(database, rows, plan),
    saveKept: (path) =>
      database.run(`COPY (SELECT id FROM kept ORDER BY id) TO ${quoted(path)} (FORMAT parquet)`),
    async planMix(mix) {
      const written = await countLanguages(database, 'written');
      const obtainable = await countLanguages(database, 'id >= 0 OR written');
      const { quotas, shortfalls, missing } = planQuotas(counts, mix, { written, obtainable });
      const places = Object.entries(quotas).map(([language, quota]) => ({
        language,
        place: quota - (written[language] ?? 0),
      }));
      const thresholds = await drawsAt(database, places);
      const languages: Record<string, PlannedLanguage> = {};
      for (const [language, quota] of Object.entries(quotas)) {
        const threshold = thresholds.get(language) ?? -1;
        languages[language] = { available: counts[language] ?? 0, quota, threshold };
      }
      return { requestedEnglish: mix.english, languages, shortfalls, missing };
    },
    close: () => database.close(),
  };
}

/** Rows by language that the mix can take, of those for which a condition holds. */
async function countLanguages(database: Database, condition: string): Promise<Record<string, number>> {
  const rows = await database.rows(
    `SELECT language, count(*) AS rows FROM wanted WHERE ${condition} GROUP BY 1 ORDER BY 1`,
  );
  return Object.fromEntries(rows.map((row) => [String(row.language), Number(row.rows)]));
}

/** Draws are looked at in so many steps: those of one step are as good as none of even very many rows. */
const drawSteps = 65_536;

/**
 * The place-th smallest draw of the new rows of each language: at or under it are exactly as many. Rows are counted by steps
 * of their draw, and those of one step are sorted: all of them would be the whole data set. Languages whose place is
 * below 1 are left out.
 */
async function drawsAt(
  database: Database,
  places: readonly { readonly language: string; readonly place: number }[],
): Promise<Map<string, number>> {
  await database.run('CREATE OR REPLACE TABLE places (language VARCHAR, place BIGINT)');
  await database.append('places', async (appender) => {
    for (const { language, place } of places.filter((one) => one.place > 0)) {
      appender.appendVarchar(language);
      appender.appendBigInt(BigInt(place));
      appender.endRow();
    }
  });
  const step = `floor(draw * ${drawSteps})::INT`;
  const found = await database.rows(`
    WITH steps AS (
      SELECT language, step, upto - rows AS before, upto FROM (
        SELECT *, sum(rows) OVER (PARTITION BY language ORDER BY step) AS upto FROM (
          SELECT language, ${step} AS step, count(*) AS rows FROM wanted SEMI JOIN places USING (language)
          WHERE id >= 0 GROUP BY 1, 2))),
    chosen AS (
      SELECT language, step, place - before AS nth FROM steps JOIN places USING (language)
      WHERE before < place AND place <= upto)
    SELECT language, draw FROM (
      SELECT language, draw, nth, row_number() OVER (PARTITION BY language ORDER BY draw) AS place
      FROM (SELECT language, draw, ${step} AS step FROM wanted WHERE id >= 0) JOIN chosen USING (language, step))
    WHERE place = nth`);
  return new Map(found.map(({ language, draw }) => [String(language), Number(draw)]));
}

/** The threshold over the rows that reach the filter: of the share, the score at its place, best first. */
async function findThreshold(database: Database, unique: string, { keep, minimum }: FilterByScoreOptions) {
  const [counted] = await database.rows(`SELECT count(*) AS rows FROM grouped WHERE ${unique}`);
  const place = thresholdPlace(Number(counted?.rows ?? 0), keep ?? 1);
  const [at] = await database.rows(
    `SELECT score FROM grouped WHERE ${unique} ORDER BY score DESC LIMIT 1 OFFSET $place`,
    { place },
  );
  const quantile = at === undefined || keep === undefined ? -1 : Number(at.score);
  return Math.max(quantile, minimum ?? -1);
}

/**
 * Cuts the ids of all rows where so many rows are kept: each range of ids has them, but the last one, which has what is
 * left. Without a plan of the mix every row that reaches it is kept.
 */
async function cutRows(database: Database, rows: number, plan: MixPlan | null): Promise<IdRange[]> {
  await database.run('CREATE OR REPLACE TABLE quotas (language VARCHAR, threshold DOUBLE)');
  await database.append('quotas', async (appender) => {
    for (const [language, { threshold }] of Object.entries(plan?.languages ?? {})) {
      appender.appendVarchar(language);
      appender.appendDouble(threshold);
      appender.endRow();
    }
  });
  const kept =
    plan === null
      ? 'SELECT id FROM wanted'
      : 'SELECT id FROM wanted JOIN quotas USING (language) WHERE draw <= threshold';
  await database.run(`CREATE OR REPLACE TABLE kept AS SELECT id FROM (${kept}) WHERE id >= 0`);
  const [counted] = await database.rows('SELECT count(*) AS rows FROM kept');
  const starts = await database.rows(
    `SELECT id FROM (SELECT id, row_number() OVER (ORDER BY id) - 1 AS place FROM kept)
     WHERE place > 0 AND place % ${rows} = 0 ORDER BY id`,
  );
  const cuts = [0, ...starts.map(({ id }) => Number(id)), Number.MAX_SAFE_INTEGER];
  const total = Number(counted?.rows ?? 0);
  return cuts.slice(1).map((to, i) => ({ from: cuts[i] ?? 0, to, rows: Math.min(rows, total - i * rows) }));
}
