import { BufferType, Data, DataType, type FixedSizeList } from 'apache-arrow';

type TypedArray = Uint8Array | Int32Array | Float32Array | Float64Array | Uint16Array | BigInt64Array;
type Buffers = { [BufferType.OFFSET]?: Int32Array; [BufferType.DATA]?: TypedArray };

/**
 * Gathers rows of an Arrow chunk into a chunk of its own, by copies of its buffers.
 * Knows the types of this project's rows: numbers, booleans, UTF-8, binary, lists, fixed-size lists, structs.
 * Throws on any other type, and on an index outside the chunk.
 */
export function takeData(data: Data, indices: ArrayLike<number>): Data {
  const { type } = data;
  const validity = takeValidity(data, indices);
  const chunk = (buffers: Buffers, children: Data[] = []): Data =>
    new Data(
      type,
      0,
      indices.length,
      validity.nullCount,
      { ...buffers, [BufferType.VALIDITY]: validity.nullBitmap } as ConstructorParameters<typeof Data>[4],
      children,
    );
  if (DataType.isUtf8(type) || DataType.isBinary(type)) return chunk(takeBytes(data, indices));
  if (DataType.isList(type)) {
    const { offsets, items } = takeListItems(data, indices);
    return chunk({ [BufferType.OFFSET]: offsets }, [takeData(childOf(data, 0), items)]);
  }
  if (DataType.isFixedSizeList(type)) {
    return chunk({}, [takeData(childOf(data, 0), expand(data, indices, (type as FixedSizeList).listSize))]);
  }
  if (DataType.isStruct(type)) {
    // A sliced struct's children are sliced with it, so the same indices hold.
    return chunk(
      {},
      data.children.map((child) => takeData(child, indices)),
    );
  }
  if (DataType.isBool(type)) return chunk({ [BufferType.DATA]: takeBits(data, indices) });
  if (DataType.isInt(type) || DataType.isFloat(type)) {
    const source = data.values as TypedArray;
    const target = new (source.constructor as new (length: number) => TypedArray)(indices.length);
    for (let i = 0; i < indices.length; i += 1) target[i] = source[indexAt(data, indices, i)] as never;
    return chunk({ [BufferType.DATA]: target });
  }
  throw new Error(`cannot take rows of a column of type ${type}`);
}

function takeBits(data: Data, indices: ArrayLike<number>): Uint8Array {
  const bits = new Uint8Array((indices.length + 7) >> 3);
  for (let i = 0; i < indices.length; i += 1) {
    const at = data.offset + indexAt(data, indices, i);
    if (((data.values as Uint8Array)[at >> 3] ?? 0) & (1 << (at & 7))) setBit(bits, i);
  }
  return bits;
}

function takeListItems(data: Data, indices: ArrayLike<number>): { offsets: Int32Array; items: Uint32Array } {
  const source = data.valueOffsets as Int32Array;
  const offsets = takeOffsets(data, indices);
  const items = new Uint32Array(offsets[indices.length] ?? 0);
  for (let i = 0, k = 0; i < indices.length; i += 1) {
    const at = indexAt(data, indices, i);
    for (let j = source[at] ?? 0; j < (source[at + 1] ?? 0); j += 1) items[k++] = j;
  }
  return { offsets, items };
}

function takeOffsets(data: Data, indices: ArrayLike<number>): Int32Array {
  const source = data.valueOffsets as Int32Array;
  const offsets = new Int32Array(indices.length + 1);
  for (let i = 0; i < indices.length; i += 1) {
    const at = indexAt(data, indices, i);
    offsets[i + 1] = (offsets[i] ?? 0) + (source[at + 1] ?? 0) - (source[at] ?? 0);
  }
  return offsets;
}

function takeBytes(data: Data, indices: ArrayLike<number>): Buffers {
  const source = data.values as Uint8Array;
  const from = data.valueOffsets as Int32Array;
  const offsets = takeOffsets(data, indices);
  const bytes = new Uint8Array(offsets[indices.length] ?? 0);
  for (let i = 0; i < indices.length; i += 1) {
    const at = indexAt(data, indices, i);
    bytes.set(source.subarray(from[at], from[at + 1]), offsets[i]);
  }
  return { [BufferType.OFFSET]: offsets, [BufferType.DATA]: bytes };
}

function takeValidity(
  data: Data,
  indices: ArrayLike<number>,
): { nullCount: number; nullBitmap: Uint8Array | null } {
  if (data.nullCount === 0) return { nullCount: 0, nullBitmap: null };
  const nullBitmap = new Uint8Array((indices.length + 7) >> 3);
  let nullCount = 0;
  for (let i = 0; i < indices.length; i += 1) {
    if (data.getValid(indexAt(data, indices, i))) setBit(nullBitmap, i);
    else nullCount += 1;
  }
  return { nullCount, nullBitmap };
}

function expand(data: Data, indices: ArrayLike<number>, size: number): Uint32Array {
  const expanded = new Uint32Array(indices.length * size);
  for (let i = 0; i < indices.length; i += 1) {
    const start = indexAt(data, indices, i) * size;
    for (let j = 0; j < size; j += 1) expanded[i * size + j] = start + j;
  }
  return expanded;
}

function indexAt(data: Data, indices: ArrayLike<number>, i: number): number {
  const index = indices[i] ?? -1;
  if (index < 0 || index >= data.length) {
    throw new RangeError(`row ${index} is outside a column of ${data.length} rows`);
  }
  return index;
}

function childOf(data: Data, index: number): Data {
  const child = data.children[index];
  if (child === undefined) throw new Error(`a column of type ${data.type} has no child ${index}`);
  return child;
}

function setBit(bits: Uint8Array, index: number): void {
  bits[index >> 3] = (bits[index >> 3] ?? 0) | (1 << (index & 7));
}
