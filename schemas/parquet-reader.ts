import { type FileMetaData, parquetMetadataAsync, parquetScan, parquetSchema } from 'hyparquet';
import { asyncBufferFromFile } from 'hyparquet/src/node.js';
import { decompressors } from './zstd.ts';

/** The figures of one row group, from the footer alone. */
export interface RowGroupFacts {
  readonly index: number;
  readonly rows: number;
  /** Uncompressed bytes of its column chunks. */
  readonly bytes: number;
}

/** A parquet file whose footer has been read; its row groups are read one at a time. */
export interface OpenShard {
  readonly path: string;
  readonly columns: readonly string[];
  readonly rowGroups: readonly RowGroupFacts[];
  readonly metadata: Readonly<Record<string, string>>;
  /**
   * Reads columns of one row group: an array of values each, `null` or `undefined` for a missing value, bytes for binary,
   * objects for structs. Throws what the decoder throws on corrupt pages.
   */
  readRowGroup(index: number, columns: readonly string[]): Promise<Record<string, ArrayLike<unknown>>>;
}

/**
 * Opens a parquet file by its footer: ZSTD, Snappy, gzip, Brotli and LZ4, versions 1 and 2, dictionaries,
 * nested lists. Throws when the file is missing, or has no sound footer.
 */
export async function openShard(path: string): Promise<OpenShard> {
  const file = await asyncBufferFromFile(path);
  const footer = await parquetMetadataAsync(file);
  const starts = rowGroupStarts(footer);
  return {
    path,
    columns: parquetSchema(footer).children.map((child) => child.element.name),
    rowGroups: footer.row_groups.map((group, index) => ({
      index,
      rows: Number(group.num_rows),
      bytes: group.columns.reduce(
        (sum, chunk) => sum + Number(chunk.meta_data?.total_uncompressed_size ?? 0),
        0,
      ),
    })),
    metadata: Object.fromEntries(
      (footer.key_value_metadata ?? []).map(({ key, value }) => [key, value ?? '']),
    ),
    async readRowGroup(index, columns) {
      const rowStart = starts[index];
      const rowEnd = starts[index + 1];
      if (rowStart === undefined || rowEnd === undefined) {
        throw new RangeError(`${path} has no row group ${index}`);
      }
      const scan = await parquetScan({
        file,
        metadata: footer,
        columns: [...columns],
        compressors: decompressors,
        // Binary is binary: bytes that aren't declared as text are never decoded as text.
        utf8: false,
      });
      const values: Record<string, ArrayLike<unknown>> = {};
      for (const name of columns) {
        values[name] = await scan.readColumn({ column: name, rowStart, rowEnd });
      }
      return values;
    },
  };
}

function rowGroupStarts(footer: FileMetaData): number[] {
  const starts = [0];
  for (const group of footer.row_groups) starts.push((starts.at(-1) ?? 0) + Number(group.num_rows));
  return starts;
}
