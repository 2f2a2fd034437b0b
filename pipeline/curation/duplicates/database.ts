import { availableParallelism } from 'node:os';
import { type DuckDBAppender, DuckDBInstance, type DuckDBValue } from '@duckdb/node-api';
import { exactly, parquetOf } from '../../sql-text.ts';
import { idsOfTask } from '../plan/tasks.ts';

/** Values bound to a statement's parameters. */
export type Bound = Readonly<Record<string, string | number>>;

/** DuckDB in memory, spilling to a folder what memory doesn't hold. */
export interface Database {
  run(sql: string, values?: Bound): Promise<void>;
  rows(sql: string, values?: Bound): Promise<Record<string, unknown>[]>;
  /** The columns of a result chunk by chunk, so that a result of any size can be read. */
  stream(sql: string): AsyncGenerator<readonly DuckDBValue[][]>;
  /** Fills a table row by row. Rows are there once it returns. */
  append(table: string, fill: (appender: DuckDBAppender) => Promise<void>): Promise<void>;
  close(): void;
}

/** Bytes that DuckDB takes before it spills. */
const usualMemory = 2e9;
/** Each thread holds buffers of its own: with less of that memory it can't get on. */
const memoryOfThread = 64e6;
const mostThreads = 8;
/** Files of partitions that are written at a time: past them each flush would begin new ones, of a few rows. */
const openFiles = 2048;

/**
 * Opens a database of its own; `folder` is where it spills what is more than `memory` bytes. No result has an order but
 * one that it is given.
 */
export async function openDatabase(folder: string, memory = usualMemory): Promise<Database> {
  const threads = Math.min(mostThreads, availableParallelism(), Math.floor(memory / memoryOfThread));
  const instance = await DuckDBInstance.create(':memory:', {
    temp_directory: folder,
    memory_limit: `${Math.floor(memory / 1e6)}MB`,
    threads: String(Math.max(1, threads)),
    partitioned_write_max_open_files: String(openFiles),
    preserve_insertion_order: 'false',
  });
  const connection = await instance.connect();
  // A result that is being streamed holds its connection: others go on beside it.
  const reader = await instance.connect();
  return {
    async run(sql, values = {}) {
      await connection.run(sql, { ...values });
    },
    async rows(sql, values = {}) {
      return (await connection.runAndReadAll(sql, { ...values })).getRowObjectsJS();
    },
    async *stream(sql) {
      for await (const chunk of await reader.stream(sql)) yield chunk.getColumns();
    },
    async append(table, fill) {
      const appender = await connection.createAppender(table);
      try {
        await fill(appender);
      } finally {
        appender.closeSync();
      }
    },
    close() {
      reader.closeSync();
      connection.closeSync();
      instance.closeSync();
    },
  };
}

/**
 * Files of rows: a path of a file whose ids are of all rows, or a pattern of one file a task, whose ids begin at 0, and the
 * table of the plan's tasks, by which they are numbered over all of them. With `earlier`, a pattern of files of the same columns of rows
 * that earlier runs read, whose ids are below 0.
 */
export type RowFiles =
  | string
  | { readonly glob: string; readonly tasks: string; readonly earlier?: string | null };

/** The pixels of a row that an earlier run has written, so that of duplicates it is the one that is kept. */
export const writtenPixels = 2 ** 53;

/** Rows that earlier runs read: what they wrote comes before everything, and what they left out after it. */
export function earlierRelation(pattern: string): string {
  const pixels = `CASE WHEN written THEN ${writtenPixels}::BIGINT ELSE -1::BIGINT END`;
  const isOfFacts = /facts\.parquet$/.test(pattern);
  const columns = isOfFacts ? `* EXCLUDE (written) REPLACE (${pixels} AS pixels)` : '*';
  return `SELECT ${columns} FROM ${parquetOf(pattern)}`;
}

/** Rows of files, as a relation that a statement selects from. */
export function relationOf(files: RowFiles): string {
  if (typeof files === 'string') return parquetOf(exactly(files));
  const earlier = files.earlier ? `UNION ALL BY NAME ${earlierRelation(files.earlier)}` : '';
  // A file's folder is its task's id: those of tasks that the plan no longer has are left out.
  return `(
    SELECT f.* EXCLUDE (filename) REPLACE (f.id + t."position"::BIGINT * ${idsOfTask} AS id)
    FROM ${parquetOf(files.glob, ', filename = true')} f
    JOIN ${parquetOf(exactly(files.tasks))} t
      ON t.phase = 'admit' AND t.id = parse_path(f.filename)[-2] ${earlier})`;
}
