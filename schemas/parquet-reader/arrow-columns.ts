import { BufferType, Data, DataType, type List, type Struct, Utf8 } from 'apache-arrow';
import type { Slice } from './leaf-reader.ts';
import type { Leaf } from './pages.ts';

const mostOffset = 2 ** 31 - 1;
type Bytes = { starts: Uint32Array; lengths: Uint32Array; bytes: Uint8Array };

/**
 * Copies slices of a column of byte strings into one Arrow chunk of Utf8 or Binary: one value an entry, null where it
 * has none. Throws when they are over 2 GiB together, and when the column holds numbers.
 */
export function bytesData(type: DataType, leaf: Leaf, slices: readonly Slice[]): Data {
  const rows = slices.reduce((sum, { from, to }) => sum + to - from, 0);
  const offsets = new Int32Array(rows + 1);
  const validity = createValidity(rows);
  let [row, total] = [0, 0];
  for (const slice of slices) {
    const { lengths } = bytesOf(slice, leaf);
    const { definitions } = slice.page;
    for (let entry = slice.from, value = slice.value; entry < slice.to; entry += 1) {
      if (definitions === null || definitions[entry] === leaf.maxDefinition) total += lengths[value++] ?? 0;
      else validity.clear(row);
      row += 1;
      // Of values over 2 GiB the offsets are wrong, and refused below.
      offsets[row] = total;
    }
  }
  if (total > mostOffset) throw new Error(`column ${leaf.name} has ${total} bytes in ${rows} rows`);
  const values = new Uint8Array(total);
  let at = 0;
  for (const slice of slices) {
    const { bytes, starts, lengths } = bytesOf(slice, leaf);
    const last = slice.value + countValues(slice, leaf);
    for (let value = slice.value; value < last; value += 1) {
      const length = lengths[value] ?? 0;
      copy(bytes, starts[value] ?? 0, length, values, at);
      at += length;
    }
  }
  return chunk(type, rows, validity, { [BufferType.OFFSET]: offsets, [BufferType.DATA]: values });
}

/** Copies slices of a column of lists of texts into one Arrow chunk of lists; missing items are left out. */
export function listData(type: DataType, leaf: Leaf, slices: readonly Slice[]): Data {
  const lengths: number[] = [];
  for (const { page, from, to } of slices) {
    const { repetitions, definitions } = page;
    for (let entry = from; entry < to; entry += 1) {
      if (repetitions === null || repetitions[entry] === 0) lengths.push(0);
      const isThere = definitions === null || definitions[entry] === leaf.maxDefinition;
      if (isThere) lengths[lengths.length - 1] = (lengths.at(-1) ?? 0) + 1;
    }
  }
  const items = withoutNulls(bytesData(new Utf8(), leaf, slices));
  return listOf(type, lengths, items);
}

/** Lists of one text each, empty where the text is missing. */
export function listOfOne(type: DataType, texts: Data): Data {
  const lengths = new Int32Array(texts.length).fill(1);
  if (texts.nullCount > 0) for (let i = 0; i < texts.length; i += 1) if (!texts.getValid(i)) lengths[i] = 0;
  return listOf(type, lengths, withoutNulls(texts));
}

/** A struct whose fields are these chunks, missing where all of them are. */
export function structData(type: Struct, rows: number, children: readonly Data[]): Data {
  const validity = createValidity(rows);
  for (let i = 0; i < rows; i += 1) if (!children.some((child) => child.getValid(i))) validity.clear(i);
  return chunk(type, rows, validity, {}, [...children]);
}

/** A chunk of whole or single-precision numbers; null where there is none. */
export function numberData(
  type: DataType,
  values: Int32Array | Float32Array | readonly (number | null)[],
): Data {
  const fits = values instanceof Int32Array ? DataType.isInt(type) : values instanceof Float32Array;
  if (fits) {
    return new Data(type, 0, values.length, 0, { [BufferType.DATA]: values as Int32Array });
  }
  const validity = createValidity(values.length);
  const numbers = DataType.isInt(type) ? new Int32Array(values.length) : new Float32Array(values.length);
  for (let i = 0; i < values.length; i += 1) {
    const value = values[i] ?? null;
    if (value === null) validity.clear(i);
    else numbers[i] = value;
  }
  return chunk(type, values.length, validity, { [BufferType.DATA]: numbers });
}

/** A chunk of texts; null where there is none. */
export function textData(type: DataType, texts: readonly (string | null)[]): Data {
  const offsets = new Int32Array(texts.length + 1);
  const validity = createValidity(texts.length);
  let characters = 0;
  for (let i = 0; i < texts.length; i += 1) {
    const text = texts[i] ?? null;
    if (text === null) validity.clear(i);
    else characters += text.length;
    offsets[i + 1] = characters;
  }
  const joined = Buffer.from(texts.join(''));
  // Characters of one byte each, as most are, stand in the bytes where they stand in the texts.
  const values = joined.length === characters ? joined : encodeEach(texts, offsets, 3 * characters);
  return chunk(type, texts.length, validity, {
    [BufferType.OFFSET]: offsets,
    [BufferType.DATA]: new Uint8Array(values.buffer, values.byteOffset, values.length),
  });
}

/** Each by itself: the halves of a character that two texts end and begin with don't make one. */
function encodeEach(texts: readonly (string | null)[], offsets: Int32Array, most: number): Buffer {
  const buffer = Buffer.allocUnsafeSlow(most);
  let length = 0;
  for (let i = 0; i < texts.length; i += 1) {
    length += buffer.write(texts[i] ?? '', length);
    offsets[i + 1] = length;
  }
  return buffer.subarray(0, length);
}

