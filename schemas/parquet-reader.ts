import { type FileMetaData, parquetScan, type SchemaTree } from 'hyparquet';
import { openByteSource } from './parquet-reader/byte-source.ts';
import { decompressors } from './parquet-reader/decompress.ts';
import { mostRowsOf, readFooter } from './parquet-reader/footer.ts';
import { createLeafReader, type LeafReader } from './parquet-reader/leaf-reader.ts';
import type { Memory } from './parquet-reader/memory.ts';
import { type Leaf, readPages } from './parquet-reader/pages.ts';
import type { RecycledBuffers } from './recycled-buffers.ts';

/** The figures of one row group, from the footer alone. */
export interface RowGroupFacts {
  readonly index: number;
  readonly rows: number;
  /** Uncompressed bytes of its column chunks. */
  readonly bytes: number;
  /** Why it can't be read, where the footer's own figures say so. */
  readonly problem: string | null;
}

/** A parquet file whose footer has been read; its row groups are read one at a time. */
export interface OpenShard {
  readonly path: string;
  readonly columns: readonly string[];
  /** The columns and their types. */
  readonly schema: SchemaTree;
  readonly rowGroups: readonly RowGroupFacts[];
  /** The most rows that a file of its size can hold. */
  readonly mostRows: number;
  readonly metadata: Readonly<Record<string, string>>;
  /**
   * Reads columns of one row group: an array of values each, `null` or `undefined` for a missing value, bytes for binary,
   * objects for structs. Throws what the decoder throws on corrupt pages. For files that can be trusted.
   */
  readRowGroup(index: number, columns: readonly string[]): Promise<Record<string, ArrayLike<unknown>>>;
  /**
   * Opens columns of one row group to be taken row by row, a page of each in memory. Nothing that the file claims is
   * believed before it is checked. With `buffers`, what is taken is gone once a reader gives it back: see
   * {@link LeafReader.take}. Throws when the row group isn't there or can't be read.
   */
  openLeaves(index: number, leaves: readonly Leaf[], memory: Memory, buffers?: RecycledBuffers): LeafReader[];
}

/**
 * Opens a parquet file by its footer: ZSTD, Snappy, gzip, Brotli and LZ4, versions 1 and 2, dictionaries,
 * nested lists. Throws when the file is missing, or has no sound footer.
 */
export async function openShard(path: string): Promise<OpenShard> {
  const source = await openByteSource(path);
  const { metadata: footer, schema, problems } = await readFooter(source);
  const starts = rowGroupStarts(footer);
  const chunksOf = (index: number) => {
    const group = footer.row_groups[index];
    if (group === undefined) throw new RangeError(`${path} has no row group ${index}`);
    const problem = problems[index] ?? null;
    if (problem !== null) throw new Error(problem);
    return group.columns;
  };
  return {
    path,
    columns: schema.children.map((child) => child.element.name),
    schema,
    rowGroups: footer.row_groups.map((group, index) => ({
      index,
      rows: Number(group.num_rows),
      bytes: (group.columns ?? []).reduce(
        (sum, chunk) => sum + Number(chunk.meta_data?.total_uncompressed_size ?? 0),
        0,
      ),
      problem: problems[index] ?? null,
    })),
    mostRows: mostRowsOf(source.size),
    metadata: Object.fromEntries(
      (footer.key_value_metadata ?? []).map(({ key, value }) => [key, value ?? '']),
    ),
    async readRowGroup(index, columns) {
      chunksOf(index);
      const [rowStart = 0, rowEnd = 0] = [starts[index], starts[index + 1]];
      const scan = await parquetScan({
        file: {
          byteLength: source.size,
          slice: async (start, end = source.size) => (await source.read(start, end - start)).buffer,
        },
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
    openLeaves(index, leaves, memory, buffers) {
      const chunks = chunksOf(index);
      return leaves.map((leaf) => {
        const chunk = chunks.find(
          ({ meta_data: facts }) => facts?.path_in_schema.join('.') === leaf.name,
        )?.meta_data;
        if (chunk === undefined) throw new Error(`it has no column ${leaf.name}`);
        if (chunk.type !== leaf.type)
          throw new Error(`column ${leaf.name} is ${chunk.type}, not ${leaf.type}`);
        return createLeafReader(readPages(source, leaf, chunk, memory, buffers), leaf.maxDefinition, memory);
      });
    },
  };
}

function rowGroupStarts(footer: FileMetaData): number[] {
  const starts = [0];
  for (const group of footer.row_groups) starts.push((starts.at(-1) ?? 0) + Number(group.num_rows));
  return starts;
}
