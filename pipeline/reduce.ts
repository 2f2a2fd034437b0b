import { DuckDBInstance } from '@duckdb/node-api';
import type { DuplicatesOf } from '../stages/deduplicate.ts';
import { type MixPlan, type PlannedLanguage, planQuotas, type QuotaOptions } from '../stages/mix/plan.ts';

/** The decisions that need the whole data set: which rows are duplicates, and the mix. */
export interface Reduction {
  /** Rows by language, duplicates aside. */
  readonly counts: Readonly<Record<string, number>>;
  readonly duplicatesOf: DuplicatesOf;
  readonly planMix: (options: QuotaOptions) => Promise<MixPlan>;
  close(): void;
}

/**
 * Reduces the facts of every admitted row (parquet: key, shard, row_group, row, sha256, language, pixels, draw) by
 * DuckDB, which spills to `folder` what doesn't fit its memory. Of exact duplicates the one with the most pixels is
 * kept, then the one with the first key: whatever the order of the shards.
 */
export async function reduceFacts(facts: string, folder: string): Promise<Reduction> {
  const instance = await DuckDBInstance.create(':memory:', { temp_directory: folder });
  const connection = await instance.connect();
  const rows = async (sql: string, values: Record<string, string | number> = {}) =>
    (await connection.runAndReadAll(sql, values)).getRowObjectsJS();
  await connection.run('CREATE TABLE facts AS SELECT * FROM read_parquet($facts)', { facts });
  await connection.run(`
    CREATE TABLE ranked AS SELECT *,
      first_value(key) OVER same AS kept_key, row_number() OVER same AS rank
    FROM facts WINDOW same AS (PARTITION BY sha256 ORDER BY pixels DESC, key, shard, row_group, row)`);
  await connection.run('DROP TABLE facts');
  const counted = await rows(
    'SELECT language, count(*)::INT AS rows FROM ranked WHERE rank = 1 GROUP BY 1 ORDER BY 1',
  );
  const counts = Object.fromEntries(counted.map((row) => [String(row.language), Number(row.rows)]));
  return {
    counts,
    async duplicatesOf(shard, rowGroup) {
      const found = await rows(
        'SELECT row, kept_key FROM ranked WHERE rank > 1 AND shard = $shard AND row_group = $rowGroup',
        { shard, rowGroup },
      );
      return new Map(found.map((row) => [Number(row.row), String(row.kept_key)]));
    },
    async planMix(options) {
      const { quotas, shortfalls } = planQuotas(counts, options);
      const languages: Record<string, PlannedLanguage> = {};
      for (const [language, quota] of Object.entries(quotas)) {
        // The quota-th smallest draw: at or under it are exactly the quota's rows.
        const [at] = await rows(
          `SELECT draw FROM ranked WHERE rank = 1 AND language = $language
           ORDER BY draw LIMIT 1 OFFSET $skip`,
          { language, skip: Math.max(0, quota - 1) },
        );
        const threshold = quota > 0 ? Number(at?.draw ?? -1) : -1;
        languages[language] = { available: counts[language] ?? 0, quota, threshold };
      }
      return { requestedEnglish: options.english, languages, shortfalls };
    },
    close: () => {
      connection.closeSync();
      instance.closeSync();
    },
  };
}
