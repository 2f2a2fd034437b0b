import { brotliDecompressSync, gunzipSync } from 'node:zlib';
import { type CompressionCodec, snappyUncompress } from 'hyparquet';
import { decompressLz4, decompressLz4Raw, decompressZstd, compressors as wasm } from 'hyparquet-compressors';
import { decompressZstdFrame } from '../zstd.ts';

/** WebAssembly memory grows and never shrinks: larger pages take the decoder in JavaScript. */
const mostWasmBytes = 64 * 1024 * 1024;

/** The most that one compressed byte can become, where the codec has such a bound. */
const mostRatio: Partial<Record<CompressionCodec, number>> = {
  SNAPPY: 64,
  GZIP: 1040,
  LZ4: 256,
  LZ4_RAW: 256,
};

type Decompressor = (input: Uint8Array, length: number) => Uint8Array;

const codecs: Partial<Record<CompressionCodec, Decompressor>> = {
  UNCOMPRESSED: (input) => input,
  SNAPPY: (input, length) => {
    if (length <= mostWasmBytes && wasm.SNAPPY) return wasm.SNAPPY(input, length);
    const output = new Uint8Array(length);
    snappyUncompress(input, output);
    return output;
  },
  GZIP: (input, length) => gunzipSync(input, { maxOutputLength: Math.max(1, length) }),
  BROTLI: (input, length) => brotliDecompressSync(input, { maxOutputLength: Math.max(1, length) }),
  ZSTD: unzstd,
  LZ4: decompressLz4,
  LZ4_RAW: decompressLz4Raw,
};

/**
 * Decompresses a page to `length` bytes. Never allocates more than that: a codec's own claim of another size is
 * refused first. Throws on corrupt bytes, and on a codec that isn't known.
 */
export function decompress(codec: CompressionCodec, input: Uint8Array, length: number): Uint8Array {
  const decoder = codecs[codec];
  if (decoder === undefined) throw new Error(`no decoder for the codec ${codec}`);
  const most = (mostRatio[codec] ?? Number.POSITIVE_INFINITY) * input.length + 64;
  if (length > most) throw new Error(`${input.length} bytes of ${codec} can't hold ${length}`);
  const output = length === 0 ? new Uint8Array() : decoder(input, length);
  if (output.length !== length)
    throw new Error(`a page decompresses to ${output.length} bytes, not ${length}`);
  return output;
}

/** hyparquet's own table of decompressors, with the fast ones. */
export const decompressors = Object.fromEntries(
  Object.keys(codecs).map((codec) => [
    codec,
    (input: Uint8Array, length: number) => decompress(codec as CompressionCodec, input, length),
  ]),
);

function unzstd(input: Uint8Array, length: number): Uint8Array {
  const claimed = zstdContentSize(input);
  if (claimed !== null && claimed > length) throw new Error(`ZSTD of ${claimed} bytes, not ${length}`);
  if (claimed === length && length <= mostWasmBytes) return decompressZstdFrame(input);
  // Frames without a size, and several frames in a row: a tenth of the speed, into a buffer of the right size.
  return decompressZstd(input, new Uint8Array(length));
}

/** The size that a ZSTD frame's header declares; null where it doesn't (RFC 8878, section 3.1.1). */
function zstdContentSize(input: Uint8Array): number | null {
  const view = new DataView(input.buffer, input.byteOffset, input.byteLength);
  if (input.length < 6 || view.getUint32(0, true) !== 0xfd2fb528) throw new Error('not a ZSTD frame');
  const descriptor = view.getUint8(4);
  const flag = descriptor >> 6;
  const isSingleSegment = (descriptor & 32) !== 0;
  if (flag === 0 && !isSingleSegment) return null;
  const at = 5 + (isSingleSegment ? 0 : 1) + ([0, 1, 2, 4][descriptor & 3] ?? 0);
  if (at + (flag === 0 ? 1 : 2 ** flag) > input.length) throw new Error('a ZSTD frame is cut short');
  if (flag === 0) return view.getUint8(at);
  if (flag === 1) return view.getUint16(at, true) + 256;
  if (flag === 2) return view.getUint32(at, true);
  return Number(view.getBigUint64(at, true));
}
