import type { RecordBatch } from 'apache-arrow';
import { createMemory, OverMemory } from '../../schemas/parquet-reader/memory.ts';
import { type OpenShard, openShard, type RowGroupFacts } from '../../schemas/parquet-reader.ts';
import type { StageContext } from '../../schemas/stage.ts';
import { throwStorageError } from '../../schemas/storage/errors.ts';
import { type PlannedColumn, planColumns } from './columns.ts';
import { messageOf, mostEntries, type ReadOptions, refuseShard, type ShardReader, stage } from './reader.ts';
import { soundBatch } from './row-batch.ts';

/** Half of the memory is for pages, and a batch is closed well before it fills the rest. */
const batchShare = 16;

/**
 * Reads a parquet shard row group by row group, and each of them page by page. A shard without a sound footer, or
 * whose columns differ from the kind's, is one entry of the quarantine; the rows of a row group from where it can't
 * be decoded, or doesn't fit the memory, are an entry each; so is a row whose values can't be.
 */
export const readParquet: ShardReader = async function* (path, options, context) {
  const { from = 0, to = Number.POSITIVE_INFINITY } = options.rowGroups ?? {};
  // Of a shard's parts the first one says what is wrong with all of it.
  const opened = await openOrRefuse(path, options, from === 0 ? context : { ...context, quarantine() {} });
  if (opened === null) return;
  const { shard, columns } = opened;
  const places: Places = { first: 0, entriesLeft: Math.min(shard.mostRows, Number.MAX_SAFE_INTEGER) };
  for (const group of shard.rowGroups) {
    context.signal.throwIfAborted();
    if (group.index >= from && group.index < to) {
      yield* readRowGroup(shard, group, columns, options, context, places);
    }
    if (group.rows > 0) places.first += group.rows;
  }
};

interface Places {
  /** The row group's first row, in the file. */
  first: number;
  /** Rows that the file can still have: a footer's claims past them are not worth an entry each. */
  entriesLeft: number;
}

async function openOrRefuse(path: string, { kind }: ReadOptions, context: StageContext) {
  try {
    const shard = await openShard(path);
    const plan = planColumns(shard.schema, kind);
    if ('columns' in plan) return { shard, columns: plan.columns };
    refuseShard(context, path, plan.reason, plan.detail);
  } catch (error) {
    throwStorageError(error);
    refuseShard(context, path, 'unreadable-shard', messageOf(error));
  }
  return null;
}

async function* readRowGroup(
  shard: OpenShard,
  group: RowGroupFacts,
  columns: readonly PlannedColumn[],
  options: ReadOptions,
  context: StageContext,
  places: Places,
): AsyncGenerator<RecordBatch> {
  const memory = createMemory(Math.floor(options.memory / 2));
  let done = 0;
  let leaves: ReturnType<OpenShard['openLeaves']> = [];
  try {
    leaves = shard.openLeaves(
      group.index,
      columns.flatMap((column) => column.leaves),
      memory,
    );
    while (done < group.rows) {
      context.signal.throwIfAborted();
      let rows = Math.min(options.batchRows, group.rows - done);
      for (const leaf of leaves) rows = Math.min(rows, await leaf.ready(rows, options.memory / batchShare));
      if (rows === 0) throw new Error(`a column ends after ${done} of ${group.rows} rows`);
      const slices = leaves.map((leaf) => leaf.take(rows));
      const place = {
        shard: shard.path,
        rowGroup: group.index,
        row: done,
        inShard: places.first + done,
        name: options.name,
      };
      const batch = soundBatch(columns, slices, rows, place, options.kind, context);
      done += rows;
      places.entriesLeft -= rows;
      if (batch !== null) yield batch;
    }
  } catch (error) {
    context.signal.throwIfAborted();
    throwStorageError(error);
    quarantineRest(shard.path, group, done, error, context, places);
  } finally {
    for (const leaf of leaves) await leaf.close();
  }
}

function quarantineRest(
  shard: string,
  group: RowGroupFacts,
  done: number,
  error: unknown,
  context: StageContext,
  places: Places,
): void {
  const left = group.rows - done;
  const entry = {
    key: null,
    shard,
    rowGroup: group.index,
    stage,
    reason: error instanceof OverMemory ? 'over-memory' : 'unreadable-row-group',
    detail: messageOf(error),
  };
  if (left < 1 || left > mostEntries || left > places.entriesLeft || !Number.isSafeInteger(left)) {
    context.quarantine({ ...entry, row: null, firstRow: done });
    return;
  }
  places.entriesLeft -= left;
  for (let row = done; row < group.rows; row += 1) context.quarantine({ ...entry, row });
}
