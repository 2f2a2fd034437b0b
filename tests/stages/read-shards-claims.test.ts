import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { type FileMetaData, type PageHeader, parquetMetadata } from 'hyparquet';
import { ByteWriter, parquetWriteBuffer } from 'hyparquet-writer';
import { writePageHeader } from 'hyparquet-writer/src/datapage.js';
import { writeMetadata } from 'hyparquet-writer/src/metadata.js';
import { describe, expect, it } from 'vitest';
import { readShards, readShardsOptionsSchema } from '../../stages/read-shards.ts';
import { collect, rememberingContext, temporaryFolder, valuesOf } from '../support.ts';

const folder = await temporaryFolder();
const mebibyte = 1024 ** 2;

async function read(bytes: Uint8Array, input: object = {}) {
  const path = join(folder, 'claims.parquet');
  await writeFile(path, bytes);
  const { context, quarantined } = rememberingContext();
  const options = readShardsOptionsSchema.parse({
    columns: { key: 'key', alt_texts: 'text', image: 'image' },
    memory: 16 * mebibyte,
    ...input,
  });
  const batches = await collect(readShards([path], options, context));
  return { keys: valuesOf(batches, 'key'), quarantined, batches };
}

const texts = (count: number, of: string) => Array.from({ length: count }, (_, i) => `${of} ${i}`);
const shard = (rows: number, imageBytes: number, options: object = {}) =>
  new Uint8Array(
    parquetWriteBuffer({
      columnData: [
        { name: 'key', data: texts(rows, 'key') },
        { name: 'text', data: texts(rows, 'text') },
        {
          name: 'image',
          data: texts(rows, '').map((_, i) => new Uint8Array(imageBytes).fill(i)),
          type: 'BYTE_ARRAY',
        },
      ],
      codec: 'UNCOMPRESSED',
      ...options,
    }),
  );

/** The shard with another footer. */
function withFooter(bytes: Uint8Array, change: (footer: FileMetaData) => void): Uint8Array {
  const length = new DataView(bytes.buffer).getUint32(bytes.length - 8, true);
  const footer = parquetMetadata(bytes.buffer as ArrayBuffer);
  change(footer);
  const writer = new ByteWriter();
  writer.appendBytes(bytes.subarray(0, bytes.length - 8 - length));
  writeMetadata(writer, footer);
  const metadataBytes = writer.index - (bytes.length - 8 - length);
  // The writer of metadata may or may not add its length.
  const written = writer.getBytes().subarray(0, writer.index);
  if (
    new DataView(written.buffer, written.byteOffset).getUint32(written.length - 4, true) ===
    metadataBytes - 4
  ) {
    return Buffer.concat([written, Buffer.from('PAR1')]);
  }
  const tail = Buffer.alloc(8);
  tail.writeUInt32LE(metadataBytes, 0);
  tail.write('PAR1', 4);
  return Buffer.concat([written, tail]);
}

/** A shard whose column `key` is this one page. */
function withPage(header: PageHeader, body: Uint8Array, codec: 'SNAPPY' | 'GZIP' | 'ZSTD' | 'UNCOMPRESSED') {
  const bytes = shard(3, 10);
  const length = new DataView(bytes.buffer).getUint32(bytes.length - 8, true);
  const page = new ByteWriter();
  writePageHeader(page, header);
  page.appendBytes(body);
  const footerless = bytes.subarray(0, bytes.length - 8 - length);
  const joined = Buffer.concat([
    footerless,
    page.getBytes().subarray(0, page.index),
    bytes.subarray(-8 - length),
  ]);
  return withFooter(new Uint8Array(joined), ({ row_groups: [group] }) => {
    const chunk = group?.columns[0]?.meta_data;
    if (chunk === undefined) throw new Error('no column');
    delete chunk.dictionary_page_offset;
    Object.assign(chunk, {
      codec,
      data_page_offset: BigInt(footerless.length),
      total_compressed_size: BigInt(page.index),
    });
  });
}

const dataPage = (sizes: { compressed: number; uncompressed: number; values: number }): PageHeader => ({
  type: 'DATA_PAGE',
  uncompressed_page_size: sizes.uncompressed,
  compressed_page_size: sizes.compressed,
  data_page_header: {
    num_values: sizes.values,
    encoding: 'PLAIN',
    definition_level_encoding: 'RLE',
    repetition_level_encoding: 'RLE',
  },
});

