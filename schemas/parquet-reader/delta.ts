import { readVarInt, readZigZag } from './thrift.ts';

/**
 * Decodes `count` numbers of DELTA_BINARY_PACKED, and gives where they end. Throws when the header claims another
 * count, or the bytes end first (Parquet format, "Delta Encoding").
 */
export function deltaNumbers(
  bytes: Uint8Array,
  start: number,
  count: number,
  type: 'INT32' | 'INT64',
): { numbers: Int32Array | BigInt64Array; end: number } {
  const end = bytes.length;
  const [blockSize, afterSize] = readVarInt(bytes, start, end);
  const [miniBlocks, afterBlocks] = readVarInt(bytes, afterSize, end);
  const [total, afterTotal] = readVarInt(bytes, afterBlocks, end);
  const [first, afterFirst] = readZigZag(bytes, afterTotal, end);
  const perBlock = blockSize / miniBlocks;
  if (total !== count) throw new Error(`deltas of ${total} values where the page has ${count}`);
  if (!Number.isInteger(perBlock) || perBlock < 8 || perBlock % 8 !== 0 || miniBlocks > 512) {
    throw new Error(`deltas in blocks of ${blockSize} by ${miniBlocks}`);
  }
  const numbers = type === 'INT32' ? new Int32Array(count) : new BigInt64Array(count);
  const put = (i: number, value: bigint) => {
    if (numbers instanceof Int32Array) numbers[i] = Number(BigInt.asIntN(32, value));
    else numbers[i] = value;
  };
  let [at, done, value] = [afterFirst, 0, first];
  if (count > 0) put(done++, value);
  while (done < count) {
    const [least, afterLeast] = readZigZag(bytes, at, end);
    at = afterLeast + miniBlocks;
    if (at > end) throw new Error('deltas are cut short');
    for (let block = 0; block < miniBlocks && done < count; block += 1) {
      const width = bytes[afterLeast + block] ?? 0;
      const taken = Math.min(perBlock, count - done);
      if (width > 64 || at + Math.ceil((taken * width) / 8) > end) throw new Error('deltas are cut short');
      if (numbers instanceof Int32Array && width <= 24) {
        done = addNarrow(bytes, at, width, taken, Number(BigInt.asIntN(32, least)), numbers, done);
        value = BigInt(numbers[done - 1] ?? 0);
      } else {
        for (let i = 0; i < taken; i += 1) {
          value = BigInt.asIntN(64, value + least + bitsAt(bytes, at * 8 + i * width, width));
          put(done++, value);
        }
      }
      at = Math.min(end, at + (perBlock * width) / 8);
    }
  }
  return { numbers, end: at };
}

/** The common case of lengths and small numbers, without big integers. */
function addNarrow(
  bytes: Uint8Array,
  at: number,
  width: number,
  taken: number,
  least: number,
  numbers: Int32Array,
  done: number,
): number {
  const mask = 2 ** width - 1;
  let value = numbers[done - 1] ?? 0;
  for (let i = 0, bit = 0; i < taken; i += 1, bit += width) {
    const from = at + (bit >> 3);
    const word =
      (bytes[from] ?? 0) |
      ((bytes[from + 1] ?? 0) << 8) |
      ((bytes[from + 2] ?? 0) << 16) |
      ((bytes[from + 3] ?? 0) << 24);
    value = (value + least + ((word >>> (bit & 7)) & mask)) | 0;
    numbers[done + i] = value;
  }
  return done + taken;
}

function bitsAt(bytes: Uint8Array, bit: number, width: number): bigint {
  if (width === 0) return 0n;
  let value = 0n;
  const last = (bit + width - 1) >> 3;
  for (let at = last; at >= bit >> 3; at -= 1) value = (value << 8n) | BigInt(bytes[at] ?? 0);
  return (value >> BigInt(bit & 7)) & ((1n << BigInt(width)) - 1n);
}
