import { join } from 'node:path';
import { type DuckDBConnection, LIST, listValue, VARCHAR } from '@duckdb/node-api';
import type { PicturePlace } from './query.ts';

/** Reads encoded pictures of shards; null where a row has none. */
export type ReadPicture = (place: PicturePlace) => Promise<Uint8Array | null>;

/** Requests of a screen come within this time, and are answered by one read of each shard. */
const gatherMilliseconds = 4;
/** Rows of one read: their pictures are in memory together. */
const mostRows = 32;
/** Encoded pictures of more bytes than this aren't read. */
const mostBytes = 64 * 1024 * 1024;

interface Waiting {
  readonly row: number;
  resolve(bytes: Uint8Array | null): void;
  reject(error: unknown): void;
}

/**
 * Makes a reader of single pictures: a read touches only the pages that its rows are in. `shards` is the folder of the
 * kept rows' shards; `imageColumn` what the source shards call their pictures.
 */
export function createPictureReader(
  connection: DuckDBConnection,
  shards: string,
  imageColumn: string | null,
): ReadPicture {
  const waiting = new Map<string, { isSource: boolean; wanted: Waiting[] }>();
  const expressions = new Map<string, Promise<string | null>>();

  const expressionOf = (path: string, column: string) => {
    const known = expressions.get(path) ?? describeImage(connection, path, column);
    // What failed is tried anew.
    known.catch(() => expressions.delete(path));
    expressions.set(path, known);
    return known;
  };

  const readAll = async (path: string, isSource: boolean, wanted: readonly Waiting[]) => {
    try {
      const column = isSource ? imageColumn : 'image';
      const expression = column === null ? null : await expressionOf(path, column);
      const found =
        expression === null
          ? new Map<number, Uint8Array>()
          : await readRows(connection, path, expression, [...new Set(wanted.map(({ row }) => row))]);
      for (const { row, resolve } of wanted) resolve(found.get(row) ?? null);
    } catch (error) {
      for (const { reject } of wanted) reject(error);
    }
  };

  const flush = async () => {
    const all = [...waiting];
    waiting.clear();
    for (const [path, { isSource, wanted }] of all) {
      for (let from = 0; from < wanted.length; from += mostRows) {
        await readAll(path, isSource, wanted.slice(from, from + mostRows));
      }
    }
  };

  return ({ file, row, isSource }) =>
    new Promise((resolve, reject) => {
      const path = isSource ? file : join(shards, file);
      if (waiting.size === 0) setTimeout(flush, gatherMilliseconds);
      const entry = waiting.get(path) ?? { isSource, wanted: [] };
      entry.wanted.push({ row, resolve, reject });
      waiting.set(path, entry);
    });
}

const types = { files: LIST(VARCHAR) };
const filesOf = (path: string) => ({ files: listValue([path.replace(/[[*?]/g, '[$&]')]) });

/** How a shard's pictures are read: a struct's bytes, or bytes alone; null where it has none. */
async function describeImage(connection: DuckDBConnection, path: string, column: string) {
  const described = await connection.runAndReadAll(
    'DESCRIBE SELECT * FROM read_parquet($files, hive_partitioning = false)',
    filesOf(path),
    types,
  );
  const found = described.getRowObjectsJS().find((row) => row.column_name === column);
  const type = String(found?.column_type ?? '');
  const name = `"${column.replaceAll('"', '""')}"`;
  if (type === 'BLOB') return name;
  return /^STRUCT\(.*\bbytes BLOB/.test(type) ? `${name}.bytes` : null;
}

async function readRows(
  connection: DuckDBConnection,
  path: string,
  expression: string,
  rows: readonly number[],
): Promise<Map<number, Uint8Array>> {
  const places = Object.fromEntries(rows.map((row, i) => [`row${i}`, row]));
  const names = Object.keys(places).map((name) => `$${name}`);
  const read = await connection.runAndReadAll(
    `SELECT file_row_number::DOUBLE AS place, ${expression} AS bytes
     FROM read_parquet($files, hive_partitioning = false, file_row_number = true)
     WHERE file_row_number IN (${names.join(', ')}) AND octet_length(${expression}) <= ${mostBytes}`,
    { ...places, ...filesOf(path) },
    types,
  );
  const found = new Map<number, Uint8Array>();
  for (const { place, bytes } of read.getRowObjectsJS()) {
    if (bytes instanceof Uint8Array) found.set(Number(place), bytes);
  }
  return found;
}
