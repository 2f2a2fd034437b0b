import { type Data, Float32, type RecordBatch, Utf8 } from 'apache-arrow';
import { batchOfData, columnData, takeRows } from '../../schemas/batches.ts';
import {
  bytesData,
  listData,
  listOfOne,
  missingData,
  numberData,
  numbersOf,
  repeatedText,
  structData,
  textData,
} from '../../schemas/parquet-reader/arrow-columns.ts';
import type { Slice } from '../../schemas/parquet-reader/leaf-reader.ts';
import type { Leaf } from '../../schemas/parquet-reader/pages.ts';
import type { Preset } from '../../schemas/presets.ts';
import { provenanceTypes, rowTypes } from '../../schemas/rows.ts';
import type { StageContext } from '../../schemas/stage.ts';
import { type PlannedColumn, statusFields } from './columns.ts';
import { longKey, madeKey, mostKeyBytes } from './keys.ts';
import { stage } from './reader.ts';

/** Where a batch's first row is. */
export interface Place {
  readonly shard: string;
  readonly rowGroup: number;
  /** In the row group. */
  readonly row: number;
  /** In the shard. */
  readonly inShard: number;
  /** What keys that are made begin with. */
  readonly name: string;
}

/** What is wrong with a row. */
interface Fault {
  readonly reason: string;
  readonly detail: string;
}

/**
 * Makes a record batch of {@link rowTypes}, the kind's scores and {@link provenanceTypes} of the next rows of a
 * shard's columns. A row without a key or with one of more than 4 kB, with a number that the field can't hold, or whose image wasn't fetched, is
 * quarantined. Gives null when none is left. The checks that the columns' types already make aren't made again.
 */
export function soundBatch(
  columns: readonly PlannedColumn[],
  slices: readonly Slice[][],
  rows: number,
  place: Place,
  kind: Preset,
  context: StageContext,
): RecordBatch | null {
  const faults = new Map<number, Fault>();
  const found = new Map<string, Data>();
  let at = 0;
  for (const column of columns) {
    const own = slices.slice(at, at + column.leaves.length);
    at += column.leaves.length;
    found.set(column.field, fieldData(column, own, rows, faults));
  }
  const status = found.get(statusFields.status);
  if (status !== undefined) findUnfetched(status, found.get(statusFields.error), kind, faults);
  const batch = assemble(found, rows, place, kind);
  if (kind.columns.key !== null) findUnfitKeys(columnData(batch, 'key'), kind.columns.key, faults);
  if (faults.size === 0) return batch;
  const keys = batch.getChild('key');
  const { shard, rowGroup } = place;
  const kept: number[] = [];
  for (let row = 0; row < rows; row += 1) {
    const fault = faults.get(row);
    if (fault === undefined) kept.push(row);
    else
      context.quarantine({
        key: keys?.get(row)?.slice(0, mostKeyBytes) ?? null,
        shard,
        rowGroup,
        row: place.row + row,
        stage,
        ...fault,
      });
  }
  return kept.length > 0 ? takeRows(batch, kept) : null;
}

/** A batch's columns in their order; what the shard doesn't have is missing in every row. */
function assemble(
  found: ReadonlyMap<string, Data>,
  rows: number,
  { shard, rowGroup, row, inShard, name }: Place,
  kind: Preset,
): RecordBatch {
  const columns: [string, Data][] = Object.entries(rowTypes).map(([field, type]) => [
    field,
    found.get(field) ?? missingData(type, rows),
  ]);
  if (kind.columns.key === null) {
    const keys = Array.from({ length: rows }, (_, i) => madeKey(name, inShard + i));
    columns[0] = ['key', textData(rowTypes.key, keys)];
  }
  for (const score of kind.scores)
    columns.push([score, found.get(score) ?? missingData(new Float32(), rows)]);
  const places = new Int32Array(rows);
  for (let i = 0; i < rows; i += 1) places[i] = row + i;
  return batchOfData([
    ...columns,
    ['shard', repeatedText(provenanceTypes.shard, shard, rows)],
    ['row_group', numberData(provenanceTypes.row_group, new Int32Array(rows).fill(rowGroup))],
    ['row', numberData(provenanceTypes.row, places)],
  ]);
}

