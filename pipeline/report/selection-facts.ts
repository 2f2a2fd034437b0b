import { access, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { DistillReport } from '../../schemas/reports.ts';
import { exactly } from '../sql-text.ts';
import { numberOf, parquetFiles, type Query, textOf, withQueries } from './queries.ts';

/** How many own scores of selected pairs fell in a bin, of one third of the steps. */
export interface ScoreBin {
  /** 0, 1 or 2: the first, second or last third of the steps. */
  readonly third: number;
  /** The bin's middle. */
  readonly score: number;
  /** The share of its third's pairs. */
  readonly share: number;
}

/** What a run's selections say. */
export interface SelectionFacts {
  readonly pairs: number;
  readonly distinct: number;
  /** How often the pair selected most often was. */
  readonly most: number;
  /** Shares of the selected pairs by language; `offered` is null when the curated shards can't be read. */
  readonly languages: readonly {
    readonly language: string;
    readonly selected: number;
    readonly offered: number | null;
  }[];
  readonly bins: readonly ScoreBin[];
  /** Median own score of each third. */
  readonly medians: readonly number[];
}

const binCount = 32;

/**
 * Reads a run's `selections.parquet`, and for what was offered the languages of the curated shards that its
 * manifest names. Null when no pair was selected or the file isn't there.
 */
export async function selectionFacts(folder: string): Promise<SelectionFacts | null> {
  const path = join(folder, 'selections.parquet');
  const there = await access(path).then(
    () => true,
    () => false,
  );
  if (!there) return null;
  return withQueries(async (query) => {
    const [totals] = await query(
      `SELECT count(*)::INT AS pairs, count(DISTINCT key)::INT AS distinct_keys,
         (SELECT max(n)::INT FROM (SELECT count(*) AS n FROM read_parquet($path, hive_partitioning = false) GROUP BY key)) AS most
       FROM read_parquet($path, hive_partitioning = false)`,
      { path: exactly(path) },
    );
    if (!totals || numberOf(totals, 'pairs') === 0) return null;
    const pairs = numberOf(totals, 'pairs');
    return {
      pairs,
      distinct: numberOf(totals, 'distinct_keys'),
      most: numberOf(totals, 'most'),
      languages: await languageShares(query, path, pairs, await offeredShares(query, folder)),
      ...(await scoreBins(query, path)),
    };
  });
}

async function languageShares(
  query: Query,
  path: string,
  pairs: number,
  offered: ReadonlyMap<string, number> | null,
): Promise<SelectionFacts['languages']> {
  const rows = await query(
    'SELECT language, count(*)::INT AS n FROM read_parquet($path, hive_partitioning = false) GROUP BY 1 ORDER BY 2 DESC, 1',
    { path: exactly(path) },
  );
  const selected = new Map(rows.map((row) => [textOf(row, 'language'), numberOf(row, 'n') / pairs]));
  const languages = new Set([...selected.keys(), ...(offered?.keys() ?? [])]);
  return [...languages].map((language) => ({
    language,
    selected: selected.get(language) ?? 0,
    offered: offered ? (offered.get(language) ?? 0) : null,
  }));
}

/**
 * The shares of languages in super-batches: as the run counted them, or where its report has no counts, English as
 * configured and the rest as the curated rows have them.
 */
async function offeredShares(query: Query, folder: string): Promise<Map<string, number> | null> {
  const counted = await countedShares(folder);
  if (counted) return counted;
  const text = await readFile(join(folder, 'manifest.json'), 'utf8').catch(() => '{}');
  const manifest = JSON.parse(text) as { data?: string; config?: { distill?: { english?: number | null } } };
  const english = manifest.config?.distill?.english;
  const shards = manifest.data ? await parquetFiles(join(manifest.data, 'shards')) : [];
  if (english === undefined || shards.length === 0) return null;
  const rows = await query(
    'SELECT language, count(*)::INT AS n FROM read_parquet($shards, hive_partitioning = false) GROUP BY 1 ORDER BY 1',
    { shards: shards.map(exactly) },
  );
  return sharesOffered(new Map(rows.map((row) => [textOf(row, 'language'), numberOf(row, 'n')])), english);
}

async function countedShares(folder: string): Promise<Map<string, number> | null> {
  const text = await readFile(join(folder, 'report.json'), 'utf8').catch(() => '{}');
  const { drift } = JSON.parse(text) as Pick<DistillReport, 'drift'>;
  if (!drift) return null;
  const { counts, pairs } = drift;
  return new Map(
    Object.entries(counts).map(([language, { offered }]) => [language, offered / pairs.offered]),
  );
}

/** Shares of languages in super-batches of `english` English (null: as they come), drawn from rows counted by language. */
export function sharesOffered(
  rows: ReadonlyMap<string, number>,
  english: number | null,
): Map<string, number> {
  if (english === null) {
    const all = [...rows.values()].reduce((sum, n) => sum + n, 0);
    return new Map([...rows].map(([language, n]) => [language, n / all]));
  }
  const rest = [...rows].reduce((sum, [language, n]) => (language === 'en' ? sum : sum + n), 0);
  return new Map(
    [...rows].map(([language, n]) => [language, language === 'en' ? english : ((1 - english) * n) / rest]),
  );
}

async function scoreBins(query: Query, path: string): Promise<Pick<SelectionFacts, 'bins' | 'medians'>> {
  // The ends are quantiles, so that one stray score doesn't squeeze the rest into a bin.
  const rows = await query(
    `WITH thirds AS (
       SELECT self_score::DOUBLE AS score,
         least(2, (step * 3) // (max(step) OVER () + 1))::INT AS third
       FROM read_parquet($path, hive_partitioning = false)),
     ends AS (SELECT quantile_cont(score, 0.002) AS low, quantile_cont(score, 0.998) AS high FROM thirds),
     placed AS (
       SELECT third, low + (greatest(0, least($bins - 1,
         floor((score - low) / greatest(high - low, 1e-9) * $bins))) + 0.5) * (high - low) / $bins AS score
       FROM thirds, ends)
     SELECT third, score, count(*) / sum(count(*)) OVER (PARTITION BY third) AS share
     FROM placed GROUP BY third, score ORDER BY third, score`,
    { path: exactly(path), bins: binCount },
  );
  const medians = await query(
    `SELECT median(self_score)::DOUBLE AS median FROM (
       SELECT self_score, least(2, (step * 3) // (max(step) OVER () + 1))::INT AS third FROM read_parquet($path, hive_partitioning = false))
     GROUP BY third ORDER BY third`,
    { path: exactly(path) },
  );
  return {
    bins: rows.map((row) => ({
      third: numberOf(row, 'third'),
      score: numberOf(row, 'score'),
      share: numberOf(row, 'share'),
    })),
    medians: medians.map((row) => numberOf(row, 'median')),
  };
}
