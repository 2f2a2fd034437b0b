import { join } from 'node:path';
import { type DuckDBConnection, DuckDBInstance } from '@duckdb/node-api';

/** A curation run beside the planted truth of its sources, as views of DuckDB. */
export interface RunTables {
  rows(sql: string): Promise<Record<string, unknown>[]>;
  /** The one number that a query answers; NaN for null. */
  number(sql: string): Promise<number>;
  close(): void;
}

/**
 * Opens the views `truth` (key, kind, language, defects, duplicate_of, boxes), `source` (the shards that were read),
 * `kept`, `dropped` and `quarantined` (the run's files).
 */
export async function openRunTables(files: {
  readonly pool: string;
  readonly run: string;
}): Promise<RunTables> {
  const instance = await DuckDBInstance.create();
  const connection: DuckDBConnection = await instance.connect();
  const views = {
    truth: join(files.pool, 'truth.parquet'),
    source: join(files.pool, 'shards', '*.parquet'),
    kept: join(files.run, 'shards', '*.parquet'),
    dropped: join(files.run, 'dropped', '*.parquet'),
    quarantined: join(files.run, 'quarantine', '*.parquet'),
  };
  for (const [name, path] of Object.entries(views)) {
    const file = `'${path.replaceAll("'", "''")}'`;
    await connection.run(`CREATE VIEW ${name} AS SELECT * FROM read_parquet(${file})`);
  }
  const rows: RunTables['rows'] = async (sql) => (await connection.runAndReadAll(sql)).getRowObjectsJS();
  return {
    rows,
    async number(sql) {
      const [first] = await rows(sql);
      const [value] = Object.values(first ?? {});
      return value === null || value === undefined ? Number.NaN : Number(value);
    },
    close() {
      connection.closeSync();
      instance.closeSync();
    },
  };
}
