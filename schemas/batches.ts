import {
  type Data,
  DataType,
  Field,
  makeData,
  RecordBatch,
  Schema,
  Struct,
  type Vector,
  vectorFromArray,
} from 'apache-arrow';
import { textData } from './parquet-reader/arrow-columns.ts';
import { takeData } from './take.ts';

/** A column to be: its Arrow type and one value a row (null where the row has none). */
export interface ColumnValues {
  readonly type: DataType;
  readonly values: ArrayLike<unknown>;
}

/** The one chunk of a vector of values. Throws when the values don't fit the type. */
export function dataOf(type: DataType, values: ArrayLike<unknown>): Data {
  const list = Array.isArray(values) ? values : Array.from(values);
  if (list.length === 0) return makeData({ type, length: 0, nullCount: 0 } as Parameters<typeof makeData>[0]);
  if (DataType.isUtf8(type) && list.every((value) => typeof value === 'string')) return textData(type, list);
  const [chunk] = (vectorFromArray(list, type) as Vector).data;
  if (chunk === undefined) throw new Error(`no data for a column of type ${type}`);
  return chunk;
}

/** A record batch of columns of equal length. Throws when the lengths differ. */
export function batchOf(columns: Readonly<Record<string, ColumnValues>>): RecordBatch {
  const chunks = Object.entries(columns).map(
    ([name, column]) => [name, dataOf(column.type, column.values)] as const,
  );
  return batchOfData(chunks);
}

/** A record batch of Arrow chunks of equal length. Throws when the lengths differ. */
export function batchOfData(columns: readonly (readonly [name: string, data: Data])[]): RecordBatch {
  const length = columns[0]?.[1].length ?? 0;
  for (const [name, data] of columns) {
    if (data.length !== length) {
      throw new Error(`column ${name} has ${data.length} rows where the batch has ${length}`);
    }
  }
  const fields = columns.map(([name, data]) => new Field(name, data.type, true));
  const schema = new Schema(fields);
  const children = columns.map(([, data]) => data);
  return new RecordBatch(schema, makeData({ type: new Struct(fields), length, nullCount: 0, children }));
}

/** The batch's chunk of a column. Throws when the batch has no such column, naming those it has. */
export function columnData(batch: RecordBatch, name: string): Data {
  const index = batch.schema.fields.findIndex((field) => field.name === name);
  const data = batch.data.children[index];
  if (data === undefined) {
    throw new Error(`no column ${name}: the batch has ${batch.schema.names.join(', ')}`);
  }
  return data;
}

/** The batch's column as a vector. Throws when the batch has no such column. */
export function column(batch: RecordBatch, name: string): Vector {
  const vector = batch.getChild(name);
  if (vector === null) {
    throw new Error(`no column ${name}: the batch has ${batch.schema.names.join(', ')}`);
  }
  return vector;
}

/** The batch with columns added, or replaced where it has one of that name; nothing else is copied. */
export function withColumns(
  batch: RecordBatch,
  columns: Readonly<Record<string, ColumnValues | Data>>,
): RecordBatch {
  const all = new Map<string, Data>(
    batch.schema.names.map((name) => [String(name), columnData(batch, String(name))]),
  );
  for (const [name, added] of Object.entries(columns)) {
    all.set(
      name,
      'values' in added && !('buffers' in added) ? dataOf(added.type, added.values) : (added as Data),
    );
  }
  return batchOfData([...all]);
}

/** The batch with these columns only, in this order. Throws when one is missing. */
export function selectColumns(batch: RecordBatch, names: readonly string[]): RecordBatch {
  return batchOfData(names.map((name) => [name, columnData(batch, name)]));
}

/** The rows at these indices, in this order, copied into a batch of their own. */
export function takeRows(batch: RecordBatch, indices: ArrayLike<number>): RecordBatch {
  return batchOfData(
    batch.schema.fields.map((field) => [field.name, takeData(columnData(batch, field.name), indices)]),
  );
}

/** The indices at which the mask is not 0. */
export function indicesWhere(mask: ArrayLike<number>): Uint32Array {
  const indices = new Uint32Array(mask.length);
  let count = 0;
  for (let i = 0; i < mask.length; i += 1) if (mask[i] !== 0) indices[count++] = i;
  return indices.subarray(0, count);
}
