import { type Data, DataType, Precision, type RecordBatch, tableFromIPC } from 'apache-arrow';
import { fromFloat16 } from '../../models/float16.ts';
import type { PairModel } from '../../models/selection/pair-model.ts';
import { columnData } from '../../schemas/batches.ts';
import { Refusal } from './refusal.ts';

/** How far from 1 a unit row's length may be: half precision and bfloat16 round that much. */
const lengthTolerance = 0.01;
const mostDimension = 16_384;

/**
 * A learner's embeddings out of a body: an Arrow IPC stream of `image` and `text`, fixed-size lists of float32 or
 * float16 of unit length, one row a pair, with `scale` and `bias` (exp(t) and b) as columns, as metadata of the schema,
 * or as given. Throws a {@link Refusal} of one line at anything else: no Arrow, wrong shapes, nulls, NaN or infinity.
 */
export function embeddingsOf(
  body: Uint8Array,
  rows: number,
  given: { readonly scale?: number | undefined; readonly bias?: number | undefined },
): PairModel {
  const { batches, metadata } = read(body);
  const [first] = batches;
  const total = batches.reduce((sum, batch) => sum + batch.numRows, 0);
  if (first === undefined || total !== rows) {
    throw new Refusal(422, `the body has ${total} rows where ${rows} are expected, one for each pair`);
  }
  const d = dimensionOf(first, 'image');
  if (dimensionOf(first, 'text') !== d) {
    throw new Refusal(
      422,
      `image has lists of ${d} numbers and text of ${dimensionOf(first, 'text')}: both are embedded in one dimension`,
    );
  }
  const scale = numberOf('scale', first, metadata, given.scale);
  const bias = numberOf('bias', first, metadata, given.bias);
  if (scale <= 0) throw new Refusal(422, `scale is ${scale}: exp(t), over 0, is expected`);
  const [images, texts] = [rowsOf(batches, 'image', d, rows), rowsOf(batches, 'text', d, rows)];
  return { images, texts, dimension: d, scale, bias };
}

function read(body: Uint8Array): { batches: readonly RecordBatch[]; metadata: ReadonlyMap<string, string> } {
  if (body.length === 0) throw new Refusal(400, 'the body is empty: an Arrow IPC stream is expected');
  // Without this mark Arrow's reader takes any bytes for a length, and an empty table.
  const isStream =
    body.length >= 8 && body[0] === 255 && body[1] === 255 && body[2] === 255 && body[3] === 255;
  if (!isStream) throw new Refusal(400, 'the body is no Arrow IPC stream');
  try {
    const table = tableFromIPC(body);
    return { batches: table.batches, metadata: table.schema.metadata };
  } catch (error) {
    const said = error instanceof Error ? error.message.split('\n')[0] : String(error);
    throw new Refusal(400, `the body can't be read as an Arrow IPC stream: ${said}`);
  }
}

function dimensionOf(batch: RecordBatch, name: string): number {
  const type = batch.schema.fields.find((field) => field.name === name)?.type;
  if (type === undefined) {
    const has = batch.schema.names.map(String).join(', ').slice(0, 200) || 'none';
    throw new Refusal(422, `the body has no column ${name}: it has ${has}`);
  }
  const item: DataType | undefined = DataType.isFixedSizeList(type) ? type.children[0]?.type : undefined;
  if (!item || !DataType.isFloat(item) || item.precision === Precision.DOUBLE) {
    throw new Refusal(
      422,
      `column ${name} is ${String(type).slice(0, 100)}: a fixed-size list of float32 or float16 is expected`,
    );
  }
  const { listSize } = type as { listSize?: number };
  if (listSize === undefined || listSize < 1 || listSize > mostDimension) {
    throw new Refusal(
      422,
      `column ${name} has lists of ${listSize} numbers: 1 to ${mostDimension} are expected`,
    );
  }
  return listSize;
}

function rowsOf(batches: readonly RecordBatch[], name: string, d: number, rows: number): Float32Array {
  const values = new Float32Array(rows * d);
  let at = 0;
  for (const batch of batches) {
    const data = columnData(batch, name);
    const items = data.children[0];
    refuseNulls(data, name, at);
    if (items) refuseNulls(items, name, at, d);
    const numbers = (items?.values as Float32Array | Uint16Array | undefined)?.subarray(0, data.length * d);
    if (numbers === undefined || numbers.length !== data.length * d) {
      throw new Refusal(400, `column ${name} is cut short: it has fewer numbers than its rows`);
    }
    values.set(numbers instanceof Uint16Array ? fromFloat16(numbers) : numbers, at * d);
    at += batch.numRows;
  }
  for (let row = 0; row < rows; row += 1) {
    let square = 0;
    for (let k = row * d; k < (row + 1) * d; k += 1) square += (values[k] as number) ** 2;
    const length = Math.sqrt(square);
    if (!Number.isFinite(length)) throw new Refusal(422, `row ${row} of ${name} holds NaN or infinity`);
    if (Math.abs(length - 1) > lengthTolerance) {
      throw new Refusal(
        422,
        `row ${row} of ${name} has length ${length.toPrecision(4)}: unit rows are expected`,
      );
    }
  }
  return values;
}

function refuseNulls(data: Data, name: string, at: number, size = 1): void {
  if (data.nullCount === 0) return;
  for (let i = 0; i < data.length; i += 1) {
    if (!data.getValid(i)) throw new Refusal(422, `row ${at + Math.floor(i / size)} of ${name} is null`);
  }
}

function numberOf(
  name: 'scale' | 'bias',
  batch: RecordBatch,
  metadata: ReadonlyMap<string, string>,
  given: number | undefined,
): number {
  const column: unknown = batch.numRows > 0 ? batch.getChild(name)?.get(0) : undefined;
  const said = given ?? column ?? metadata.get(name);
  const value = typeof said === 'string' && said.trim() !== '' ? Number(said) : said;
  if (value === undefined || value === null) {
    throw new Refusal(422, `no ${name}: give it as a column, as metadata of the schema, or as ?${name}=`);
  }
  if (typeof value !== 'number' || !Number.isFinite(value)) {
    throw new Refusal(422, `${name} is ${String(value).slice(0, 40)}: a finite number is expected`);
  }
  return value;
}