function fieldData(
  { field, kind, leaves }: PlannedColumn,
  slices: readonly Slice[][],
  rows: number,
  faults: Map<number, Fault>,
): Data {
  const [leaf, other] = leaves as [Leaf, Leaf | undefined];
  const [own = [], others = []] = slices;
  if (kind === 'image') {
    const [bytes, path] = rowTypes.image.children;
    const paths =
      other === undefined
        ? missingData(path?.type ?? new Utf8(), rows)
        : bytesData(path?.type ?? new Utf8(), other, others);
    return structData(rowTypes.image, rows, [bytesData(bytes?.type as Data['type'], leaf, own), paths]);
  }
  if (kind === 'texts') {
    if (leaf.maxRepetition > 0) return listData(rowTypes.alt_texts, leaf, own);
    return listOfOne(rowTypes.alt_texts, bytesData(new Utf8(), leaf, own));
  }
  if (kind === 'size') return numberData(rowTypes.width, sizesOf(field, leaf, own, faults));
  if (kind === 'score') {
    return numberData(
      new Float32(),
      numbersOf(leaf, own).map((value) => (value === null ? null : Number(value))),
    );
  }
  if (leaf.type === 'BYTE_ARRAY') return bytesData(new Utf8(), leaf, own);
  return textData(rowTypes.key, wholeNumbers(field, leaf, own, faults));
}

/** Keys that are numbers, in their decimal digits. */
function wholeNumbers(field: string, leaf: Leaf, slices: readonly Slice[], faults: Map<number, Fault>) {
  return numbersOf(leaf, slices).map((value, row) => {
    if (value === null) return null;
    if (typeof value === 'number' && !Number.isSafeInteger(value)) {
      faults.set(row, { reason: 'wrong-type', detail: `${field} should be a whole number, and is ${value}` });
      return null;
    }
    return String(value);
  });
}

function sizesOf(field: string, leaf: Leaf, slices: readonly Slice[], faults: Map<number, Fault>) {
  return numbersOf(leaf, slices).map((value, row) => {
    const size = value === null ? Number.NaN : Number(value);
    // Not a number is how data frames write that there is none.
    if (Number.isNaN(size)) return null;
    if (Number.isInteger(size) && Math.abs(size) < 2 ** 31) return size;
    faults.set(row, {
      reason: 'wrong-type',
      detail: `${field} should be ${rowTypes.width}, and is ${value}`,
    });
    return null;
  });
}

function findUnfetched(
  status: Data,
  error: Data | undefined,
  kind: Preset,
  faults: Map<number, Fault>,
): void {
  const sound = new TextEncoder().encode(kind.status?.sound ?? '');
  for (let row = 0; row < status.length; row += 1) {
    const said = textAt(status, row);
    if (said !== null && Buffer.compare(said, sound) === 0) continue;
    const why = error === undefined ? null : textAt(error, row);
    const detail = Buffer.from(why ?? 'no error_message')
      .toString()
      .slice(0, 2000);
    faults.set(row, {
      reason: 'not-fetched',
      detail: `${said === null ? 'no status' : Buffer.from(said).toString().slice(0, 100)}: ${detail}`,
    });
  }
}

function textAt(data: Data, row: number): Uint8Array | null {
  if (!data.getValid(row)) return null;
  const offsets = data.valueOffsets as Int32Array;
  return (data.values as Uint8Array).subarray(offsets[row], offsets[row + 1]);
}

function findUnfitKeys(keys: Data, column: string, faults: Map<number, Fault>): void {
  const offsets = keys.valueOffsets as Int32Array;
  for (let row = 0; row < keys.length; row += 1) {
    if (faults.has(row)) continue;
    const bytes = (offsets[row + 1] ?? 0) - (offsets[row] ?? 0);
    if (!keys.getValid(row)) {
      faults.set(row, { reason: 'no-key', detail: `column ${column} has no value` });
    } else if (bytes > mostKeyBytes) faults.set(row, longKey(bytes));
  }
}
