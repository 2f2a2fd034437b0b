import { readdir, rename } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { hasLists, inputKind } from '../../schemas/presets.ts';
import type { ReasonRows } from '../../schemas/reports.ts';
import { groupSamples } from '../../stages/read-shards/tar-rows.ts';
import type { Config } from '../config.ts';
import { endOf } from '../curation/admit/part.ts';
import { type Database, openDatabase } from '../curation/duplicates/database.ts';
import type { FrozenRun } from '../curation/plan/plan-files.ts';
import { isReadTask, type RowRange } from '../curation/plan/tasks.ts';
import { retriedStages } from '../curation/tasks/commit.ts';
import { exactly, parquetOf, quoted } from '../sql-text.ts';
import { dataSetLayout } from './data-set.ts';
import { mergeRanges, type RowsByShard, rowsRead, type ShardRows } from './unread-rows.ts';

/** What one increment had quarantined that a later one has read again. */
export interface TakenBack {
  /** The increment's number. */
  readonly number: number;
  readonly rows: number;
  /** Whole shards and row groups of which no row was known. */
  readonly shards: number;
  readonly reasons: readonly ReasonRows[];
}

/** Where the ledger of an increment is in its data set's folder. */
export const quarantineFile = (number: number) => `${String(number - 1).padStart(5, '0')}.parquet`;

/** Whether parquet files beside the tars of a recipe are their lists. */
export const listsOf = ({ input }: Config): boolean => input !== undefined && hasLists(inputKind(input));

/**
 * Entries of ledgers that are tried again, each with its place as {@link RowsByShard} counts it: `part`, its row group or -1
 * where it is the tar's, or the shard's; `place`, its row there, or the first of those that it stands for (`is_open`).
 */
function entriesOf(pattern: string): string {
  const isOfTar = `lower(shard) LIKE '%.tar'`;
  // Ledgers of earlier versions don't say where reading stopped.
  const ledgers = `(SELECT * FROM ${parquetOf(pattern, ', union_by_name = true, file_row_number = true')}
    UNION ALL BY NAME SELECT NULL::INTEGER AS first_row WHERE false)`;
  return `(
    SELECT stage, reason, shard, file_row_number AS entry, "row" IS NULL AS is_open,
      CASE WHEN ${isOfTar} THEN -1 ELSE coalesce(row_group, -1) END AS part,
      coalesce("row", first_row, 0)::BIGINT
        + CASE WHEN ${isOfTar} THEN coalesce(row_group, 0)::BIGINT * ${groupSamples} ELSE 0 END AS place
    FROM ${ledgers}
    WHERE stage IN (${retriedStages.map(quoted).join(', ')}) AND shard IS NOT NULL)`;
}

/** What the increments of a data set couldn't read. */
export async function readUnread(folder: string): Promise<RowsByShard> {
  const quarantine = join(folder, 'quarantine');
  const names = await readdir(quarantine).catch(() => []);
  if (names.length === 0) return new Map();
  const database = await openDatabase(dataSetLayout(folder).runs);
  try {
    const entries = entriesOf(join(exactly(quarantine), '*.parquet'));
    // Rows that follow one another are one range.
    const rows = await database.rows(`
      WITH entries AS (SELECT DISTINCT shard, part, place, is_open FROM ${entries}), runs AS (
        SELECT *, place - row_number() OVER (PARTITION BY shard, part ORDER BY place) AS run
        FROM entries WHERE NOT is_open
      )
      SELECT shard, part, min(place) AS first, max(place) + 1 AS beyond FROM runs GROUP BY shard, part, run
      UNION ALL SELECT shard, part, min(place), NULL FROM entries WHERE is_open GROUP BY shard, part
      ORDER BY shard, part, first`);
    return unreadOf(
      rows.map(({ shard, part, first, beyond }) => ({
        ...{ shard: String(shard), part: Number(part) },
        range: [Number(first), beyond === null ? null : Number(beyond)],
      })),
    );
  } finally {
    database.close();
  }
}

