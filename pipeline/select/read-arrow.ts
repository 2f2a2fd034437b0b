import { open } from 'node:fs/promises';
import {
  type Data,
  DataType,
  Precision,
  type RecordBatch,
  RecordBatchReader,
  type Schema,
} from 'apache-arrow';
import { fromFloat16 } from '../../models/float16.ts';
import { columnData } from '../../schemas/batches.ts';
import { throwStorageError } from '../../schemas/storage/errors.ts';
import { absoluteLocation, isS3 } from '../../schemas/storage/locations.ts';
import { openObject, streamObject } from '../../schemas/storage/open-storage.ts';
import { UsageError } from '../errors.ts';
import { type Embeddings, type EmbeddingsTarget, keyText } from './embeddings.ts';

/** Rows that are converted from half precision at a time. */
const sliceRows = 1024;

/**
 * Reads embeddings from an Arrow IPC file or stream, batch by batch: once to count, once to copy, so that no more
 * than the result and one batch is held. A file of one batch of float32 is used as it lies in memory.
 */
export async function readArrow(
  path: string,
  columns: readonly string[],
  isFile: boolean,
): Promise<Embeddings> {
  let rows = 0;
  let batches = 0;
  let first: RecordBatch | null = null;
  for await (const batch of batchesOf(path, isFile)) {
    if (batches === 0) checkColumns(path, batch.schema, columns);
    first = batches === 0 ? batch : null;
    rows += batch.numRows;
    batches += 1;
  }
  if (rows === 0) throw new UsageError(`${path} has no rows`);
  if (first) {
    const whole = viewOf(path, first, columns);
    if (whole) return whole;
  }
  const target = emptyTarget(rows);
  let at = 0;
  for await (const batch of first ? [first] : batchesOf(path, isFile)) {
    addKeys(path, batch, target.keys, at);
    for (const name of columns) copyColumn(path, columnData(batch, name), name, at, target);
    at += batch.numRows;
  }
  return target;
}

/** A target for `rows` rows; matrices are made when their dimension is known. */
export function emptyTarget(rows: number): EmbeddingsTarget {
  return { rows, keys: new Array<string>(rows), matrices: new Map() };
}

async function* batchesOf(path: string, isFile: boolean): AsyncGenerator<RecordBatch> {
  const handle = isFile && !isS3(path) ? await open(absoluteLocation(path)) : null;
  try {
    const reader = handle ? await RecordBatchReader.from(handle) : await streamReader(path, isFile);
    for await (const batch of reader) yield batch;
  } catch (error) {
    throwStorageError(error);
    if (error instanceof UsageError) throw error;
    throw new UsageError(
      `${path} can't be read as Arrow IPC: ${error instanceof Error ? error.message : error}`,
    );
  } finally {
    await handle?.close().catch(() => undefined);
  }
}

/** A file of an object store is held whole: its end, which says where its batches are, is read first. */
async function streamReader(path: string, isFile: boolean) {
  if (!isFile) return RecordBatchReader.from(streamObject(path));
  const source = await openObject(path);
  return RecordBatchReader.from(await source.read(0, source.size));
}

function checkColumns(path: string, schema: Schema, columns: readonly string[]): void {
  const present = schema.fields.map(({ name }) => name);
  const missing = ['key', ...columns].filter((name) => !present.includes(name));
  if (missing.length > 0) {
    throw new UsageError(
      `${path} has no column ${missing.join(', ')}: it has ${present.join(', ') || 'none'}`,
    );
  }
  for (const name of columns) {
    const type = schema.fields.find((field) => field.name === name)?.type as DataType;
    const item: DataType | undefined = DataType.isFixedSizeList(type) ? type.children[0]?.type : undefined;
    if (!item || !DataType.isFloat(item) || item.precision === Precision.DOUBLE) {
      throw new UsageError(
        `${path}: column ${name} is ${type}; a fixed-size list of float32 or float16 is expected`,
      );
    }
  }
}

function copyColumn(path: string, data: Data, name: string, at: number, target: EmbeddingsTarget): void {
  const d = dimensionOf(data);
  refuseNulls(path, data, name, at);
  const known = target.matrices.get(name);
  const matrix = known ?? { values: new Float32Array(target.rows * d), dimension: d };
  if (matrix.dimension !== d) {
    throw new UsageError(`${path}: column ${name} has lists of ${matrix.dimension} and of ${d} numbers`);
  }
  target.matrices.set(name, matrix);
  const values = itemsOf(data);
  for (let row = 0; row < data.length; row += sliceRows) {
    const end = Math.min(data.length, row + sliceRows);
    const slice = values.subarray(row * d, end * d);
    matrix.values.set(slice instanceof Uint16Array ? fromFloat16(slice) : slice, (at + row) * d);
  }
}

/** One batch of float32 columns as it is; null where a column must be converted. */
function viewOf(path: string, batch: RecordBatch, columns: readonly string[]): Embeddings | null {
  const target = emptyTarget(batch.numRows);
  for (const name of columns) {
    const data = columnData(batch, name);
    refuseNulls(path, data, name, 0);
    const values = itemsOf(data);
    if (!(values instanceof Float32Array)) return null;
    target.matrices.set(name, { values, dimension: dimensionOf(data) });
  }
  addKeys(path, batch, target.keys, 0);
  return target;
}

function dimensionOf(data: Data): number {
  return (data.type as { listSize?: number }).listSize ?? 0;
}

/** The numbers of a column's lists, end to end. */
function itemsOf(data: Data): Float32Array | Uint16Array {
  const d = dimensionOf(data);
  const items = data.children[0];
  if (!items) throw new Error('a fixed-size list without items');
  // Arrow's slices shift the children as well as the list.
  return (items.values as Float32Array | Uint16Array).subarray(0, data.length * d);
}

function refuseNulls(path: string, data: Data, name: string, at: number): void {
  const d = dimensionOf(data);
  const items = data.children[0];
  if (data.nullCount === 0 && (items?.nullCount ?? 0) === 0) return;
  for (let row = 0; row < data.length; row += 1) {
    let sound = data.getValid(row);
    for (let k = row * d; sound && items && k < (row + 1) * d; k += 1) sound = items.getValid(k);
    if (!sound) throw new UsageError(`${path}: row ${at + row} has no value in column ${name}`);
  }
}

function addKeys(path: string, batch: RecordBatch, keys: string[], at: number): void {
  const column = batch.getChild('key');
  for (let row = 0; row < batch.numRows; row += 1) {
    keys[at + row] = keyText(path, column?.get(row), at + row);
  }
}
