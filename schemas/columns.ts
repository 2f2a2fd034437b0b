import {
  Binary,
  BufferType,
  Data,
  Field,
  FixedSizeList,
  Float16,
  Float32,
  Int32,
  Uint8,
  Utf8,
} from 'apache-arrow';

/** A chunk of texts. */
export function textColumn(texts: readonly string[]): Data {
  return bytesChunk(
    new Utf8(),
    texts.map((text) => Buffer.from(text)),
  );
}

/** A chunk of byte strings. Throws when they are over 2 GiB together. */
export function binaryColumn(values: readonly Uint8Array[]): Data {
  return bytesChunk(new Binary(), values);
}

/** A chunk of whole numbers. */
export function intColumn(values: Int32Array): Data {
  return new Data(new Int32(), 0, values.length, 0, { [BufferType.DATA]: values });
}

/** A chunk of single-precision numbers. */
export function floatColumn(values: Float32Array): Data {
  return new Data(new Float32(), 0, values.length, 0, { [BufferType.DATA]: values });
}

/** A chunk of lists of `size` numbers each, from them all end to end; `Uint16Array` holds half-precision numbers. */
export function listColumn(values: Uint8Array | Uint16Array | Float32Array | Int32Array, size: number): Data {
  const item =
    values instanceof Uint8Array
      ? new Uint8()
      : values instanceof Uint16Array
        ? new Float16()
        : values instanceof Int32Array
          ? new Int32()
          : new Float32();
  const child = new Data(item, 0, values.length, 0, { [BufferType.DATA]: values } as never);
  const rows = size === 0 ? 0 : values.length / size;
  return new Data(new FixedSizeList(size, new Field('element', item, false)), 0, rows, 0, {}, [child]);
}

function bytesChunk(type: Utf8 | Binary, values: readonly Uint8Array[]): Data {
  const offsets = new Int32Array(values.length + 1);
  let total = 0;
  values.forEach((value, i) => {
    total += value.length;
    offsets[i + 1] = total;
  });
  if (total > 2 ** 31 - 1)
    throw new Error(`a batch of ${values.length} values has ${total} bytes, over 2 GiB`);
  // Written from end to end: no need to clear it first.
  const bytes: Uint8Array = Buffer.allocUnsafeSlow(total);
  values.forEach((value, i) => {
    bytes.set(value, offsets[i]);
  });
  return new Data(type, 0, values.length, 0, { [BufferType.OFFSET]: offsets, [BufferType.DATA]: bytes });
}
