import { readdir, rename } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { ReasonRows } from '../../schemas/reports.ts';
import { type AdmitTask, partOfTask } from '../curation/admit/plan.ts';
import { type Database, openDatabase } from '../curation/duplicates/database.ts';
import type { FrozenRun } from '../curation/plan/plan-files.ts';
import type { RowRange } from '../curation/plan/tasks.ts';
import { retriedStages } from '../curation/tasks/commit.ts';
import { workLayout } from '../curation/tasks/layout.ts';
import { exactly, parquetOf, quoted } from '../sql-text.ts';
import { dataSetLayout } from './data-set.ts';

/** What one increment had quarantined that a later one has read again. */
export interface TakenBack {
  /** The increment's number. */
  readonly number: number;
  readonly rows: number;
  /** Whole shards and row groups of which no row was known. */
  readonly shards: number;
  readonly reasons: readonly ReasonRows[];
}

/** What couldn't be read of one shard. */
interface UnreadShard {
  /** Whether nothing is known of it. */
  readonly whole: boolean;
  /** Rows by row group; null is for those of a shard without any. A row group of which no row is known has none. */
  readonly groups: ReadonlyMap<number | null, readonly RowRange[]>;
}

/** Where the ledger of an increment is in its data set's folder. */
export const quarantineFile = (number: number) => `${String(number - 1).padStart(5, '0')}.parquet`;

const isRetried = `stage IN (${retriedStages.map(quoted).join(', ')})`;

/** What the increments of a data set couldn't read, by the path of the shard. */
export async function readUnread(folder: string): Promise<ReadonlyMap<string, UnreadShard>> {
  const quarantine = join(folder, 'quarantine');
  const names = await readdir(quarantine).catch(() => []);
  if (names.length === 0) return new Map();
  const database = await openDatabase(dataSetLayout(folder).runs);
  try {
    // Rows that follow one another are one range.
    const rows = await database.rows(`
      WITH unread AS (
        SELECT DISTINCT shard, row_group, "row" AS r
        FROM ${parquetOf(join(exactly(quarantine), '*.parquet'))} WHERE ${isRetried} AND shard IS NOT NULL
      ), runs AS (
        SELECT *, r - row_number() OVER (PARTITION BY shard, row_group ORDER BY r) AS run FROM unread
      )
      SELECT shard, row_group, min(r) AS first, max(r) + 1 AS beyond FROM runs
      GROUP BY shard, row_group, r IS NULL, run ORDER BY shard, row_group, first`);
    const shards = new Map<string, { whole: boolean; groups: Map<number | null, RowRange[]> }>();
    for (const { shard, row_group: group, first, beyond } of rows) {
      const found = shards.get(String(shard)) ?? { whole: false, groups: new Map() };
      shards.set(String(shard), found);
      const place = typeof group === 'number' ? group : null;
      if (first === null && place === null) found.whole = true;
      else {
        const ranges = found.groups.get(place) ?? [];
        found.groups.set(place, ranges);
        if (first !== null) ranges.push([Number(first), Number(beyond)]);
      }
    }
    return shards;
  } finally {
    database.close();
  }
}

/**
 * Which of the tasks over all shards read what couldn't be read: the rows in question alone where a shard is what it was,
 * all of one that is another file now. Pure.
 */
export function chooseUnread(
  tasks: readonly AdmitTask[],
  unread: ReadonlyMap<string, UnreadShard>,
  seen: ReadonlySet<string>,
): Omit<AdmitTask, 'position'>[] {
  return tasks.flatMap((task) => {
    const shard = unread.get(task.path);
    if (shard === undefined) return [];
    if (!seen.has(task.identity) || (shard.whole && task.rowGroups === undefined)) return [task];
    const { from = 0, to = 0 } = task.rowGroups ?? {};
    return [...shard.groups]
      .filter(([group]) =>
        task.rowGroups === undefined ? group === null : group !== null && group >= from && group < to,
      )
      .map(([group, ranges]) => partOfTask(task, group, ranges.length > 0 ? ranges : [[0, 2 ** 31 - 1]]));
  });
}

/** A condition that holds for entries of the quarantine `q` that tasks of a run read again. */
function isReadAgain(run: FrozenRun): string {
  const tasks = exactly(workLayout(run.folder).tasks);
  return `${isRetried} AND EXISTS (
    SELECT 1 FROM ${parquetOf(tasks)} t
    WHERE t.phase = 'admit' AND t.path = q.shard
      AND (NOT contains(t.detail, '"only"') OR t."from" IS NOT DISTINCT FROM q.row_group))`;
}

/** Counts what a run has read again of what earlier increments had quarantined. */
export async function countTakenBack(folder: string, number: number, run: FrozenRun): Promise<TakenBack[]> {
  return withLedgers(folder, number, async (database, ledgers) => {
    const found: TakenBack[] = [];
    for (const [earlier, path] of ledgers) {
      const rows = await database.rows(`
        SELECT stage, reason, count("row") AS rows, count(*) - count("row") AS shards
        FROM ${parquetOf(exactly(path))} q WHERE ${isReadAgain(run)} GROUP BY stage, reason ORDER BY stage, reason`);
      if (rows.length === 0) continue;
      const sum = (of: 'rows' | 'shards') => rows.reduce((total, row) => total + Number(row[of]), 0);
      const reasons = rows.map(({ stage, reason, rows: count }) => ({
        ...{ stage: String(stage), reason: String(reason), rows: Number(count) },
      }));
      found.push({ number: earlier, rows: sum('rows'), shards: sum('shards'), reasons });
    }
    return found;
  });
}

/** Takes what a run has read again out of the ledgers of earlier increments: each whole or not at all, as often as wanted. */
export async function takeBack(folder: string, run: FrozenRun, taken: readonly TakenBack[]): Promise<void> {
  const numbers = new Set(taken.map(({ number }) => number));
  await withLedgers(folder, Number.POSITIVE_INFINITY, async (database, ledgers) => {
    for (const [number, path] of ledgers) {
      if (!numbers.has(number)) continue;
      const left = `SELECT * EXCLUDE (file_row_number) FROM ${parquetOf(exactly(path), ', file_row_number = true')} q
        WHERE NOT (${isReadAgain(run)}) ORDER BY file_row_number`;
      await database.run(`COPY (${left}) TO ${quoted(`${path}.partial`)} (FORMAT parquet, COMPRESSION zstd)`);
      await rename(`${path}.partial`, path);
    }
  });
}

/** The quarantine of increments before one, by their numbers. */
async function withLedgers<T>(
  folder: string,
  before: number,
  use: (database: Database, ledgers: readonly (readonly [number, string])[]) => Promise<T>,
): Promise<T> {
  const quarantine = join(folder, 'quarantine');
  const names = (await readdir(quarantine).catch(() => []))
    .filter((name) => /^\d+\.parquet$/.test(name))
    .sort();
  const ledgers = names
    .map((name) => [Number(basename(name, '.parquet')) + 1, join(quarantine, name)] as const)
    .filter(([number]) => number < before);
  const database = await openDatabase(dataSetLayout(folder).runs);
  try {
    return await use(database, ledgers);
  } finally {
    database.close();
  }
}