describe('what a footer claims', () => {
  it('is what the file holds: a shard with another footer of the same claims is read', async () => {
    expect((await read(withFooter(shard(3, 10), () => {}))).keys).toEqual(texts(3, 'key'));
  });

  it.each([
    [2n ** 40n, 'it claims 1099511627776 rows'],
    [2n ** 30n, /claim 1073741824 rows$/],
    [-1n, 'it claims -1 rows'],
  ])('%d rows: one entry, with the figure', async (rows, detail) => {
    const bytes = withFooter(shard(3, 10), ({ row_groups: [group] }) => {
      if (group) group.num_rows = rows;
    });
    const { keys, quarantined } = await read(bytes);
    expect(keys).toEqual([]);
    expect(quarantined.length).toBe(1);
    expect(quarantined[0]).toMatchObject({ row: null, rowGroup: 0, reason: 'unreadable-row-group' });
    expect(quarantined[0]?.detail).toMatch(detail);
  });

  it('more rows than its columns have: those that are there, and an entry for each other', async () => {
    const bytes = withFooter(shard(3, 10), ({ row_groups: [group] }) => {
      if (group) group.num_rows = 5n;
    });
    const { keys, quarantined } = await read(bytes);
    expect(keys).toEqual(texts(3, 'key'));
    expect(quarantined.map(({ row }) => row)).toEqual([3, 4]);
  });

  it('columns past the end of the file, or where others are', async () => {
    const past = withFooter(shard(3, 10), ({ row_groups: [group] }) => {
      const chunk = group?.columns[1]?.meta_data;
      if (chunk) chunk.total_compressed_size = 2n ** 41n;
    });
    expect((await read(past)).quarantined[0]?.detail).toMatch(/^column text claims bytes \d+ to 2199/);
    const shared = withFooter(shard(3, 10), ({ row_groups: groups }) => {
      const [group] = groups;
      if (group) for (let i = 0; i < 1000; i += 1) groups.push(group);
    });
    const { keys, quarantined } = await read(shared);
    expect(keys.length).toBeLessThan(20);
    expect(quarantined.at(-1)?.detail).toBe('its columns share the bytes of others');
  });

  it('a footer longer than the file', async () => {
    const bytes = shard(3, 10);
    new DataView(bytes.buffer).setUint32(bytes.length - 8, 2 ** 31, true);
    expect((await read(bytes)).quarantined).toMatchObject([{ row: null, reason: 'unreadable-shard' }]);
  });
});

describe('what a page claims', () => {
  const body = new Uint8Array(20);
  it.each([
    [
      'more bytes than there are',
      dataPage({ compressed: 2 ** 30, uncompressed: 20, values: 3 }),
      'UNCOMPRESSED',
    ],
    ['fewer than no bytes', dataPage({ compressed: -5, uncompressed: 20, values: 3 }), 'UNCOMPRESSED'],
    [
      'more values than the column',
      dataPage({ compressed: 20, uncompressed: 20, values: 2 ** 31 - 1 }),
      'GZIP',
    ],
    ['2 GiB in 20 bytes', dataPage({ compressed: 20, uncompressed: 2 ** 31 - 1, values: 3 }), 'ZSTD'],
    [
      '8 MiB in 20 bytes of Snappy',
      dataPage({ compressed: 20, uncompressed: 2 ** 23 - 1, values: 3 }),
      'SNAPPY',
    ],
  ] as const)('%s: an entry for each row', async (_, header, codec) => {
    const { keys, quarantined } = await read(withPage(header, body, codec));
    expect(keys).toEqual([]);
    expect(quarantined.map(({ row }) => row)).toEqual([0, 1, 2]);
  });

  it('what a bomb decompresses to, beyond what it says: it is not made', async () => {
    const bomb = gzipSync(new Uint8Array(64 * mebibyte));
    const header = dataPage({ compressed: bomb.length, uncompressed: 1000, values: 3 });
    const { keys, quarantined } = await read(withPage(header, bomb, 'GZIP'));
    expect(keys).toEqual([]);
    expect(quarantined.length).toBe(3);
    expect(quarantined[0]?.detail).toMatch(/^column key: Cannot create a Buffer larger than 1000 bytes/);
  });
});

describe('the memory', () => {
  it('splits a row group that is larger, page by page', async () => {
    const bytes = shard(30, mebibyte, { pageSize: 2 * mebibyte });
    const { keys, quarantined, batches } = await read(bytes);
    expect(quarantined).toEqual([]);
    expect(keys).toEqual(texts(30, 'key'));
    expect(batches.length).toBeGreaterThan(10);
  });

  it('quarantines the rows of a page that is larger, with the figure', async () => {
    const bytes = shard(20, mebibyte, { pageSize: 64 * mebibyte });
    const { keys, quarantined } = await read(bytes);
    expect(keys).toEqual([]);
    expect(quarantined.length).toBe(20);
    expect(quarantined[0]).toMatchObject({ rowGroup: 0, row: 0, reason: 'over-memory' });
    expect(quarantined[0]?.detail).toMatch(
      /^a page of column image needs 20.0 MiB beside the \d+ bytes held, over 8.0 MiB$/,
    );
    expect((await read(bytes, { memory: 256 * mebibyte })).keys.length).toBe(20);
  });
});
