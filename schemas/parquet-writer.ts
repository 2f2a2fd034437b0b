import { createHash } from 'node:crypto';
import { open, rename, rm } from 'node:fs/promises';
import { type Data, DataType, type FixedSizeList, type RecordBatch } from 'apache-arrow';
import { ByteWriter, ParquetWriter } from 'hyparquet-writer';
import { columnData } from './batches.ts';
import { parquetSchemaOf } from './parquet-schema.ts';
import { writeColumn } from './parquet-writer/column-chunk.ts';
import { compressors } from './zstd.ts';

/** Options of {@link openParquetWriter}. */
export interface ParquetWriterOptions {
  /** A row group is closed before it holds more uncompressed bytes than this; 64 MB unless told. */
  readonly rowGroupBytes?: number;
  /** Key-value metadata of the file's footer. */
  readonly metadata?: Readonly<Record<string, string>>;
}

/** A parquet file being written: it has its name only once `close` has returned. */
export interface OpenParquetWriter {
  /** Adds a batch's rows. Every batch has the first one's schema. */
  write(batch: RecordBatch): Promise<void>;
  /** Writes what is left and the footer, and gives the file its name. A batch without rows makes a file
   * that has the schema and no row; a file that was given no batch isn't made. */
  close(): Promise<WrittenFile>;
  /** Throws away what was written. */
  abort(): Promise<void>;
}

/** What a file came to. */
export interface WrittenFile {
  readonly rows: number;
  readonly bytes: number;
  /** In hexadecimal. */
  readonly sha256: string;
}

const defaultRowGroupBytes = 64 * 1024 * 1024;

/**
 * Opens a parquet file for writing: ZSTD (images stay as they are: they don't compress), row groups sized by
 * uncompressed bytes, written to a temporary name and renamed when whole.
 */
export async function openParquetWriter(
  path: string,
  options: ParquetWriterOptions = {},
): Promise<OpenParquetWriter> {
  const limit = options.rowGroupBytes ?? defaultRowGroupBytes;
  const temporary = `${path}.partial`;
  const file = await open(temporary, 'w');
  const bytes = new ByteWriter();
  const hash = createHash('sha256');
  let writer: ParquetWriter | undefined;
  let pending: RecordBatch[] = [];
  let pendingBytes = 0;
  let rows = 0;
  let written = 0;

  const flushBytes = async () => {
    const chunk = bytes.getBytes().subarray(0, bytes.index);
    hash.update(chunk);
    await file.writeFile(chunk);
    written += chunk.length;
    bytes.index = 0;
  };
  const flushRowGroup = async () => {
    if (pending.length === 0 || writer === undefined) return;
    const names = (pending[0] as RecordBatch).schema.names.map(String);
    const start = bytes.offset;
    // Room for all of it at once: it would be copied each time that it outgrows what it has.
    bytes.ensure(pendingBytes);
    const columns = names.flatMap((name) =>
      // An image's bytes are its own compression, and no bounds are looked for among them.
      writeColumn(
        bytes,
        name,
        pending.map((batch) => columnData(batch, name)),
        name === 'image',
      ),
    );
    const total = pending.reduce((sum, batch) => sum + batch.numRows, 0);
    writer.row_groups.push({
      columns,
      total_byte_size: columns.reduce(
        (sum, { meta_data }) => sum + (meta_data?.total_uncompressed_size ?? 0n),
        0n,
      ),
      num_rows: BigInt(total),
      total_compressed_size: BigInt(bytes.offset - start),
    });
    writer.num_rows += BigInt(total);
    await flushBytes();
    pending = [];
    pendingBytes = 0;
  };
  const addSlice = async (batch: RecordBatch, size: number) => {
    if (pendingBytes > 0 && pendingBytes + size > limit) await flushRowGroup();
    pending.push(batch);
    pendingBytes += size;
  };

  return {
    async write(batch) {
      writer ??= new ParquetWriter({
        writer: bytes,
        schema: parquetSchemaOf(batch.schema),
        codec: 'ZSTD',
        compressors,
        createdBy: 'assay',
        ...(options.metadata
          ? { kvMetadata: Object.entries(options.metadata).map(([key, value]) => ({ key, value })) }
          : {}),
      });
      if (batch.numRows === 0) return;
      rows += batch.numRows;
      for (const [start, end, size] of sliceBySize(batch, limit)) {
        await addSlice(start === 0 && end === batch.numRows ? batch : batch.slice(start, end), size);
      }
    },
    async close() {
      await flushRowGroup();
      if (writer === undefined) {
        await file.close();
        await rm(temporary);
        return { rows: 0, bytes: 0, sha256: hash.digest('hex') };
      }
      writer.finish();
      await flushBytes();
      await file.sync();
      await file.close();
      await rename(temporary, path);
      return { rows, bytes: written, sha256: hash.digest('hex') };
    },
    async abort() {
      await file.close();
      await rm(temporary, { force: true });
    },
  };
}

/** Cuts a batch where its rows' bytes pass the limit, so that one large batch still makes bounded row groups. */
function sliceBySize(batch: RecordBatch, limit: number): [start: number, end: number, bytes: number][] {
  const sizes = rowBytes(batch);
  const slices: [number, number, number][] = [];
  let start = 0;
  let size = 0;
  for (let i = 0; i < batch.numRows; i += 1) {
    const next = sizes[i] ?? 0;
    if (i > start && size + next > limit) {
      slices.push([start, i, size]);
      start = i;
      size = 0;
    }
    size += next;
  }
  slices.push([start, batch.numRows, size]);
  return slices;
}

/** Uncompressed bytes of each row: what its values take, over all columns. */
function rowBytes(batch: RecordBatch): Float64Array {
  const sizes = new Float64Array(batch.numRows);
  for (const child of batch.data.children) addBytes(child, sizes, (i) => [i, i + 1]);
  return sizes;
}

function addBytes(data: Data, sizes: Float64Array, rangeOf: (row: number) => [number, number]): void {
  const { type } = data;
  const offsets = data.valueOffsets as Int32Array;
  const ranges = (next: (start: number, end: number) => [number, number]) => (row: number) =>
    next(...rangeOf(row));
  if (DataType.isStruct(type)) {
    for (const child of data.children) addBytes(child, sizes, rangeOf);
  } else if (DataType.isList(type)) {
    const within = ranges((start, end) => [offsets[start] ?? 0, offsets[end] ?? 0]);
    for (const child of data.children) addBytes(child, sizes, within);
  } else if (DataType.isFixedSizeList(type)) {
    const size = (type as FixedSizeList).listSize;
    for (const child of data.children)
      addBytes(
        child,
        sizes,
        ranges((start, end) => [start * size, end * size]),
      );
  } else if (DataType.isUtf8(type) || DataType.isBinary(type)) {
    for (let row = 0; row < sizes.length; row += 1) {
      const [start, end] = rangeOf(row);
      sizes[row] = (sizes[row] ?? 0) + (offsets[end] ?? 0) - (offsets[start] ?? 0) + 4 * (end - start);
    }
  } else {
    const width = (data.values as Uint8Array).BYTES_PER_ELEMENT ?? 1;
    for (let row = 0; row < sizes.length; row += 1) {
      const [start, end] = rangeOf(row);
      sizes[row] = (sizes[row] ?? 0) + width * (end - start);
    }
  }
}