interface Found {
  readonly shard: string;
  readonly part: number;
  readonly range: RowRange;
}

/** Ranges, of which those of one shard and one part follow one another, as what is unread. */
function unreadOf(found: readonly Found[]): RowsByShard {
  const unread = new Map<string, ShardRows>();
  for (let i = 0; i < found.length; ) {
    const { shard, part } = found[i] as Found;
    const ranges: RowRange[] = [];
    while (found[i]?.shard === shard && found[i]?.part === part) ranges.push((found[i++] as Found).range);
    const merged = mergeRanges(ranges);
    const before = unread.get(shard) ?? [];
    const [first, end] = merged[0] ?? [];
    const isWhole = before === 'all' || (part < 0 && first === 0 && end === null);
    unread.set(shard, isWhole ? 'all' : [...before, { group: part < 0 ? null : part, ranges: merged }]);
  }
  return unread;
}

/** Makes the tables `whole` (shard) and `ranges` (shard, part, first, beyond) of rows. */
async function loadRows(database: Database, read: RowsByShard): Promise<void> {
  await database.run('CREATE TABLE whole (shard VARCHAR)');
  await database.run('CREATE TABLE ranges (shard VARCHAR, part INT, first BIGINT, beyond DOUBLE)');
  await database.append('whole', async (appender) => {
    for (const [shard, rows] of read) {
      if (rows !== 'all') continue;
      appender.appendVarchar(shard);
      appender.endRow();
    }
  });
  await database.append('ranges', async (appender) => {
    for (const [shard, rows] of read) {
      for (const { group, ranges } of rows === 'all' ? [] : rows) {
        for (const range of ranges) {
          appender.appendVarchar(shard);
          appender.appendInteger(group ?? -1);
          appender.appendBigInt(BigInt(range[0]));
          appender.appendDouble(endOf(range));
          appender.endRow();
        }
      }
    }
  });
}

/** Entries of a ledger that are of rows of the tables `whole` and `ranges`. */
function takenOf(ledger: string): string {
  return `(
    SELECT e.* FROM ${entriesOf(exactly(ledger))} e
    LEFT JOIN whole w ON w.shard = e.shard
    ASOF LEFT JOIN ranges r ON r.shard = e.shard AND r.part = e.part AND e.place >= r.first
    WHERE w.shard IS NOT NULL OR e.place < r.beyond)`;
}

/** Counts what a run has read again of what earlier increments had quarantined. */
export async function countTakenBack(folder: string, number: number, run: FrozenRun): Promise<TakenBack[]> {
  return withLedgers(folder, number, run, async (database, ledgers) => {
    const found: TakenBack[] = [];
    for (const [earlier, path] of ledgers) {
      const rows = await database.rows(`
        SELECT stage, reason, count(*) FILTER (NOT is_open) AS rows, count(*) FILTER (is_open) AS shards
        FROM ${takenOf(path)} GROUP BY stage, reason ORDER BY stage, reason`);
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
  await withLedgers(folder, Number.POSITIVE_INFINITY, run, async (database, ledgers) => {
    for (const [number, path] of ledgers) {
      if (!numbers.has(number)) continue;
      const left = `SELECT * EXCLUDE (file_row_number) FROM ${parquetOf(exactly(path), ', file_row_number = true')}
        WHERE file_row_number NOT IN (SELECT entry FROM ${takenOf(path)}) ORDER BY file_row_number`;
      await database.run(`COPY (${left}) TO ${quoted(`${path}.partial`)} (FORMAT parquet, COMPRESSION zstd)`);
      await rename(`${path}.partial`, path);
    }
  });
}

/** The quarantine of increments before one, by their numbers, and the rows that a run has read. */
async function withLedgers<T>(
  folder: string,
  before: number,
  run: FrozenRun,
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
    await loadRows(database, rowsRead(run.tasks('admit').filter(isReadTask), listsOf(run.plan.config)));
    return await use(database, ledgers);
  } finally {
    database.close();
  }
}
