import type { ColumnMetaData, CompressionCodec, PageHeader, SchemaTree } from 'hyparquet';
import { parquetHeader } from 'hyparquet/src/column.js';
import type { RecycledBuffers } from '../recycled-buffers.ts';
import { throwStorageError } from '../storage/errors.ts';
import type { ByteSource } from './byte-source.ts';
import { decompress } from './decompress.ts';
import { decodeValues, type Values, type ValueType } from './encodings.ts';
import { chunkRange } from './footer.ts';
import { isOneRun, readHybrid } from './levels.ts';
import { type Memory, OverMemory } from './memory.ts';
import { createWindow, type ReadWindow } from './read-window.ts';
import { skimStruct } from './thrift.ts';

/** A column of a parquet file that holds values: a field, or one within a struct or a list. */
export interface Leaf extends ValueType {
  readonly name: string;
  /** The definition level at which a value is there. */
  readonly maxDefinition: number;
  /** How many lists the value is in. */
  readonly maxRepetition: number;
}

/** A decoded page: `entries` places for a value, of which those at the highest definition level have one. */
export interface Page {
  readonly entries: number;
  /** `[entries]`; null where every entry has a value. */
  readonly definitions: Uint8Array | null;
  /** `[entries]`: 0 where a row begins; null where each entry is a row. */
  readonly repetitions: Uint8Array | null;
  readonly values: Values;
  /** Bytes taken of the memory, for its user to give back. */
  readonly held: number;
  /** Gives back the buffer that its values lie in, where that is used again: they are gone from then on. */
  readonly release?: (() => void) | undefined;
}

/** Bytes that an entry takes beside its value: levels, place and length. */
const entryBytes = 16;
const headerBytes = 64 * 1024;
const mostHeaderBytes = 16 * 1024 * 1024;

/** The leaf that a node of the schema is. Throws when it is a group. */
export function leafOf(path: readonly SchemaTree[]): Leaf {
  const node = path.at(-1);
  const element = node?.element;
  if (node === undefined || element?.type === undefined || node.children.length > 0) {
    throw new Error(`${element?.name ?? 'the schema'} is a group, not a column`);
  }
  return {
    name: node.path.join('.'),
    type: element.type,
    typeLength: element.type_length ?? 0,
    maxDefinition: path.filter((part) => part.element.repetition_type !== 'REQUIRED').length,
    maxRepetition: path.filter((part) => part.element.repetition_type === 'REPEATED').length,
  };
}

/**
 * Decodes a column chunk page by page, so that one page of it is in memory at a time. Every size is checked before it
 * is allocated by. With `buffers`, a page's values may lie in one that is used again once the page is released. Throws on
 * corrupt pages, naming the column, and when a page doesn't fit the memory.
 */
export async function* readPages(
  source: ByteSource,
  leaf: Leaf,
  chunk: ColumnMetaData,
  memory: Memory,
  buffers?: RecycledBuffers,
): AsyncGenerator<Page> {
  const values = Number(chunk.num_values);
  const { start, end } = chunkRange(chunk);
  const file = await source.open();
  const window = createWindow(file, end, { memory: memory.most, buffers });
  let dictionary: Values | null = null;
  let dictionaryHeld = 0;
  let seen = 0;
  try {
    for (let at = start; seen < values; ) {
      if (at >= end) throw new Error(`it ends after ${seen} of ${values} values`);
      const { header, next } = await readHeader(window, at, end);
      const { compressed, uncompressed, entries } = sizesOf(header, end - next, values - seen);
      // What isn't compressed is used where it was read.
      const passing = chunk.codec === 'UNCOMPRESSED' ? 0 : compressed;
      const held = Math.max(compressed - passing, uncompressed) + entries * entryBytes;
      memory.take(passing + held, `a page of column ${leaf.name}`);
      const bytes = await window.read(next, compressed);
      at = next + compressed;
      let page: Omit<Page, 'held' | 'release'> | null = null;
      if (header.type === 'DICTIONARY_PAGE') {
        if (dictionary !== null) throw new Error('it has two dictionaries');
        dictionary = readDictionary(header, bytes, uncompressed, leaf, chunk.codec);
        // Pages read it long after the window has moved on, and after the last of them was given out.
        if (buffers && liesIn(dictionary, bytes))
          dictionary = { ...dictionary, bytes: new Uint8Array(dictionary.bytes) };
        dictionaryHeld = held;
      } else if (header.type === 'INDEX_PAGE') {
        memory.give(held);
      } else {
        const most = memory.most / 2;
        page = readDataPage(header, bytes, uncompressed, entries, leaf, chunk.codec, dictionary, most);
        seen += entries;
      }
      memory.give(passing);
      // Only what isn't compressed lies where it was read.
      if (page !== null)
        yield { ...page, held, release: liesIn(page.values, bytes) ? window.hold() : undefined };
    }
  } catch (error) {
    throwStorageError(error);
    if (error instanceof OverMemory) throw error;
    throw new Error(`column ${leaf.name}: ${error instanceof Error ? error.message : error}`);
  } finally {
    memory.give(dictionaryHeld);
    window.close();
    await file.close();
  }
}

function liesIn(values: Values, bytes: Uint8Array): values is Values & { kind: 'bytes' } {
  return values.kind === 'bytes' && values.bytes.buffer === bytes.buffer;
}

