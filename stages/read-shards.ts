import type { RecordBatch } from 'apache-arrow';
import { z } from 'zod';
import { batchOf, type ColumnValues } from '../schemas/batches.ts';
import { type OpenShard, openShard } from '../schemas/parquet-reader.ts';
import { type Preset, presets, requiredColumns } from '../schemas/presets.ts';
import { provenanceTypes, rowTypes } from '../schemas/rows.ts';
import type { StageContext } from '../schemas/stage.ts';

/** Options of {@link readShards}. */
export const readShardsOptionsSchema = z.strictObject({
  preset: z.enum(Object.keys(presets) as [keyof typeof presets]).default('webli'),
  /** Rows of a record batch at the most; a batch never spans row groups. */
  batchRows: z.int().positive().default(256),
});

/** A shard of which only the row groups from `from` up to, not including, `to` are read; all where absent. */
export interface ShardPart {
  readonly path: string;
  readonly rowGroups?: { readonly from: number; readonly to: number };
}

/** Options of {@link readShards}, with their defaults filled in. */
export type ReadShardsOptions = z.infer<typeof readShardsOptionsSchema>;

const stage = 'read-shards';
/** A footer may claim any number of rows; past this a bad row group is one entry of the quarantine. */
const mostEntries = 1_000_000;

/**
 * Reads shards one row group at a time, in the order given, as record batches of {@link rowTypes} and
 * {@link provenanceTypes}. A shard without a sound footer, or without the columns that a row needs, is one entry
 * of the quarantine; a row group that can't be decoded is an entry for each of its rows; so is a row whose values
 * have the wrong type.
 */
export async function* readShards(
  shards: readonly (string | ShardPart)[],
  options: ReadShardsOptions,
  context: StageContext,
): AsyncGenerator<RecordBatch> {
  const preset: Preset = presets[options.preset];
  for (const part of shards) {
    context.signal.throwIfAborted();
    const { path, rowGroups }: ShardPart = typeof part === 'string' ? { path: part } : part;
    const { from, to } = rowGroups ?? { from: 0, to: undefined };
    // Of a shard's parts the first one says what is wrong with all of it.
    const shard = await openOrQuarantine(path, preset, from === 0 ? context : { quarantine() {} });
    if (shard === null) continue;
    for (const { index, rows } of shard.rowGroups.slice(from, to)) {
      context.signal.throwIfAborted();
      const batch = await readRowGroup(shard, index, rows, preset, context);
      for (let start = 0; batch !== null && start < batch.numRows; start += options.batchRows) {
        yield batch.slice(start, Math.min(batch.numRows, start + options.batchRows));
      }
    }
  }
}

/** The number of rows that the shards' footers promise, for progress; a shard without a sound footer counts none. */
export async function countRows(shards: readonly string[]): Promise<number> {
  let rows = 0;
  for (const path of shards) {
    const shard = await openShard(path).catch(() => null);
    for (const group of shard?.rowGroups ?? []) rows += group.rows;
  }
  return rows;
}

async function openOrQuarantine(
  path: string,
  preset: Preset,
  context: Pick<StageContext, 'quarantine'>,
): Promise<OpenShard | null> {
  const refuse = (reason: string, detail: string) => {
    context.quarantine({ key: null, shard: path, rowGroup: null, row: null, stage, reason, detail });
    return null;
  };
  try {
    const shard = await openShard(path);
    const missing = requiredColumns.filter((name) => !shard.columns.includes(preset[name]));
    if (missing.length === 0) return shard;
    const expected = requiredColumns.map((name) => preset[name]).join(', ');
    return refuse('missing-columns', `expected ${expected}; the shard has ${shard.columns.join(', ')}`);
  } catch (error) {
    return refuse('unreadable-shard', messageOf(error));
  }
}

