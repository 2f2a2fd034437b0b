/** Levels as a page of version 1 has them: their length, then RLE or bit-packed, whichever is one run. */
export function encodeLevels(levels: ArrayLike<number>, most: number): Uint8Array {
  const width = 32 - Math.clz32(most);
  const [first = 0] = [levels[0]];
  let isOne = true;
  for (let i = 1; i < levels.length && isOne; i += 1) isOne = levels[i] === first;
  // Levels are of less than 8 bits: a run's value is a byte.
  const run = isOne ? [...varint(levels.length * 2), first] : packed(levels, width);
  const bytes = new Uint8Array(4 + run.length);
  new DataView(bytes.buffer).setUint32(0, run.length, true);
  bytes.set(run, 4);
  return bytes;
}

function packed(levels: ArrayLike<number>, width: number): Uint8Array {
  const groups = Math.ceil(levels.length / 8);
  const head = varint(groups * 2 + 1);
  const bytes = new Uint8Array(head.length + groups * width);
  bytes.set(head);
  for (let i = 0; i < levels.length; i += 1) {
    for (let bit = 0; bit < width; bit += 1) {
      if ((((levels[i] as number) >> bit) & 1) === 0) continue;
      const at = i * width + bit;
      const byte = head.length + (at >> 3);
      bytes[byte] = (bytes[byte] as number) | (1 << (at & 7));
    }
  }
  return bytes;
}

function varint(value: number): number[] {
  const bytes: number[] = [];
  let rest = value;
  for (; rest >= 0x80; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 0x80);
  bytes.push(rest);
  return bytes;
}

/** Thrift's compact protocol: a field of an i32 after the one before it. */
const int = (step: number, value: number) => [(step << 4) | 5, ...varint(value * 2)];
const [plain, rle] = [0, 3];

/** A page's header: a data page of version 1, its values PLAIN and its levels RLE. */
export function pageHeader(uncompressed: number, compressed: number, entries: number): Uint8Array {
  const dataPage = [...int(1, entries), ...int(1, plain), ...int(1, rle), ...int(1, rle), 0];
  // Type 0, sizes, then field 5: a struct.
  return Uint8Array.from([
    ...int(1, 0),
    ...int(1, uncompressed),
    ...int(1, compressed),
    (2 << 4) | 12,
    ...dataPage,
    0,
  ]);
}
