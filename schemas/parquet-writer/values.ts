import type { Data } from 'apache-arrow';
import type { LeafEntries, WrittenLeaf } from './leaves.ts';

/** Bytes of values, PLAIN-encoded, that grow as values are added. */
export interface PlainValues {
  readonly length: number;
  /** Adds the value of an entry at a place of a chunk. */
  add(place: number): void;
  /** Takes values from this chunk from now on. */
  take(data: Data): void;
  /** The bytes, which hold until values are added. */
  bytes(): Uint8Array;
  clear(): void;
}

/** Makes room for a leaf's values. */
export function plainValues({ type }: Pick<WrittenLeaf, 'type'>): PlainValues {
  if (type === 'BYTE_ARRAY') return byteArrays();
  return type === 'BOOLEAN' ? bits() : numbers();
}

function growing() {
  const state = {
    buffer: Buffer.allocUnsafeSlow(4096),
    length: 0,
    reserve(more: number): void {
      if (state.length + more <= state.buffer.length) return;
      const larger = Buffer.allocUnsafeSlow(2 * (state.length + more));
      larger.set(state.buffer.subarray(0, state.length));
      state.buffer = larger;
    },
  };
  return state;
}

function byteArrays(): PlainValues {
  const room = growing();
  let offsets: Int32Array = new Int32Array();
  let source: Uint8Array = new Uint8Array();
  return {
    get length() {
      return room.length;
    },
    take(data) {
      offsets = data.valueOffsets as Int32Array;
      source = data.values as Uint8Array;
    },
    add(place) {
      const from = offsets[place] as number;
      const size = (offsets[place + 1] as number) - from;
      room.reserve(size + 4);
      const { buffer } = room;
      let at = room.length;
      buffer[at++] = size & 0xff;
      buffer[at++] = (size >>> 8) & 0xff;
      buffer[at++] = (size >>> 16) & 0xff;
      buffer[at++] = size >>> 24;
      // Short texts are copied faster by hand than through a view.
      if (size > 48) buffer.set(source.subarray(from, from + size), at);
      else for (let i = 0; i < size; i += 1) buffer[at + i] = source[from + i] as number;
      room.length = at + size;
    },
    bytes: () => room.buffer.subarray(0, room.length),
    clear() {
      room.length = 0;
    },
  };
}

type Numbers = Uint8Array | Uint16Array | Int32Array | Float32Array | Float64Array | BigInt64Array;

function numbers(): PlainValues {
  const room = growing();
  let source: Numbers = new Uint8Array();
  let bytes: Uint8Array = new Uint8Array();
  let width = 1;
  return {
    get length() {
      return room.length;
    },
    take(data) {
      source = data.values as Numbers;
      // Parquet has no whole numbers of less than 32 bits.
      if (source.BYTES_PER_ELEMENT < 4 && !(source instanceof Uint16Array && isHalf(data))) {
        source = Int32Array.from(source as Uint8Array);
      }
      width = source.BYTES_PER_ELEMENT;
      bytes = new Uint8Array(source.buffer, source.byteOffset, source.byteLength);
    },
    add(place) {
      room.reserve(width);
      // Typed arrays have the machine's order, which on every machine that runs this is parquet's.
      const from = place * width;
      for (let i = 0; i < width; i += 1) room.buffer[room.length + i] = bytes[from + i] as number;
      room.length += width;
    },
    bytes: () => room.buffer.subarray(0, room.length),
    clear() {
      room.length = 0;
    },
  };
}

const isHalf = (data: Data) => String(data.type) === 'Float16';

function bits(): PlainValues {
  const room = growing();
  let source: Uint8Array = new Uint8Array();
  let [offset, count] = [0, 0];
  return {
    get length() {
      return (count + 7) >> 3;
    },
    take(data) {
      source = data.values as Uint8Array;
      offset = data.offset;
    },
    add(place) {
      if ((count & 7) === 0) {
        room.reserve(1);
        room.buffer[room.length++] = 0;
      }
      const at = offset + place;
      const bit = ((source[at >> 3] as number) >> (at & 7)) & 1;
      const byte = count >> 3;
      room.buffer[byte] = (room.buffer[byte] as number) | (bit << (count & 7));
      count += 1;
    },
    bytes: () => room.buffer.subarray(0, room.length),
    clear() {
      room.length = 0;
      count = 0;
    },
  };
}

/** The smallest and the largest of a leaf's values. */
export interface Bounds {
  min: number | bigint | Uint8Array | undefined;
  max: number | bigint | Uint8Array | undefined;
}

/** Widens bounds by the values of some entries; floats of half precision have none, nor have those that are no numbers. */
export function widen(bounds: Bounds, { data, places }: LeafEntries, { type }: WrittenLeaf): void {
  if (type === 'BYTE_ARRAY') widenBytes(bounds, data, places);
  else if (type !== 'BOOLEAN' && type !== 'FIXED_LEN_BYTE_ARRAY') {
    const values = data.values as Float64Array;
    for (const place of places) {
      if (place < 0) continue;
      const value = values[place] as number;
      if (bounds.min === undefined || value < (bounds.min as number)) bounds.min = value;
      if (bounds.max === undefined || value > (bounds.max as number)) bounds.max = value;
      if (Number.isNaN(Number(value))) bounds.min = bounds.max = Number.NaN;
    }
  }
}

function widenBytes(bounds: Bounds, data: Data, places: Int32Array): void {
  const offsets = data.valueOffsets as Int32Array;
  const bytes = data.values as Uint8Array;
  const at = (place: number) => bytes.subarray(offsets[place], offsets[place + 1]);
  // Most texts differ from a bound in their first byte.
  const firstOf = (value: Bounds['min']) => (value === undefined ? -1 : ((value as Uint8Array)[0] ?? -1));
  let [low, high] = [firstOf(bounds.min), firstOf(bounds.max)];
  for (const place of places) {
    if (place < 0) continue;
    const from = offsets[place] as number;
    const first = (offsets[place + 1] as number) > from ? (bytes[from] as number) : -1;
    if (
      bounds.min === undefined ||
      (first <= low && Buffer.compare(at(place), bounds.min as Uint8Array) < 0)
    ) {
      bounds.min = at(place);
      low = first;
    }
    if (
      bounds.max === undefined ||
      (first >= high && Buffer.compare(at(place), bounds.max as Uint8Array) > 0)
    ) {
      bounds.max = at(place);
      high = first;
    }
  }
}
