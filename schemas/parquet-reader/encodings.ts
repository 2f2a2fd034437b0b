import type { Encoding, ParquetType } from 'hyparquet';
import { deltaNumbers } from './delta.ts';
import { readHybrid } from './levels.ts';

/** Values of a page, none of them missing: byte strings by place, or numbers (booleans as 0 and 1). */
export type Values =
  | {
      readonly kind: 'bytes';
      readonly bytes: Uint8Array;
      readonly starts: Uint32Array;
      readonly lengths: Uint32Array;
      /** Where they begin, when they lie end to end and all are of the type's length. */
      readonly packedAt?: number;
    }
  | {
      readonly kind: 'numbers';
      readonly numbers: Int32Array | BigInt64Array | Float32Array | Float64Array | Uint8Array;
    };

/** What the decoding of a column's values needs to know of it. */
export interface ValueType {
  readonly type: ParquetType;
  /** Bytes of a FIXED_LEN_BYTE_ARRAY's value. */
  readonly typeLength: number;
}

const isDictionary = (encoding: Encoding) => encoding === 'PLAIN_DICTIONARY' || encoding === 'RLE_DICTIONARY';

/**
 * Decodes `count` values that begin at `start` of a page. `most` bounds the bytes of values that are longer once
 * decoded. Throws when the page ends first, and on an encoding that the type doesn't have.
 * (Parquet format, "Encodings".)
 */
export function decodeValues(
  page: Uint8Array,
  start: number,
  count: number,
  encoding: Encoding,
  of: ValueType,
  dictionary: Values | null,
  most: number,
): Values {
  if (count === 0 && !isDictionary(encoding)) return decodePlain(page, start, 0, of);
  if (encoding === 'PLAIN') return decodePlain(page, start, count, of);
  if (isDictionary(encoding)) return decodeDictionary(page, start, count, dictionary);
  if (encoding === 'DELTA_BINARY_PACKED' && (of.type === 'INT32' || of.type === 'INT64')) {
    return { kind: 'numbers', numbers: deltaNumbers(page, start, count, of.type).numbers };
  }
  if (encoding === 'DELTA_LENGTH_BYTE_ARRAY' && of.type === 'BYTE_ARRAY') {
    return decodeDeltaLengths(page, start, count);
  }
  if (encoding === 'DELTA_BYTE_ARRAY' && of.type === 'BYTE_ARRAY') {
    return decodeDeltaBytes(page, start, count, most);
  }
  if (encoding === 'BYTE_STREAM_SPLIT') return decodeSplit(page, start, count, of);
  if (encoding === 'RLE' && of.type === 'BOOLEAN') {
    const numbers = new Uint8Array(count);
    readHybrid(page, start + 4, page.length, 1, numbers);
    return { kind: 'numbers', numbers };
  }
  throw new Error(`no decoder for ${encoding} of ${of.type}`);
}

const widths: Partial<Record<ParquetType, number>> = { INT32: 4, INT64: 8, FLOAT: 4, DOUBLE: 8 };

/** Where values of one length begin. */
function placesOf(start: number, count: number, length: number): Uint32Array {
  const places = new Uint32Array(count);
  for (let i = 0; i < count; i += 1) places[i] = start + i * length;
  return places;
}

function decodePlain(
  page: Uint8Array,
  start: number,
  count: number,
  { type, typeLength }: ValueType,
): Values {
  if (type === 'BYTE_ARRAY') return decodeByteArrays(page, start, count);
  if (type === 'FIXED_LEN_BYTE_ARRAY') {
    need(page, start, count * typeLength);
    return packedValues(page, start, count, typeLength);
  }
  if (type === 'BOOLEAN') {
    need(page, start, (count + 7) >> 3);
    return {
      kind: 'numbers',
      numbers: Uint8Array.from({ length: count }, (_, i) => ((page[start + (i >> 3)] ?? 0) >> (i & 7)) & 1),
    };
  }
  const width = widths[type];
  if (width === undefined) throw new Error(`no decoder for values of type ${type}`);
  need(page, start, count * width);
  return numbersOf(type, page.slice(start, start + count * width));
}

/** Values of one length, end to end. Who takes them together has no use for the place of each. */
function packedValues(bytes: Uint8Array, start: number, count: number, length: number): Values {
  let starts: Uint32Array | null = null;
  let lengths: Uint32Array | null = null;
  return {
    kind: 'bytes',
    bytes,
    packedAt: start,
    get starts() {
      starts ??= placesOf(start, count, length);
      return starts;
    },
    get lengths() {
      lengths ??= new Uint32Array(count).fill(length);
      return lengths;
    },
  };
}

function numbersOf(type: ParquetType, bytes: Uint8Array): Values {
  // Typed arrays have the machine's order, which on every machine that runs this is parquet's.
  const { buffer, byteOffset, byteLength } = bytes.byteOffset % 8 === 0 ? bytes : new Uint8Array(bytes);
  if (type === 'INT32')
    return { kind: 'numbers', numbers: new Int32Array(buffer, byteOffset, byteLength / 4) };
  if (type === 'INT64')
    return { kind: 'numbers', numbers: new BigInt64Array(buffer, byteOffset, byteLength / 8) };
  if (type === 'FLOAT')
    return { kind: 'numbers', numbers: new Float32Array(buffer, byteOffset, byteLength / 4) };
  return { kind: 'numbers', numbers: new Float64Array(buffer, byteOffset, byteLength / 8) };
}

