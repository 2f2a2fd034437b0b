import { DuckDBInstance, LIST, listValue, VARCHAR } from '@duckdb/node-api';
import { ownRooms } from '../feed/row-memory.ts';
import { type FeedRow, openRows, type RowSource } from '../feed/rows.ts';
import { exactly } from '../sql-text.ts';

/** A row to be exported, under a name that no other has. */
export interface ExportedRow extends FeedRow {
  readonly name: string;
  /** Where it was selected; null where rows are exported as they were curated. */
  readonly selected: { readonly step: number; readonly position: number } | null;
}

/**
 * Opens curated shards to be exported. Rows are on their own: writers send them from where they lie, some time after they
 * took them. Throws when a shard is missing, or isn't a curated one.
 */
export function openExported(shards: readonly string[], { teacher }: { readonly teacher: boolean }) {
  return openRows(shards, { teacher, locca: false, memory: ownRooms });
}

/** Every curated row, in the order of the shards. */
export async function* curatedRows(source: RowSource): AsyncGenerator<ExportedRow[]> {
  let row = 0;
  for (const group of source.groups.keys()) {
    for await (const rows of source.read(group, 0)) {
      const first = row;
      row += rows.length;
      yield rows.map((data, i) => ({ ...data, name: nameOf(data.key, first + i), selected: null }));
    }
  }
}

/** A key that is a safe name of a file without an ending is the row's name; else its number is. */
function nameOf(key: string, row: number): string {
  return /^[\w-]{1,100}$/.test(key) ? key : `row-${String(row).padStart(9, '0')}`;
}

/** Row groups that are held at a time, in bytes: what is selected in one step came from rows near each other. */
const mostHeld = 1024 ** 3;

/**
 * The selected rows in the order of their steps, as often as they were selected. `shards` are those of the source, in
 * order. Row groups of `heldBytes` bytes, or one that is larger, are held for the rows to come. Throws when a key of the
 * selections isn't among them.
 */
export async function* selectedRows(
  source: RowSource,
  shards: readonly { readonly path: string; readonly groups: readonly number[] }[],
  selections: string,
  heldBytes = mostHeld,
): AsyncGenerator<ExportedRow[]> {
  const held = new Map<number, { rows: FeedRow[]; bytes: number }>();
  const groupAt = async (group: number): Promise<FeedRow[]> => {
    const known = held.get(group);
    if (known) {
      held.delete(group);
      held.set(group, known);
      return known.rows;
    }
    const rows: FeedRow[] = [];
    for await (const part of source.read(group, 0)) rows.push(...part);
    held.set(group, { rows, bytes: rows.reduce((sum, { room }) => sum + room.bytes.length, 0) });
    let total = [...held.values()].reduce((sum, { bytes }) => sum + bytes, 0);
    for (const [oldest, { bytes }] of held) {
      if (total <= heldBytes || oldest === group) break;
      held.delete(oldest);
      total -= bytes;
    }
    return rows;
  };
  for await (const places of placesOf(shards, selections)) {
    const rows: ExportedRow[] = [];
    for (const { step, position, group, row } of places) {
      const data = (await groupAt(group))[row];
      if (data === undefined) throw new Error(`row group ${group} has no row ${row}: the shards changed`);
      const name = `${String(step).padStart(9, '0')}-${String(position).padStart(6, '0')}`;
      rows.push({ ...data, name, selected: { step, position } });
    }
    yield rows;
  }
}

interface Place {
  readonly step: number;
  readonly position: number;
  readonly group: number;
  readonly row: number;
}

async function* placesOf(
  shards: readonly { readonly path: string; readonly groups: readonly number[] }[],
  selections: string,
): AsyncGenerator<Place[]> {
  // Where each row group begins in its shard, and its number over all shards.
  const starts = new Map<string, { readonly start: number; readonly group: number }[]>();
  let group = 0;
  for (const { path, groups } of shards) {
    let start = 0;
    const of: { start: number; group: number }[] = [];
    for (const rows of groups) {
      of.push({ start, group });
      start += rows;
      group += 1;
    }
    starts.set(path, of);
  }
  const instance = await DuckDBInstance.create(':memory:', { memory_limit: '1GB' });
  const connection = await instance.connect();
  try {
    const result = await connection.stream(
      `SELECT s.step::INT, s.position::INT, c.filename, c.file_row_number::INT, s.key
       FROM read_parquet($selections, hive_partitioning = false) s
       LEFT JOIN (
         SELECT key, filename, file_row_number
         FROM read_parquet($shards, hive_partitioning = false, filename = true, file_row_number = true)) c
         ON s.key = c.key
       ORDER BY s.step, s.position`,
      { selections: exactly(selections), shards: listValue(shards.map(({ path }) => exactly(path))) },
      { shards: LIST(VARCHAR) },
    );
    for (;;) {
      const chunk = await result.fetchChunk();
      if (chunk === null || chunk.rowCount === 0) return;
      yield chunk.getRows().map(([step, position, path, row, key]) => {
        const groups = starts.get(String(path));
        const within = groups?.findLast(({ start }) => start <= Number(row));
        if (path === null || within === undefined) throw new Error(`the curated rows have no key ${key}`);
        return {
          step: Number(step),
          position: Number(position),
          group: within.group,
          row: Number(row) - within.start,
        };
      });
    }
  } finally {
    connection.closeSync();
    instance.closeSync();
  }
}