/** A chunk of a type of this project's rows in which every value is missing. */
export function missingData(type: DataType, rows: number): Data {
  const none = { bits: new Uint8Array((rows + 7) >> 3), nulls: rows };
  const { children: fields } = type as List | Struct;
  const children = (fields ?? []).map((field) => missingData(field.type, DataType.isStruct(type) ? rows : 0));
  if (DataType.isStruct(type)) return chunk(type, rows, none, {}, children);
  if (DataType.isList(type)) {
    return chunk(type, rows, none, { [BufferType.OFFSET]: new Int32Array(rows + 1) }, children);
  }
  if (DataType.isInt(type) || DataType.isFloat(type)) {
    const numbers = DataType.isInt(type) ? new Int32Array(rows) : new Float32Array(rows);
    return chunk(type, rows, none, { [BufferType.DATA]: numbers });
  }
  return chunk(type, rows, none, {
    [BufferType.OFFSET]: new Int32Array(rows + 1),
    [BufferType.DATA]: new Uint8Array(),
  });
}

/** A chunk of one text for every row. */
export function repeatedText(type: DataType, text: string, rows: number): Data {
  const bytes = new TextEncoder().encode(text);
  const values = new Uint8Array(bytes.length * rows);
  const offsets = new Int32Array(rows + 1);
  for (let i = 0; i < rows; i += 1) {
    values.set(bytes, i * bytes.length);
    offsets[i + 1] = (i + 1) * bytes.length;
  }
  return new Data(type, 0, rows, 0, { [BufferType.OFFSET]: offsets, [BufferType.DATA]: values });
}

/**
 * Every value of slices of a column, in order, as a number or, of long integers, a bigint; null where there is none.
 * Throws when the column holds byte strings.
 */
export function numbersOf(leaf: Leaf, slices: readonly Slice[]): (number | bigint | null)[] {
  const found: (number | bigint | null)[] = [];
  for (const { page, from, to, value: first } of slices) {
    const { values, definitions } = page;
    if (values.kind !== 'numbers') throw new Error(`column ${leaf.name} holds byte strings, not numbers`);
    for (let entry = from, value = first; entry < to; entry += 1) {
      const isThere = definitions === null || definitions[entry] === leaf.maxDefinition;
      found.push(isThere ? (values.numbers[value++] ?? null) : null);
    }
  }
  return found;
}

function countValues({ page: { definitions }, from, to }: Slice, leaf: Leaf): number {
  if (definitions === null) return to - from;
  let count = 0;
  for (let entry = from; entry < to; entry += 1) if (definitions[entry] === leaf.maxDefinition) count += 1;
  return count;
}

function bytesOf({ page: { values } }: Slice, leaf: Leaf): Bytes {
  if (values.kind !== 'bytes') throw new Error(`column ${leaf.name} holds numbers, not byte strings`);
  return values;
}

function copy(from: Uint8Array, start: number, length: number, to: Uint8Array, at: number): void {
  // Short texts are copied faster by hand than through a view.
  if (length > 48) to.set(from.subarray(start, start + length), at);
  else for (let i = 0; i < length; i += 1) to[at + i] = from[start + i] ?? 0;
}

function createValidity(rows: number) {
  const bits = new Uint8Array((rows + 7) >> 3).fill(255);
  const state = {
    bits,
    nulls: 0,
    clear(row: number): void {
      bits[row >> 3] = (bits[row >> 3] ?? 0) & ~(1 << (row & 7));
      state.nulls += 1;
    },
  };
  return state;
}

function listOf(type: DataType, lengths: ArrayLike<number>, items: Data): Data {
  const offsets = new Int32Array(lengths.length + 1);
  for (let i = 0; i < lengths.length; i += 1) offsets[i + 1] = (offsets[i] ?? 0) + (lengths[i] ?? 0);
  const child = retyped(items, (type as List).children[0]?.type ?? items.type);
  return new Data(type, 0, lengths.length, 0, { [BufferType.OFFSET]: offsets }, [child]);
}

/** A null byte string takes no bytes: leaving it out is leaving out its offset. */
function withoutNulls(data: Data): Data {
  if (data.nullCount === 0) return data;
  const from = data.valueOffsets as Int32Array;
  const offsets = new Int32Array(data.length - data.nullCount + 1);
  let kept = 0;
  for (let i = 0; i < data.length; i += 1) if (data.getValid(i)) offsets[++kept] = from[i + 1] ?? 0;
  return new Data(data.type, 0, kept, 0, {
    [BufferType.OFFSET]: offsets,
    [BufferType.DATA]: data.values as Uint8Array,
  });
}

function retyped(data: Data, type: DataType): Data {
  return new Data(type, data.offset, data.length, data.nullCount, data.buffers as never, data.children);
}

function chunk(
  type: DataType,
  rows: number,
  validity: { bits: Uint8Array; nulls: number },
  buffers: { [BufferType.OFFSET]?: Int32Array; [BufferType.DATA]?: Uint8Array | Int32Array | Float32Array },
  children: Data[] = [],
): Data {
  const nullBitmap = validity.nulls > 0 ? { [BufferType.VALIDITY]: validity.bits } : {};
  return new Data(type, 0, rows, validity.nulls, { ...buffers, ...nullBitmap } as never, children);
}
