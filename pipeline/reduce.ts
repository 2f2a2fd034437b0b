import type { BalancePlan } from '../stages/balance/plan.ts';
import type { DuplicatesOf } from '../stages/deduplicate.ts';
import type { BoilerplateOf } from '../stages/drop-boilerplate.ts';
import { type Nearness, nearnessThreshold, nearnessValue } from '../stages/duplicates/nearness.ts';
import type { PlannedVerdicts } from '../stages/duplicates/planned-verdicts.ts';
import { type FilterByScoreOptions, thresholdPlace } from '../stages/filter-by-score.ts';
import { type MixPlan, type PlannedLanguage, planQuotas, type QuotaOptions } from '../stages/mix/plan.ts';
import { type BalanceSearch, balanceRows, balanceVerdict } from './balance/reduce.ts';
import { type Database, openDatabase } from './duplicates/database.ts';
import {
  type EvaluationSearch,
  findContaminated,
  groupDuplicates,
  openFingerprints,
  pairDuplicates,
  rankByBytes,
} from './duplicates/plan.ts';
import { type BoilerplateSearch, boilerplateAsker, findBoilerplate } from './texts/boilerplate.ts';

/**
 * The decisions that need the whole data set: which rows are in an evaluation set or duplicates, which texts are
 * boilerplate, and the mix.
 */
export interface Reduction {
  /** Rows by language that the mix can take: without those that decisions before it drop. */
  readonly counts: Readonly<Record<string, number>>;
  readonly contaminatedOf: PlannedVerdicts;
  readonly boilerplateOf: BoilerplateOf;
  readonly duplicatesOf: DuplicatesOf;
  /** What terms were balanced to; null where they weren't. */
  readonly balanced: BalancePlan | null;
  readonly unbalancedOf: PlannedVerdicts;
  /** The least `text_score` of a row that the filter wants; null without a filter. */
  readonly scoreThreshold: number | null;
  readonly planMix: (options: QuotaOptions) => Promise<MixPlan>;
  close(): void;
}

