import { init, compress as zstdCompress } from '@bokuweb/zstd-wasm';
import { compressors as decompressors } from 'hyparquet-compressors';

await init();

/** Compressors for writing parquet: Node 20 has no zstd of its own. */
export const compressors = { ZSTD: (bytes: Uint8Array): Uint8Array => zstdCompress(bytes, 3) };

/** Decompressors for reading parquet: ZSTD, Snappy, gzip, Brotli and LZ4. */
export { decompressors };