function decodeByteArrays(page: Uint8Array, start: number, count: number): Values {
  need(page, start, count * 4);
  const starts = new Uint32Array(count);
  const lengths = new Uint32Array(count);
  let at = start;
  for (let i = 0; i < count; i += 1) {
    if (at + 4 > page.length) throw new Error(`value ${i} of ${count} is past the page's end`);
    const length =
      ((page[at] ?? 0) |
        ((page[at + 1] ?? 0) << 8) |
        ((page[at + 2] ?? 0) << 16) |
        ((page[at + 3] ?? 0) << 24)) >>>
      0;
    at += 4;
    if (length > page.length - at)
      throw new Error(`value ${i} claims ${length} of ${page.length - at} bytes`);
    starts[i] = at;
    lengths[i] = length;
    at += length;
  }
  return { kind: 'bytes', bytes: page, starts, lengths };
}

function decodeDictionary(page: Uint8Array, start: number, count: number, dictionary: Values | null): Values {
  if (dictionary === null) throw new Error('a page of a dictionary that the column chunk lacks');
  const indices = new Uint32Array(count);
  const width = count > 0 ? (page[start] ?? 0) : 0;
  if (count > 0 && width > 0) readHybrid(page, start + 1, page.length, width, indices);
  const size = dictionary.kind === 'bytes' ? dictionary.starts.length : dictionary.numbers.length;
  for (let i = 0; i < count; i += 1) {
    if ((indices[i] ?? 0) >= size) throw new Error(`entry ${indices[i]} of a dictionary of ${size}`);
  }
  if (dictionary.kind === 'bytes') {
    const starts = new Uint32Array(count);
    const lengths = new Uint32Array(count);
    for (let i = 0; i < count; i += 1) {
      starts[i] = dictionary.starts[indices[i] ?? 0] ?? 0;
      lengths[i] = dictionary.lengths[indices[i] ?? 0] ?? 0;
    }
    return { kind: 'bytes', bytes: dictionary.bytes, starts, lengths };
  }
  const { numbers } = dictionary;
  const picked = new (numbers.constructor as new (length: number) => typeof numbers)(count);
  for (let i = 0; i < count; i += 1) picked[i] = numbers[indices[i] ?? 0] as never;
  return { kind: 'numbers', numbers: picked };
}

function decodeDeltaLengths(page: Uint8Array, start: number, count: number) {
  const { numbers, end } = deltaNumbers(page, start, count, 'INT32');
  const starts = new Uint32Array(count);
  let at = end;
  for (let i = 0; i < count; i += 1) {
    const length = Number(numbers[i]);
    if (length < 0 || length > page.length - at) {
      throw new Error(`value ${i} claims ${length} of ${page.length - at} bytes`);
    }
    starts[i] = at;
    at += length;
  }
  return { kind: 'bytes', bytes: page, starts, lengths: Uint32Array.from(numbers as Int32Array) } as const;
}

function decodeDeltaBytes(page: Uint8Array, start: number, count: number, most: number): Values {
  const { numbers: prefixes, end } = deltaNumbers(page, start, count, 'INT32');
  const suffixes = decodeDeltaLengths(page, end, count);
  const starts = new Uint32Array(count);
  const lengths = new Uint32Array(count);
  let total = 0;
  for (let i = 0; i < count; i += 1) {
    const prefix = Number(prefixes[i]);
    if (prefix < 0 || prefix > (i > 0 ? (lengths[i - 1] ?? 0) : 0)) {
      throw new Error(`value ${i} begins with ${prefix} bytes of a shorter one`);
    }
    starts[i] = total;
    lengths[i] = prefix + (suffixes.lengths[i] ?? 0);
    total += lengths[i] ?? 0;
    // Each value can repeat the one before it: what is short in the file may be long in memory.
    if (total > most) throw new Error(`values of more than ${most} bytes in a page of ${page.length}`);
  }
  const bytes = new Uint8Array(total);
  for (let i = 0; i < count; i += 1) {
    const [to, from, prefix] = [starts[i] ?? 0, starts[i - 1] ?? 0, Number(prefixes[i])];
    bytes.copyWithin(to, from, from + prefix);
    const suffix = suffixes.starts[i] ?? 0;
    bytes.set(page.subarray(suffix, suffix + (suffixes.lengths[i] ?? 0)), to + prefix);
  }
  return { kind: 'bytes', bytes, starts, lengths };
}

function decodeSplit(page: Uint8Array, start: number, count: number, { type }: ValueType): Values {
  const width = widths[type];
  if (width === undefined) throw new Error(`no decoder for BYTE_STREAM_SPLIT of ${type}`);
  need(page, start, count * width);
  const bytes = new Uint8Array(count * width);
  for (let k = 0; k < width; k += 1) {
    for (let i = 0; i < count; i += 1) bytes[i * width + k] = page[start + k * count + i] ?? 0;
  }
  return numbersOf(type, bytes);
}

function need(page: Uint8Array, start: number, bytes: number): void {
  if (start + bytes > page.length)
    throw new Error(`values of ${bytes} bytes in the ${page.length - start} that the page has left`);
}
