import type { Data } from 'apache-arrow';
import type { ColumnChunk, CompressionCodec, Statistics } from 'hyparquet';
import { compressors } from '../zstd.ts';
import { entriesOf, type LeafEntries, leavesOf, type WrittenLeaf } from './leaves.ts';
import { encodeLevels, pageHeader } from './page.ts';
import { type Bounds, plainValues, widen } from './values.ts';

/** Where bytes are appended, and how many have been. */
export interface ByteSink {
  readonly offset: number;
  appendBytes(bytes: Uint8Array): void;
}

/** A page is closed at the end of the row in which its values come to so many bytes. */
const pageBytes = 1024 * 1024;

/**
 * Writes the chunks of a column, one a leaf: data pages of version 1, PLAIN. `plain` writes them as they are and
 * without bounds, for bytes that are their own compression.
 */
export function writeColumn(
  sink: ByteSink,
  name: string,
  chunks: readonly Data[],
  plain: boolean,
): ColumnChunk[] {
  const [first] = chunks;
  if (first === undefined) return [];
  return leavesOf(name, first.type).map((leaf) => writeLeaf(sink, leaf, chunks, plain));
}

function writeLeaf(sink: ByteSink, leaf: WrittenLeaf, chunks: readonly Data[], plain: boolean): ColumnChunk {
  const codec: CompressionCodec = plain ? 'UNCOMPRESSED' : 'ZSTD';
  const pages = openPages(sink, leaf, codec);
  const bounds: Bounds = { min: undefined, max: undefined };
  const start = sink.offset;
  let nulls = 0;
  let values = 0;
  for (const chunk of chunks) {
    const entries = entriesOf(chunk, leaf);
    if (!plain) widen(bounds, entries, leaf);
    for (const place of entries.places) if (place < 0) nulls += 1;
    values += entries.places.length;
    pages.add(entries);
  }
  const { uncompressed } = pages.close();
  return {
    file_offset: 0n,
    meta_data: {
      type: leaf.type,
      encodings: ['PLAIN', 'RLE'],
      path_in_schema: [...leaf.path],
      codec,
      num_values: BigInt(values),
      total_uncompressed_size: BigInt(uncompressed),
      total_compressed_size: BigInt(sink.offset - start),
      data_page_offset: BigInt(start),
      statistics: statisticsOf(bounds, nulls),
    },
  };
}

function statisticsOf({ min, max }: Bounds, nulls: number): Statistics {
  const none = { null_count: BigInt(nulls) };
  if (min === undefined || max === undefined || Number.isNaN(min)) return none;
  return { ...none, min_value: min, max_value: max };
}

/** Gathers entries into pages and writes each when it is full. */
function openPages(sink: ByteSink, leaf: WrittenLeaf, codec: CompressionCodec) {
  const values = plainValues(leaf);
  let definitions = new Uint8Array(1024);
  let repetitions = new Uint8Array(leaf.maxRepetition > 0 ? 1024 : 0);
  let entries = 0;
  let uncompressed = 0;
  const flush = () => {
    if (entries === 0) return;
    const levels = [
      ...(leaf.maxRepetition > 0 ? [encodeLevels(repetitions.subarray(0, entries), leaf.maxRepetition)] : []),
      encodeLevels(definitions.subarray(0, entries), leaf.maxDefinition),
    ];
    const own = values.bytes();
    const length = levels.reduce((sum, { length: bytes }) => sum + bytes, own.length);
    // What isn't compressed goes out in its parts: an image is not copied for it.
    const parts = codec === 'ZSTD' ? [compressors.ZSTD(Buffer.concat([...levels, own]))] : [...levels, own];
    const written = parts.reduce((sum, { length: bytes }) => sum + bytes, 0);
    const header = pageHeader(length, written, entries);
    sink.appendBytes(header);
    for (const part of parts) sink.appendBytes(part);
    uncompressed += header.length + length;
    values.clear();
    entries = 0;
  };
  return {
    add({ data, places, definitions: defined, repetitions: repeated }: LeafEntries): void {
      values.take(data);
      if (entries + places.length > definitions.length) {
        definitions = withRoom(definitions, entries + places.length);
        if (leaf.maxRepetition > 0) repetitions = withRoom(repetitions, entries + places.length);
      }
      for (let i = 0; i < places.length; i += 1) {
        if (values.length >= pageBytes && (repeated[i] ?? 0) === 0) flush();
        definitions[entries] = defined[i] as number;
        if (leaf.maxRepetition > 0) repetitions[entries] = repeated[i] as number;
        entries += 1;
        const place = places[i] as number;
        if (place >= 0) values.add(place);
      }
    },
    close() {
      flush();
      return { uncompressed };
    },
  };
}

function withRoom(levels: Uint8Array<ArrayBuffer>, entries: number): Uint8Array<ArrayBuffer> {
  const larger = new Uint8Array(2 * entries);
  larger.set(levels);
  return larger;
}
