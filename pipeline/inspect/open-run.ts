import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type DuckDBConnection, DuckDBInstance } from '@duckdb/node-api';
import type { QueryRow } from '../report/queries.ts';
import { findRun, type RunParts } from './run-parts.ts';
import { ask, type BoundValue, createViews, lock, scopeOf, setFiles } from './run-views.ts';

export { ask, type BoundValue } from './run-views.ts';

/** A run's folder, open as views. */
export interface OpenRun {
  readonly parts: RunParts;
  /** The run beside it, where one was asked for. */
  readonly beside: RunParts | null;
  /** The connection that {@link query} uses, for results in chunks; statements on it wait for each other. */
  readonly connection: DuckDBConnection;
  /** Asks DuckDB; values are bound by name (`$name`), never put in the SQL. BIGINT comes as bigint. */
  query(sql: string, values?: Readonly<Record<string, BoundValue>>): Promise<QueryRow[]>;
  /** Another connection on which the views work, for questions beside each other. The caller closes it. */
  connect(): Promise<DuckDBConnection>;
  close(): Promise<void>;
}

/** How a run is opened. */
export interface OpenRunOptions {
  /** Whether SQL may read and write any file, attach databases and load extensions. No unless told. */
  readonly unrestricted?: boolean;
  /** Files that SQL may read or write beside the run's own. */
  readonly allow?: readonly string[];
  /** Another run's folder, whose views stand in the schema `other`. */
  readonly beside?: string;
  /** A database's file in which the reports' tables are made; the views are then the first connection's alone. */
  readonly database?: string;
  /** Memory before DuckDB spills to the system's temporary folder, such as `2GB`. */
  readonly memory?: string;
}

/**
 * Opens a run's folder (of a curation, a distillation, or a demo with both) as the views of {@link views} in a DuckDB
 * in memory. Unless it is told otherwise, DuckDB can read the run's own files and nothing else, and loads no
 * extension; what writes is refused by {@link ./statements.ts}. Throws a UsageError when the folder holds no run.
 */
export async function openRun(folder: string, options: OpenRunOptions = {}): Promise<OpenRun> {
  const parts = await findRun(folder);
  const scopes = [scopeOf(parts, 'main')];
  if (options.beside !== undefined) scopes.push(scopeOf(await findRun(options.beside), 'other'));
  const spill = await mkdtemp(join(tmpdir(), 'assay-inspect-'));
  const instance = await DuckDBInstance.create(options.database ?? ':memory:', {
    temp_directory: spill,
    memory_limit: options.memory ?? '2GB',
  });
  const opened: DuckDBConnection[] = [];
  const connect = async () => {
    const connection = await instance.connect();
    for (const scope of scopes) await setFiles(connection, scope);
    return connection;
  };
  const close = async () => {
    for (const connection of opened) connection.closeSync();
    instance.closeSync();
    await rm(spill, { recursive: true, force: true });
  };
  try {
    const connection = await connect();
    opened.push(connection);
    await connection.run('SET parquet_metadata_cache = true');
    for (const scope of scopes) {
      await createViews(connection, scope, options.database === undefined ? 'VIEW' : 'TEMP VIEW');
    }
    const files = scopes.flatMap((scope) => Object.values(scope.files).flat());
    if (!options.unrestricted) await lock(connection, [...files, ...(options.allow ?? [])]);
    const beside = scopes[1]?.parts ?? null;
    return {
      parts,
      beside,
      connection,
      connect,
      close,
      query: (sql, values) => ask(connection, sql, values),
    };
  } catch (error) {
    await close();
    throw error;
  }
}