async function readRowGroup(
  shard: OpenShard,
  index: number,
  rows: number,
  preset: Preset,
  context: StageContext,
): Promise<RecordBatch | null> {
  const wanted = Object.entries(preset).filter(
    (entry): entry is [keyof Preset, string] => entry[1] !== null && shard.columns.includes(entry[1]),
  );
  try {
    const columns = await shard.readRowGroup(
      index,
      wanted.map(([, source]) => source),
    );
    const values = Object.fromEntries(wanted.map(([name, source]) => [name, columns[source] ?? []]));
    const short = wanted.find(([name]) => (values[name]?.length ?? 0) !== rows);
    if (short) throw new Error(`column ${short[1]} has ${values[short[0]]?.length} values for ${rows} rows`);
    return soundRows(values, rows, shard.path, index, context);
  } catch (error) {
    for (let row = 0; row < (rows <= mostEntries ? rows : 1); row += 1) {
      context.quarantine({
        key: null,
        shard: shard.path,
        rowGroup: index,
        row: rows <= mostEntries ? row : null,
        stage,
        reason: 'unreadable-row-group',
        detail: messageOf(error),
      });
    }
    return null;
  }
}

const isText = (value: unknown) => typeof value === 'string';
const isBytes = (value: unknown) => value instanceof Uint8Array;
const isMissing = (value: unknown) => value === null || value === undefined;
const isImage = (value: unknown) => {
  if (typeof value !== 'object' || value === null) return false;
  const { bytes, path } = value as { bytes?: unknown; path?: unknown };
  return (isMissing(bytes) || isBytes(bytes)) && (isMissing(path) || isText(path));
};
const isTexts = (value: unknown) =>
  Array.isArray(value) && value.every((item) => isText(item) || isMissing(item));
const isSize = (value: unknown) => Number.isInteger(Number(value)) && Math.abs(Number(value)) < 2 ** 31;

const checks: Record<keyof Preset, (value: unknown) => boolean> = {
  key: isText,
  url: isText,
  image: isImage,
  alt_texts: isTexts,
  page_title: isText,
  page_language: isText,
  width: isSize,
  height: isSize,
};

/** Keeps the rows whose values have the types of {@link rowTypes}; quarantines the others. */
function soundRows(
  values: Record<string, ArrayLike<unknown>>,
  rows: number,
  shard: string,
  rowGroup: number,
  context: StageContext,
): RecordBatch {
  const names = Object.keys(rowTypes) as (keyof Preset)[];
  const kept: number[] = [];
  for (let row = 0; row < rows; row += 1) {
    const wrong = names.find((name) => {
      const value = values[name]?.[row];
      return isMissing(value) ? name === 'key' : !checks[name](value);
    });
    if (wrong === undefined) {
      kept.push(row);
      continue;
    }
    const key = values.key?.[row];
    context.quarantine({
      key: isText(key) ? (key as string) : null,
      shard,
      rowGroup,
      row,
      stage,
      reason: wrong === 'key' ? 'no-key' : 'wrong-type',
      detail: `${wrong} should be ${rowTypes[wrong]}, and is ${typeof values[wrong]?.[row]}`,
    });
  }
  const columns: Record<string, ColumnValues> = {};
  for (const name of names) {
    const source = values[name];
    columns[name] = { type: rowTypes[name], values: kept.map((row) => source?.[row] ?? null) };
  }
  columns.width = { type: rowTypes.width, values: kept.map((row) => numberOrNull(values.width?.[row])) };
  columns.height = { type: rowTypes.height, values: kept.map((row) => numberOrNull(values.height?.[row])) };
  columns.alt_texts = {
    type: rowTypes.alt_texts,
    values: kept.map((row) =>
      ((values.alt_texts?.[row] ?? []) as unknown[]).filter((text) => !isMissing(text)),
    ),
  };
  columns.shard = { type: provenanceTypes.shard, values: kept.map(() => shard) };
  columns.row_group = { type: provenanceTypes.row_group, values: kept.map(() => rowGroup) };
  columns.row = { type: provenanceTypes.row, values: kept };
  return batchOf(columns);
}

function numberOrNull(value: unknown): number | null {
  return isMissing(value) ? null : Number(value);
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
