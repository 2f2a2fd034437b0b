import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { batchOf, type ColumnValues } from '../../schemas/batches.ts';
import { openParquetWriter } from '../../schemas/parquet-writer.ts';
import type { ReasonRows } from '../../schemas/reports.ts';
import { droppedTypes, quarantineTypes } from '../../schemas/rows.ts';
import type { DroppedRow, QuarantinedRow } from '../../schemas/stage.ts';

/** Where the rows that don't go on are written down, and counted. */
export interface Ledger {
  quarantine(row: QuarantinedRow): void;
  drop(row: DroppedRow): void;
  /** Writes what has been handed in; called between batches, so that little is held. */
  flush(): Promise<void>;
  close(): Promise<void>;
  abort(): Promise<void>;
  /** Dropped rows by stage and reason. */
  dropped(): ReasonRows[];
  /** Quarantined rows by stage and reason; whole shards, of which no row is known, are counted apart. */
  quarantined(): ReasonRows[];
  quarantinedShards(): number;
}

/** Opens `quarantine/` and `dropped/` of a run's folder. */
export async function openLedger(folder: string): Promise<Ledger> {
  const quarantined = await openTable(join(folder, 'quarantine'), quarantineTypes, (row: QuarantinedRow) => ({
    ...row,
    row_group: row.rowGroup,
    first_row: row.row === null ? (row.firstRow ?? 0) : null,
  }));
  const dropped = await openTable(join(folder, 'dropped'), droppedTypes, (row: DroppedRow) => ({
    ...row,
    kept_key: row.kept,
    row_group: row.rowGroup,
  }));
  const counts = { quarantined: new Map<string, number>(), dropped: new Map<string, number>() };
  let shards = 0;
  return {
    quarantine(row) {
      quarantined.add(row);
      if (row.row === null) shards += 1;
      else countOne(counts.quarantined, row);
    },
    drop(row) {
      dropped.add(row);
      countOne(counts.dropped, row);
    },
    async flush() {
      await quarantined.flush();
      await dropped.flush();
    },
    async close() {
      await quarantined.close();
      await dropped.close();
    },
    async abort() {
      await quarantined.abort();
      await dropped.abort();
    },
    dropped: () => listed(counts.dropped),
    quarantined: () => listed(counts.quarantined),
    quarantinedShards: () => shards,
  };
}

function countOne(counts: Map<string, number>, row: { stage: string; reason: string }): void {
  const name = `${row.stage}\u0000${row.reason}`;
  counts.set(name, (counts.get(name) ?? 0) + 1);
}

function listed(counts: ReadonlyMap<string, number>): ReasonRows[] {
  return [...counts].map(([name, rows]) => {
    const [stage = '', reason = ''] = name.split('\u0000');
    return { stage, reason, rows };
  });
}

const rowsHeld = 4096;

async function openTable<Row>(
  folder: string,
  types: Readonly<Record<string, ColumnValues['type']>>,
  recordOf: (row: Row) => Record<string, unknown>,
) {
  await mkdir(folder, { recursive: true });
  const writer = await openParquetWriter(join(folder, '00000.parquet'));
  let held: Record<string, unknown>[] = [];
  const write = async (count: number) => {
    const rows = held.slice(0, count);
    held = held.slice(count);
    const columns = Object.entries(types).map(([name, type]) => [
      name,
      { type, values: rows.map((row) => row[name] ?? null) },
    ]);
    await writer.write(batchOf(Object.fromEntries(columns)));
  };
  return {
    add(row: Row): void {
      held.push(recordOf(row));
    },
    async flush(): Promise<void> {
      // Always as many at a time, so that the file's bytes don't hang on when it is flushed.
      while (held.length >= rowsHeld) await write(rowsHeld);
    },
    async close(): Promise<void> {
      while (held.length > rowsHeld) await write(rowsHeld);
      await write(held.length);
      await writer.close();
    },
    abort: () => writer.abort(),
  };
}
