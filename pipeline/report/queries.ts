import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { DuckDBInstance, type DuckDBValue, LIST, listValue, VARCHAR } from '@duckdb/node-api';

/** A row that a query gave, by column. */
export type QueryRow = Record<string, unknown>;

/** Asks DuckDB; values are bound, never put in the SQL. A list of texts is bound as LIST(VARCHAR). */
export type Query = (
  sql: string,
  values?: Readonly<Record<string, string | number | readonly string[]>>,
) => Promise<QueryRow[]>;

/** Opens an in-memory DuckDB for as long as `use` needs it. Throws what `use` throws. */
export async function withQueries<T>(use: (query: Query) => Promise<T>): Promise<T> {
  const instance = await DuckDBInstance.create(':memory:');
  const connection = await instance.connect();
  try {
    return await use(async (sql, values = {}) => {
      const bound: Record<string, DuckDBValue> = {};
      const types: Record<string, ReturnType<typeof LIST>> = {};
      for (const [name, value] of Object.entries(values)) {
        if (typeof value === 'string' || typeof value === 'number') bound[name] = value;
        else {
          bound[name] = listValue([...value]);
          types[name] = LIST(VARCHAR);
        }
      }
      return (await connection.runAndReadAll(sql, bound, types)).getRowObjectsJS();
    });
  } finally {
    connection.closeSync();
    instance.closeSync();
  }
}

/** The parquet files of a folder, sorted; none when the folder isn't there. */
export async function parquetFiles(folder: string): Promise<string[]> {
  const names = await readdir(folder).catch(() => []);
  return names
    .filter((name) => name.endsWith('.parquet'))
    .sort()
    .map((name) => join(folder, name));
}

/** A column's text; empty when it is null. */
export function textOf(row: QueryRow, column: string): string {
  const value = row[column];
  return value === null || value === undefined ? '' : String(value);
}

/** A column's list of texts, nulls left out. */
export function textsOf(row: QueryRow, column: string): string[] {
  const value = row[column];
  return Array.isArray(value) ? value.filter((item) => item !== null).map(String) : [];
}

/** A column's number; 0 when it is null. */
export function numberOf(row: QueryRow, column: string): number {
  return Number(row[column] ?? 0);
}
