import { mkdir, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { DuckDBConnection } from '@duckdb/node-api';
import type { Notebook } from '@observablehq/notebook-kit';
import { getQueryCachePath } from '@observablehq/notebook-kit/databases';
import { thumbnail } from './thumbnail.ts';

/** The database that cells of the notebooks ask: the run that they are built of. */
export const runDatabase = 'run';

/** What a cell of SQL finds, as the kit writes it down for the page. */
interface Answer {
  readonly rows: readonly Record<string, unknown>[];
  readonly schema: readonly { readonly name: string; readonly type: string }[];
  readonly duration: number;
  readonly date: Date;
}

/**
 * Answers a notebook's cells of SQL from a run, and leaves the answers where the kit looks for them: its own client is
 * of an older DuckDB than the one here. A column of bytes becomes small pictures. Throws an error that names the
 * notebook and the cell where a statement fails.
 */
export async function answerCells(
  notebook: Notebook,
  filename: string,
  connection: DuckDBConnection,
): Promise<void> {
  for (const { id, mode, database, value } of notebook.cells) {
    if (mode !== 'sql' || database !== runDatabase) continue;
    const answer = await ask(connection, value).catch((error: Error) => {
      throw new Error(`${filename}, cell ${id}: ${error.message}`);
    });
    const path = await getQueryCachePath(filename, runDatabase, [value]);
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, JSON.stringify(answer));
  }
}

async function ask(connection: DuckDBConnection, sql: string): Promise<Answer> {
  const date = new Date();
  const result = await connection.runAndReadAll(sql);
  const names = result.columnNames();
  const types = names.map((name, i) => ({ name, type: kitType(String(result.columnType(i))) }));
  const rows = result.getRowObjectsJson() as Record<string, unknown>[];
  const pictures = types.flatMap(({ name, type }, i) => (type === 'buffer' ? [{ name, i }] : []));
  for (const { name, i } of pictures) {
    const values = result.getColumnsJS()[i] ?? [];
    for (const [at, row] of rows.entries()) row[name] = await thumbnail(values[at]);
  }
  return { rows, schema: types, duration: Date.now() - date.getTime(), date };
}

/** What the kit's tables call a type of DuckDB's. */
function kitType(type: string): string {
  if (/^(U?TINY|U?SMALL|U)?INT/.test(type)) return 'integer';
  if (/^(U?BIG|U?HUGE)INT/.test(type)) return 'bigint';
  if (/^(FLOAT|DOUBLE|DECIMAL)/.test(type)) return /\[/.test(type) ? 'array' : 'number';
  if (/\]$/.test(type)) return 'array';
  if (type === 'BOOLEAN') return 'boolean';
  if (type === 'BLOB') return 'buffer';
  if (/^(VARCHAR|UUID|TIME$)/.test(type)) return 'string';
  if (/^(DATE|TIMESTAMP)/.test(type)) return 'date';
  return 'other';
}
