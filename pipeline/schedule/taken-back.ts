import { readdir, rename, rm, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { ReasonRows } from '../../schemas/reports.ts';
import { endOf } from '../curation/admit/part.ts';
import type { TaskResult } from '../curation/admit/run-task.ts';
import { type Database, openDatabase } from '../curation/duplicates/database.ts';
import type { FrozenRun } from '../curation/plan/plan-files.ts';
import { isReadTask } from '../curation/plan/tasks.ts';
import { writingStage } from '../curation/tasks/finish.ts';
import { readRecord } from '../curation/tasks/output.ts';
import { exactly, parquetOf, quoted } from '../sql-text.ts';
import { syncOne } from '../to-disk.ts';
import { dataSetLayout } from './data-set.ts';
import { entriesOf, listsOf } from './unread.ts';
import { type RowsByShard, rowsRead } from './unread-rows.ts';

/** What one increment had quarantined that a later one has read again. */
export interface TakenBack {
  /** The increment's number. */
  readonly number: number;
  readonly rows: number;
  /** Whole shards and row groups of which no row was known. */
  readonly shards: number;
  readonly reasons: readonly ReasonRows[];
  /** Rows of them that had come through the first pass, by language; absent in what earlier versions kept. */
  readonly languages?: Readonly<Record<string, number>>;
  /** The stages that those had come through. */
  readonly stages?: readonly string[];
}

/** Where the ledger of an increment is in its data set's folder. */
export const quarantineFile = (number: number) => `${String(number - 1).padStart(5, '0')}.parquet`;

/** The name, among what is kept of an increment, of the rows that its second pass lost: shard, row_group, row, language. */
export const lostName = 'lost.parquet';

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
  const layout = dataSetLayout(folder);
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
      const languages = await lostLanguages(database, join(layout.factsOf(earlier), lostName), path);
      const stages = Object.keys(languages).length > 0 ? await stagesOfReading(run) : [];
      const counted = { number: earlier, rows: sum('rows'), shards: sum('shards'), reasons };
      found.push({ ...counted, languages, stages });
    }
    return found;
  });
}

/** Rows that an increment's second pass had lost and that are taken back of its ledger, by language. */
async function lostLanguages(
  database: Database,
  lost: string,
  ledger: string,
): Promise<Record<string, number>> {
  if ((await stat(lost).catch(() => null)) === null) return {};
  const rows = await database.rows(`
    SELECT language, count(*) AS rows FROM ${parquetOf(exactly(lost))} l
    JOIN ${takenOf(ledger)} t USING (shard, row_group, "row")
    WHERE t.stage = ${quoted(writingStage)} GROUP BY language ORDER BY language`);
  return Object.fromEntries(rows.map(({ language, rows: count }) => [String(language), Number(count)]));
}

/** The stages of a run's first pass. */
async function stagesOfReading(run: FrozenRun): Promise<string[]> {
  const [task] = run.tasks('admit').filter(isReadTask);
  const record = task && (await readRecord(run.folder, task));
  return record ? (record.result as TaskResult).figures.map(({ stage }) => stage) : [];
}

/** Takes what a run has read again out of the ledgers of earlier increments: each whole or not at all, as often as wanted. */
export async function takeBack(folder: string, run: FrozenRun, taken: readonly TakenBack[]): Promise<void> {
  const numbers = new Set(taken.map(({ number }) => number));
  await withLedgers(folder, Number.POSITIVE_INFINITY, run, async (database, ledgers) => {
    for (const [number, path] of ledgers) {
      if (!numbers.has(number)) continue;
      const left = `SELECT * EXCLUDE (file_row_number) FROM ${parquetOf(exactly(path), ', file_row_number = true')}
        WHERE file_row_number NOT IN (SELECT entry FROM ${takenOf(path)}) ORDER BY file_row_number`;
      const partial = `${path}.partial`;
      // A link that lies in wait is not written through.
      await rm(partial, { force: true });
      await database.run(`COPY (${left}) TO ${quoted(partial)} (FORMAT parquet, COMPRESSION zstd)`);
      // What it takes the place of is on the disk: a power cut must leave one or the other.
      await syncOne(partial);
      await rename(partial, path);
    }
  });
  if (numbers.size > 0) await syncOne(join(folder, 'quarantine'));
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
