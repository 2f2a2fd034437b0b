import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { DuckDBInstance } from '@duckdb/node-api';
import { parquetWriteBuffer } from 'hyparquet-writer';
import { ParquetSchema, ParquetWriter } from 'parquetjs-lite';
import { describe, expect, it } from 'vitest';
import { parquetSchemaOf } from '../../schemas/parquet-schema.ts';
import { rowTypes } from '../../schemas/rows.ts';
import { compressors } from '../../schemas/zstd.ts';
import { readShards, readShardsOptionsSchema } from '../../stages/read-shards.ts';
import { collect, rememberingContext, sourceBatch, temporaryFolder } from '../support.ts';

const folder = await temporaryFolder();
const rows = 2500;

/** One row as the files of this test hold it. */
const truth = (i: number) => ({
  key: `k${i}`,
  url: `https://example.org/${i}`,
  image: i % 7 === 0 ? null : { bytes: `x${i}`.repeat(1 + (i % 50)), path: `${i}.png` },
  alt_texts:
    i % 11 === 0 || i % 13 === 0 ? [] : [`text ${i % 5}`, `zwölf ${i}`, '十二'].slice(0, 1 + (i % 3)),
  page_title: i % 3 === 0 ? null : `title ${i % 4}`,
  page_language: 'en',
  width: i,
  height: i % 5 === 0 ? null : i * 2,
});

async function rowsOf(path: string, input: object = {}) {
  const { context, quarantined } = rememberingContext();
  const options = readShardsOptionsSchema.parse({ batchRows: 97, ...input });
  const batches = await collect(readShards([path], options, context));
  expect(quarantined).toEqual([]);
  return batches.flatMap((batch) =>
    batch.toArray().map((row) => ({
      key: row.key,
      url: row.url,
      image: row.image && { bytes: Buffer.from(row.image.bytes).toString(), path: row.image.path },
      alt_texts: [...row.alt_texts],
      page_title: row.page_title,
      page_language: row.page_language,
      width: row.width,
      height: row.height,
    })),
  );
}

const expected = (count: number) => Array.from({ length: count }, (_, i) => truth(i));

describe('shards that DuckDB wrote', async () => {
  const connection = await (await DuckDBInstance.create()).connect();

  it.each([
    ['zstd', 'V1'],
    ['zstd', 'V2'],
    ['snappy', 'V1'],
    ['snappy', 'V2'],
    ['gzip', 'V1'],
    ['gzip', 'V2'],
    ['lz4_raw', 'V1'],
    ['lz4_raw', 'V2'],
    ['brotli', 'V1'],
    ['brotli', 'V2'],
    ['uncompressed', 'V1'],
    ['uncompressed', 'V2'],
  ])('are read: %s, %s', async (codec, version) => {
    const path = join(folder, `duck-${codec}-${version}.parquet`);
    // DuckDB compresses by Brotli at its slowest.
    const count = codec === 'brotli' ? 200 : rows;
    await connection.run(`COPY (
      SELECT 'k' || i AS key, 'https://example.org/' || i AS url,
        CASE WHEN i % 7 = 0 THEN NULL
          ELSE struct_pack(bytes := encode(repeat('x' || i, 1 + i % 50)), path := i || '.png') END AS image,
        CASE WHEN i % 13 = 0 THEN NULL WHEN i % 11 = 0 THEN []
          ELSE ['text ' || (i % 5), 'zwölf ' || i, '十二'][1:1 + i % 3] END AS alt_texts,
        CASE WHEN i % 3 = 0 THEN NULL ELSE 'title ' || (i % 4) END AS page_title,
        'en' AS page_language, i::INT AS width,
        CASE WHEN i % 5 = 0 THEN NULL ELSE (i * 2)::BIGINT END AS height
      FROM range(${count}) t(i))
      TO '${path}' (FORMAT parquet, COMPRESSION ${codec}, PARQUET_VERSION ${version}, ROW_GROUP_SIZE 2048)`);
    expect(await rowsOf(path)).toEqual(expected(count));
  });
});

/** LZ4 as Hadoop frames it: lengths before each block, here of literals alone. */
function hadoopLz4(bytes: Uint8Array): Uint8Array {
  const lengths: number[] = [];
  for (let left = bytes.length - 15; left >= 0; left -= 255) lengths.push(Math.min(left, 255));
  if (lengths.at(-1) === 255) lengths.push(0);
  const token = bytes.length < 15 ? bytes.length << 4 : 0xf0;
  const block = Buffer.concat([Uint8Array.of(token, ...lengths), bytes]);
  const head = Buffer.alloc(8);
  head.writeUInt32BE(bytes.length, 0);
  head.writeUInt32BE(block.length, 4);
  return Buffer.concat([head, block]);
}