/** What is looked for beside exact duplicates. */
export interface ReduceOptions {
  /** Fingerprints of the rows; without them only equal bytes are found. */
  readonly fingerprints: string | null;
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
  facts: string,
  folder: string,
  options: ReduceOptions = exactOnly,
): Promise<Reduction> {
  const database = await openDatabase(folder);
  await database.run('CREATE TABLE facts AS SELECT * FROM read_parquet($facts)', { facts });
  await rankByBytes(database);
  await database.run('DROP TABLE facts');
  const { fingerprints, near, evaluation, partitionRows, signal } = options;
  const partitioning = { partitionRows, signal };
  if (fingerprints !== null) {
    const isUnique = 'id IN (SELECT rep_id FROM ranked)';
    await openFingerprints(database, 'unique_fingerprints', fingerprints, isUnique);
  }
  await findContaminated(database, evaluation, partitioning, folder);
  await pairDuplicates(database, near && { ...near, ...partitioning }, folder);
  await findBoilerplate(database, options.boilerplate ?? null);
  await groupDuplicates(database);
  const isUnique = options.dropsDuplicates ? 'id = kept_id' : 'true';
  const scoreThreshold = options.scores ? await findThreshold(database, isUnique, options.scores) : null;
  const dropsLow = scoreThreshold !== null && options.scores?.mode === 'drop';
  const isTaken = dropsLow ? `${isUnique} AND score >= '${scoreThreshold}'::DOUBLE` : isUnique;
  await database.run(`CREATE VIEW available AS SELECT * FROM grouped WHERE ${isTaken}`);
  const { balance = null } = options;
  const balanced = balance && (await balanceRows(database, balance));
  const isWanted = balance?.mode === 'drop' ? 'id NOT IN (SELECT id FROM unbalanced)' : 'true';
  await database.run(`CREATE VIEW wanted AS SELECT * FROM available WHERE ${isWanted}`);
  const counted = await database.rows(
    'SELECT language, count(*)::INT AS rows FROM wanted GROUP BY 1 ORDER BY 1',
  );
  const counts = Object.fromEntries(counted.map((row) => [String(row.language), Number(row.rows)]));
  return {
    counts,
    balanced,
    scoreThreshold,
    async contaminatedOf(shard, rowGroup) {
      const found = await database.rows(
        `SELECT row, evaluation_key, distance, colours FROM ranked JOIN contaminated USING (rep_id)
         WHERE shard = $shard AND row_group = $rowGroup`,
        { shard, rowGroup },
      );
      return new Map(found.map((row) => [Number(row.row), contamination(row, evaluation)]));
    },
    boilerplateOf: boilerplateAsker(database),
    async duplicatesOf(shard, rowGroup) {
      const found = await database.rows(
        `SELECT row, kept_key, sha256 = kept_sha256 AS exact, through, distance, colours
         FROM grouped LEFT JOIN closest ON closest.id = grouped.rep_id
         WHERE grouped.id <> kept_id AND shard = $shard AND row_group = $rowGroup`,
        { shard, rowGroup },
      );
      return new Map(found.map((row) => [Number(row.row), duplicate(row, near)]));
    },
    async unbalancedOf(shard, rowGroup) {
      if (balanced === null) return new Map();
      const found = await database.rows(
        `SELECT row, u.draw, probability, matched FROM unbalanced u JOIN available USING (id)
         WHERE shard = $shard AND row_group = $rowGroup`,
        { shard, rowGroup },
      );
      return new Map(found.map((row) => [Number(row.row), balanceVerdict(row)]));
    },
    async planMix(mix) {
      const { quotas, shortfalls, missing } = planQuotas(counts, mix);
      const languages: Record<string, PlannedLanguage> = {};
      for (const [language, quota] of Object.entries(quotas)) {
        // The quota-th smallest draw: at or under it are exactly the quota's rows.
        const [at] = await database.rows(
          `SELECT draw FROM wanted WHERE language = $language ORDER BY draw LIMIT 1 OFFSET $skip`,
          { language, skip: Math.max(0, quota - 1) },
        );
        const threshold = quota > 0 ? Number(at?.draw ?? -1) : -1;
        languages[language] = { available: counts[language] ?? 0, quota, threshold };
      }
      return { requestedEnglish: mix.english, languages, shortfalls, missing };
    },
    close: () => database.close(),
  };
}

/** The threshold over the rows that reach the filter: of the share, the score at its place, best first. */
async function findThreshold(database: Database, unique: string, { keep, minimum }: FilterByScoreOptions) {
  const [counted] = await database.rows(`SELECT count(*)::INT AS rows FROM grouped WHERE ${unique}`);
  const place = thresholdPlace(Number(counted?.rows ?? 0), keep ?? 1);
  const [at] = await database.rows(
    `SELECT score FROM grouped WHERE ${unique} ORDER BY score DESC LIMIT 1 OFFSET $place`,
    { place },
  );
  const quantile = at === undefined || keep === undefined ? -1 : Number(at.score);
  return Math.max(quantile, minimum ?? -1);
}

type Found = Readonly<Record<string, unknown>>;

function duplicate(row: Found, near: Nearness | null) {
  const kept = String(row.kept_key);
  if (row.exact === true || near === null) {
    return { reason: 'exact-duplicate', value: `of ${kept}`, kept } as const;
  }
  const value =
    row.distance === null
      ? `of ${kept}: through rows that are left out`
      : nearnessValue(kept, nearnessOf(row), near, String(row.through));
  return { reason: 'near-duplicate', value, threshold: nearnessThreshold(near), kept } as const;
}

function contamination(row: Found, nearness: Nearness | null) {
  const of = String(row.evaluation_key);
  const isExact = row.distance === null || nearness === null;
  if (isExact) return { reason: 'near-evaluation', value: `of ${of}: the same bytes` };
  const value = nearnessValue(of, nearnessOf(row), nearness);
  return { reason: 'near-evaluation', value, threshold: nearnessThreshold(nearness) };
}

function nearnessOf(row: Found) {
  return { distance: Number(row.distance), colours: Number(row.colours) };
}
