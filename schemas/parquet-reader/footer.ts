import { type FileMetaData, parquetMetadata, parquetSchema, type RowGroup, type SchemaTree } from 'hyparquet';
import type { ByteSource } from './byte-source.ts';
import { skimStruct } from './thrift.ts';

/** A footer becomes some 30 times its bytes in memory; one of 10,000 row groups of 100 columns takes 100 MB. */
const mostFooterBytes = 256 * 1024 * 1024;
const magic = 0x31524150; // PAR1
/** Rows that a byte may stand for: runs and dictionaries make few bytes of many equal rows, but no row of nothing. */
const mostRowsPerByte = 8;
const rowsForFree = 10_000;

/** A footer that can be trusted as far as its sizes go, and what is wrong with each row group. */
export interface SoundFooter {
  readonly metadata: FileMetaData;
  readonly schema: SchemaTree;
  /** By row group: null, or why it can't be read. */
  readonly problems: readonly (string | null)[];
}

/**
 * Reads a parquet file's footer, checking every size that it claims against the file before anything is allocated
 * by it. Throws when the file has no sound footer; a row group whose own figures are wrong only gets a problem.
 */
export async function readFooter(source: ByteSource): Promise<SoundFooter> {
  if (source.size < 12) throw new Error(`a file of ${source.size} bytes is no parquet file`);
  const tail = new DataView((await source.read(source.size - 8, 8)).buffer);
  if (tail.getUint32(4, true) !== magic) {
    throw new Error('the file does not end with PAR1: it is no parquet file, or was cut short');
  }
  const length = tail.getUint32(0, true);
  if (length > source.size - 12) throw new Error(`a footer of ${length} bytes in a file of ${source.size}`);
  if (length > mostFooterBytes) throw new Error(`a footer of ${length} bytes is over ${mostFooterBytes}`);
  const bytes = await source.read(source.size - 8 - length, length + 8);
  if (skimStruct(bytes, 0, length) > length) throw new Error('the footer is cut short');
  const metadata = parquetMetadata(bytes, { geoparquet: false });
  const [root] = metadata.schema;
  if (root === undefined || !Array.isArray(metadata.row_groups)) throw new Error('the footer has no schema');
  const schema = parquetSchema(metadata);
  const leaves = countLeaves(schema);
  const dataEnd = source.size - 8 - length;
  const claimed = { rows: 0, bytes: 0 };
  const problems = metadata.row_groups.map((group) => {
    const problem = problemOf(group, leaves, dataEnd);
    if (problem !== null) return problem;
    claimed.rows += Number(group.num_rows);
    for (const { meta_data: chunk } of group.columns)
      claimed.bytes += Number(chunk?.total_compressed_size ?? 0);
    // Chunks that share their bytes would make a small file as large as its footer likes.
    if (claimed.bytes > dataEnd) return 'its columns share the bytes of others';
    if (claimed.rows <= mostRowsOf(claimed.bytes)) return null;
    return `with it, ${claimed.bytes} bytes of columns claim ${claimed.rows} rows`;
  });
  return { metadata, schema, problems };
}

function countLeaves(tree: SchemaTree): number {
  if (tree.children.length === 0) return 1;
  return tree.children.reduce((sum, child) => sum + countLeaves(child), 0);
}

/** The most rows that so many bytes of a file can stand for. */
export const mostRowsOf = (bytes: number): number => rowsForFree + mostRowsPerByte * bytes;

function problemOf(group: RowGroup, leaves: number, dataEnd: number): string | null {
  const rows = Number(group.num_rows);
  if (!Number.isSafeInteger(rows) || rows < 0 || rows >= 2 ** 31) return `it claims ${group.num_rows} rows`;
  if (!Array.isArray(group.columns) || group.columns.length !== leaves) {
    return `it has ${group.columns?.length ?? 0} columns where the schema has ${leaves}`;
  }
  for (const { meta_data: chunk, file_path: elsewhere } of group.columns) {
    if (elsewhere !== undefined && elsewhere.length > 0) return 'its columns are in another file';
    if (!chunk?.path_in_schema) return 'a column has no metadata';
    const name = chunk.path_in_schema.join('.');
    const { start, end } = chunkRange(chunk);
    if (!(start >= 4 && end >= start && end <= dataEnd)) {
      return `column ${name} claims bytes ${start} to ${end} of ${dataEnd}`;
    }
    const values = Number(chunk.num_values);
    if (!Number.isSafeInteger(values) || values < 0) return `column ${name} claims ${values} values`;
  }
  return null;
}

/** Where a column chunk's pages are in the file. */
export function chunkRange(chunk: {
  readonly data_page_offset: bigint;
  readonly dictionary_page_offset?: bigint;
  readonly total_compressed_size: bigint;
}): { start: number; end: number } {
  const data = Number(chunk.data_page_offset);
  const dictionary = Number(chunk.dictionary_page_offset ?? 0);
  // Some writers leave 0 where there is no dictionary, or one that comes after the data.
  const start = dictionary > 0 && dictionary < data ? dictionary : data;
  return { start, end: start + Number(chunk.total_compressed_size) };
}
