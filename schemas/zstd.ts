import { init, compress as zstdCompress, decompress as zstdDecompress } from '@bokuweb/zstd-wasm';

await init();

/** Compressors for writing parquet: Node 20 has no zstd of its own. */
export const compressors = { ZSTD: (bytes: Uint8Array): Uint8Array => zstdCompress(bytes, 3) };

/** Decompresses one ZSTD frame, allocating what its header claims: to be checked first. Throws on corrupt bytes. */
export function decompressZstdFrame(bytes: Uint8Array): Uint8Array {
  return zstdDecompress(bytes);
}