async function readHeader(
  window: ReadWindow,
  at: number,
  end: number,
): Promise<{ header: PageHeader; next: number }> {
  for (let length = headerBytes; ; length *= 16) {
    const bytes = await window.read(at, Math.min(length, end - at));
    try {
      const size = skimStruct(bytes, 0, bytes.length);
      const view = new DataView(bytes.buffer, bytes.byteOffset, size);
      return { header: parquetHeader({ view, offset: 0 }), next: at + size };
    } catch (error) {
      // Statistics of long texts can make a header long.
      if (length >= end - at || length >= mostHeaderBytes) throw error;
    }
  }
}

const isCount = (value: unknown, most: number): value is number =>
  Number.isSafeInteger(value) && (value as number) >= 0 && (value as number) <= most;

function sizesOf(header: PageHeader, bytesLeft: number, valuesLeft: number) {
  const { compressed_page_size: compressed, uncompressed_page_size: uncompressed } = header;
  if (!isCount(compressed, bytesLeft)) throw new Error(`a page claims ${compressed} of ${bytesLeft} bytes`);
  if (!isCount(uncompressed, 2 ** 31)) throw new Error(`a page claims ${uncompressed} bytes uncompressed`);
  if (header.type === 'INDEX_PAGE') return { compressed, uncompressed: 0, entries: 0 };
  if (header.type === 'DICTIONARY_PAGE') {
    const entries = header.dictionary_page_header?.num_values;
    // A value takes a bit at the least.
    if (!isCount(entries, uncompressed * 8)) throw new Error(`a dictionary claims ${entries} values`);
    return { compressed, uncompressed, entries };
  }
  const entries = (header.data_page_header ?? header.data_page_header_v2)?.num_values;
  if (!isCount(entries, valuesLeft)) throw new Error(`a page claims ${entries} of ${valuesLeft} values`);
  return { compressed, uncompressed, entries };
}

function readDictionary(
  header: PageHeader,
  bytes: Uint8Array,
  uncompressed: number,
  leaf: Leaf,
  codec: CompressionCodec,
): Values {
  const page = decompress(codec, bytes, uncompressed);
  const count = header.dictionary_page_header?.num_values ?? 0;
  return decodeValues(page, 0, count, 'PLAIN', leaf, null, 0);
}

function readDataPage(
  header: PageHeader,
  bytes: Uint8Array,
  uncompressed: number,
  entries: number,
  leaf: Leaf,
  codec: CompressionCodec,
  dictionary: Values | null,
  most: number,
): Omit<Page, 'held' | 'release'> {
  const levels = { repetitions: null as Uint8Array | null, definitions: null as Uint8Array | null };
  let [page, at] = [bytes, 0];
  let encoding = header.data_page_header?.encoding;
  const v2 = header.data_page_header_v2;
  if (header.type === 'DATA_PAGE_V2' && v2 !== undefined) {
    const [repetition, definition] = [v2.repetition_levels_byte_length, v2.definition_levels_byte_length];
    if (!isCount(repetition, bytes.length) || !isCount(definition, bytes.length - repetition)) {
      throw new Error(`levels of ${repetition} and ${definition} bytes in a page of ${bytes.length}`);
    }
    const split = repetition + definition;
    levels.repetitions = readLevels(bytes, 0, repetition, leaf.maxRepetition, entries);
    levels.definitions = readDefinitions(bytes, repetition, split, leaf.maxDefinition, entries);
    page = bytes.subarray(split);
    if (v2.is_compressed !== false) page = decompress(codec, page, uncompressed - split);
    encoding = v2.encoding;
  } else if (header.type === 'DATA_PAGE' && header.data_page_header !== undefined) {
    page = decompress(codec, bytes, uncompressed);
    const { repetition_level_encoding, definition_level_encoding } = header.data_page_header;
    for (const [name, most, how] of [
      ['repetitions', leaf.maxRepetition, repetition_level_encoding],
      ['definitions', leaf.maxDefinition, definition_level_encoding],
    ] as const) {
      if (most === 0) continue;
      if (how !== 'RLE') throw new Error(`no decoder for ${name} in ${how}`);
      const length =
        at + 4 <= page.length ? new DataView(page.buffer, page.byteOffset + at).getUint32(0, true) : -1;
      if (!isCount(length, page.length - at - 4)) throw new Error(`${name} of ${length} bytes in a page`);
      const read = name === 'definitions' ? readDefinitions : readLevels;
      levels[name] = read(page, at + 4, at + 4 + length, most, entries);
      at += 4 + length;
    }
  } else {
    throw new Error(`a page of type ${header.type} is not known`);
  }
  if (encoding === undefined) throw new Error('a page has an unknown encoding');
  const { definitions } = levels;
  let count = entries;
  if (definitions !== null) {
    count = 0;
    for (let i = 0; i < entries; i += 1) if (definitions[i] === leaf.maxDefinition) count += 1;
  }
  const values = decodeValues(page, at, count, encoding, leaf, dictionary, most);
  return { entries, ...levels, definitions: count === entries ? null : definitions, values };
}

/** Null where all are the highest, so that every entry has a value. */
function readDefinitions(bytes: Uint8Array, start: number, end: number, most: number, entries: number) {
  // What has no missing value is written as one run.
  const isFull = most > 0 && most < 256 && entries > 0;
  if (isFull && isOneRun(bytes, start, end, { value: most, count: entries })) return null;
  return readLevels(bytes, start, end, most, entries);
}

function readLevels(bytes: Uint8Array, start: number, end: number, most: number, entries: number) {
  if (most === 0) return null;
  const levels = new Uint8Array(entries);
  if (entries > 0) readHybrid(bytes, start, end, 32 - Math.clz32(most), levels);
  return levels;
}
