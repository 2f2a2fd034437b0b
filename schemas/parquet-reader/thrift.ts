/** How deep a footer's or page header's structs may nest: parquet's own reach 6. */
const mostDepth = 24;

/**
 * Walks one struct of Thrift's compact protocol and gives where it ends, without building it. Throws when it runs
 * past `end`, nests too deep, or a list claims more items than bytes are left: what passes can be parsed in memory
 * of the order of its bytes (Apache Thrift, "Thrift Compact protocol encoding").
 */
export function skimStruct(bytes: Uint8Array, start: number, end: number): number {
  return skimFields(bytes, start, end, 0);
}

function skimFields(bytes: Uint8Array, start: number, end: number, depth: number): number {
  if (depth > mostDepth) throw new Error(`structs nest deeper than ${mostDepth}`);
  let at = start;
  for (;;) {
    const byte = byteAt(bytes, at++, end);
    if ((byte & 15) === 0) return at;
    if (byte >> 4 === 0) at = skimVarInt(bytes, at, end);
    at = skimValue(bytes, at, end, byte & 15, depth, false);
  }
}

function skimValue(
  bytes: Uint8Array,
  at: number,
  end: number,
  type: number,
  depth: number,
  inList: boolean,
): number {
  switch (type) {
    // A boolean is in its field's header, but takes a byte in a list.
    case 1:
    case 2:
      return inList ? within(at + 1, end) : at;
    case 3:
      return within(at + 1, end);
    case 4:
    case 5:
    case 6:
      return skimVarInt(bytes, at, end);
    case 7:
      return within(at + 8, end);
    case 8: {
      const [length, next] = readVarInt(bytes, at, end);
      return within(next + length, end);
    }
    case 9:
      return skimList(bytes, at, end, depth);
    case 12:
      return skimFields(bytes, at, end, depth + 1);
    default:
      throw new Error(`no Thrift type ${type} is part of parquet`);
  }
}

function skimList(bytes: Uint8Array, start: number, end: number, depth: number): number {
  if (depth > mostDepth) throw new Error(`lists nest deeper than ${mostDepth}`);
  const header = byteAt(bytes, start, end);
  let [items, at] = [header >> 4, start + 1];
  if (items === 15) [items, at] = readVarInt(bytes, at, end);
  if (items > end - at) throw new Error(`a list claims ${items} items in ${end - at} bytes`);
  for (let i = 0; i < items; i += 1) at = skimValue(bytes, at, end, header & 15, depth + 1, true);
  return at;
}

/** Reads an unsigned LEB128 number: the number, and where it ends. Throws past `end`, and over 2^53. */
export function readVarInt(bytes: Uint8Array, start: number, end: number): [value: number, next: number] {
  let value = 0;
  let scale = 1;
  for (let at = start; at < start + 8; at += 1) {
    const byte = byteAt(bytes, at, end);
    value += (byte & 127) * scale;
    if (byte < 128) {
      if (value > Number.MAX_SAFE_INTEGER) break;
      return [value, at + 1];
    }
    scale *= 128;
  }
  throw new Error(`a number at byte ${start} is over 2^53`);
}

/** Reads a signed (zigzag) LEB128 number of up to 64 bits, and where it ends. */
export function readZigZag(bytes: Uint8Array, start: number, end: number): [value: bigint, next: number] {
  const next = skimVarInt(bytes, start, end);
  let value = 0n;
  for (let at = next - 1; at >= start; at -= 1) value = (value << 7n) | BigInt((bytes[at] ?? 0) & 127);
  return [BigInt.asIntN(64, (value >> 1n) ^ -(value & 1n)), next];
}

function skimVarInt(bytes: Uint8Array, start: number, end: number): number {
  for (let at = start; at < start + 10; at += 1) if (byteAt(bytes, at, end) < 128) return at + 1;
  throw new Error(`a number at byte ${start} is over 64 bits`);
}

function byteAt(bytes: Uint8Array, at: number, end: number): number {
  within(at + 1, end);
  return bytes[at] ?? 0;
}

function within(next: number, end: number): number {
  if (next > end) throw new Error('cut short');
  return next;
}
