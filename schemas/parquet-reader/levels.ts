import { readVarInt } from './thrift.ts';

/**
 * Decodes runs of the RLE and bit-packing hybrid into `out`, filling it, and gives where they end. Unlike a decoder
 * that trusts its runs, it never writes past `out`. Throws when the bytes end first.
 * (Parquet format, "Run Length Encoding / Bit-Packing Hybrid".)
 */
export function readHybrid(
  bytes: Uint8Array,
  start: number,
  end: number,
  width: number,
  out: Uint8Array | Uint32Array,
): number {
  if (width > 24) throw new Error(`runs of ${width} bits a value`);
  const valueBytes = (width + 7) >> 3;
  const mask = 2 ** width - 1;
  let at = start;
  for (let filled = 0; filled < out.length; ) {
    const [header, next] = readVarInt(bytes, at, end);
    at = next;
    const count = Math.floor(header / 2);
    if (header % 2 === 0) {
      if (at + valueBytes > end) throw new Error('runs are cut short');
      const value = littleEndian(bytes, at, valueBytes);
      at += valueBytes;
      const last = Math.min(out.length, filled + count);
      out.fill(value, filled, last);
      filled = last;
      continue;
    }
    const taken = Math.min(count * 8, out.length - filled);
    if (at + Math.ceil((taken * width) / 8) > end) throw new Error('bit-packed runs are cut short');
    if (width === 1) unpackBits(bytes, at, out, filled, taken);
    for (let i = width === 1 ? taken : 0, bit = 0; i < taken; i += 1, bit += width) {
      const from = at + (bit >> 3);
      // At most 7 bits of shift and 24 of value: 4 bytes hold them.
      const word =
        (bytes[from] ?? 0) |
        ((bytes[from + 1] ?? 0) << 8) |
        ((bytes[from + 2] ?? 0) << 16) |
        ((bytes[from + 3] ?? 0) << 24);
      out[filled + i] = (word >>> (bit & 7)) & mask;
    }
    filled += taken;
    at = Math.min(end, at + count * width);
  }
  return at;
}

/** For each byte its bits as eight bytes, lowest first, which are copied at once: as numbers no byte of theirs changes. */
const eightBits = new Float64Array(
  Uint8Array.from({ length: 256 * 8 }, (_, i) => ((i >> 3) >> (i & 7)) & 1).buffer,
);

function unpackBits(
  bytes: Uint8Array,
  at: number,
  out: Uint8Array | Uint32Array,
  from: number,
  count: number,
): void {
  const whole = out instanceof Uint8Array && (out.byteOffset + from) % 8 === 0 ? count >> 3 : 0;
  const eights = new Float64Array(out.buffer, whole > 0 ? out.byteOffset + from : 0, whole);
  for (let i = 0; i < whole; i += 1) eights[i] = eightBits[bytes[at + i] as number] as number;
  for (let i = whole * 8; i < count; i += 8) {
    const byte = bytes[at + (i >> 3)] as number;
    const last = Math.min(8, count - i);
    for (let bit = 0; bit < last; bit += 1) out[from + i + bit] = (byte >> bit) & 1;
  }
}

/** Whether the runs are one of `value`, `count` times or more. */
export function isOneRun(
  bytes: Uint8Array,
  start: number,
  end: number,
  { value, count }: { readonly value: number; readonly count: number },
): boolean {
  const [header, at] = readVarInt(bytes, start, end);
  return header % 2 === 0 && header / 2 >= count && at < end && bytes[at] === value;
}

function littleEndian(bytes: Uint8Array, at: number, length: number): number {
  let value = 0;
  for (let i = length - 1; i >= 0; i -= 1) value = value * 256 + (bytes[at + i] ?? 0);
  return value;
}