const codecs = {
  ...compressors,
  GZIP: (bytes: Uint8Array) => new Uint8Array(gzipSync(bytes)),
  LZ4: (bytes: Uint8Array) => new Uint8Array(hadoopLz4(bytes)),
};

describe("shards of hyparquet's writer", () => {
  const count = 400;
  const schema = parquetSchemaOf(sourceBatch([{ key: 'k' }]).schema);
  const columns = (name: keyof typeof rowTypes) =>
    expected(count).map((row) => {
      if (name !== 'image') return row[name];
      return row.image && { ...row.image, bytes: Buffer.from(row.image.bytes) };
    });
  it.each(['SNAPPY', 'ZSTD', 'GZIP', 'LZ4'] as const)('are read: %s, in many small pages', async (codec) => {
    const path = join(folder, `writer-${codec}.parquet`);
    const bytes = parquetWriteBuffer({
      schema,
      columnData: Object.keys(rowTypes).map((name) => ({
        name,
        data: columns(name as keyof typeof rowTypes),
      })),
      codec,
      compressors: codecs,
      pageSize: 300,
      rowGroupSize: 150,
    });
    await writeFile(path, new Uint8Array(bytes));
    expect(await rowsOf(path)).toEqual(expected(count));
  });

  it('are read by names of their own, in every encoding of a flat column', async () => {
    const path = join(folder, 'encodings.parquet');
    const texts = expected(count).map((row) => row.url);
    const bytes = parquetWriteBuffer({
      columnData: [
        {
          name: 'id',
          data: texts.map((_, i) => BigInt(i) * 123_456_789_012n),
          encoding: 'DELTA_BINARY_PACKED',
        },
        { name: 'address', data: texts, encoding: 'DELTA_BYTE_ARRAY' },
        { name: 'caption', data: texts.map((_, i) => `text ${i % 3}`), encoding: 'RLE_DICTIONARY' },
        { name: 'jpg', data: texts.map((text) => new TextEncoder().encode(text)), type: 'BYTE_ARRAY' },
        { name: 'title', data: texts.map((_, i) => `title ${i}`), encoding: 'DELTA_LENGTH_BYTE_ARRAY' },
        { name: 'w', data: texts.map((_, i) => i - 200), type: 'INT32', encoding: 'DELTA_BINARY_PACKED' },
        { name: 'h', data: texts.map((_, i) => i * 3), type: 'DOUBLE', encoding: 'BYTE_STREAM_SPLIT' },
      ],
      pageSize: 500,
      codec: 'UNCOMPRESSED',
    });
    await writeFile(path, new Uint8Array(bytes));
    const named = { key: 'id', url: 'address', alt_texts: 'caption', image: 'jpg', page_title: 'title' };
    const read = await rowsOf(path, { columns: { ...named, width: 'w', height: 'h' } });
    expect(read).toEqual(
      texts.map((text, i) => ({
        key: String(BigInt(i) * 123_456_789_012n),
        url: text,
        image: { bytes: text, path: null },
        alt_texts: [`text ${i % 3}`],
        page_title: `title ${i}`,
        page_language: null,
        width: i - 200,
        height: i * 3,
      })),
    );
  });
});

describe('shards that parquetjs-lite wrote', () => {
  it.each(['UNCOMPRESSED', 'GZIP', 'SNAPPY'])('are read: %s', async (compression) => {
    const path = join(folder, `lite-${compression}.parquet`);
    const schema = new ParquetSchema({
      key: { type: 'UTF8', compression },
      url: { type: 'UTF8', compression },
      image: {
        optional: true,
        fields: { bytes: { type: 'BYTE_ARRAY', compression }, path: { type: 'UTF8', compression } },
      },
      alt_texts: { type: 'UTF8', repeated: true, compression },
      page_title: { type: 'UTF8', optional: true, compression },
      page_language: { type: 'UTF8', compression },
      width: { type: 'INT32', compression },
      height: { type: 'INT64', optional: true, compression },
    });
    const writer = await ParquetWriter.openFile(schema, path);
    for (const row of expected(300)) {
      const image = row.image && { ...row.image, bytes: Buffer.from(row.image.bytes) };
      const some = Object.entries({ ...row, image }).filter(([, value]) => value !== null);
      await writer.appendRow(Object.fromEntries(some));
    }
    await writer.close();
    expect(await rowsOf(path)).toEqual(expected(300));
  });
});
