import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Int32 } from 'apache-arrow';
import type { CompressionCodec, SchemaElement } from 'hyparquet';
import { parquetWriteBuffer } from 'hyparquet-writer';
import { describe, expect, it } from 'vitest';
import { fromFloat16 } from '../../models/float16.ts';
import { openRows } from '../../pipeline/feed/rows.ts';
import { batchOf, batchOfData } from '../../schemas/batches.ts';
import { openShard } from '../../schemas/parquet-reader.ts';
import { openParquetWriter } from '../../schemas/parquet-writer.ts';
import { createRandom } from '../../schemas/random.ts';
import { curatedTypes, embeddingType, loccaType, rowTypes } from '../../schemas/rows.ts';
import { collect, temporaryFolder } from '../support.ts';

/** Nine hundred rows in row groups of some hundred, their embeddings over several pages each. */
async function writeShard(path: string, d: number): Promise<void> {
  const random = createRandom('rows');
  const writer = await openParquetWriter(path, { rowGroupBytes: 100_000 });
  for (let from = 0; from < 900; from += 300) {
    const rows = Array.from({ length: 300 }, (_, i) => from + i);
    const halves = () => ({
      type: embeddingType(d),
      values: rows.map(() => Array.from({ length: d }, () => random.integer(60_000) / 1024)),
    });
    await writer.write(
      batchOf({
        key: { type: rowTypes.key, values: rows.map((i) => `k${i}`) },
        image: {
          type: rowTypes.image,
          values: rows.map((i) => ({ bytes: new Uint8Array(i % 50).fill(i % 256), path: null })),
        },
        language: { type: curatedTypes.language, values: rows.map((i) => (i % 3 === 0 ? 'de' : 'en')) },
        // Some at first, then all: a page of one run of missing values.
        text: {
          type: curatedTypes.text,
          values: rows.map((i) => (i % 7 === 0 || i >= 450 ? null : `text ${i} ü`)),
        },
        teacher_image: halves(),
        teacher_text: halves(),
        locca: {
          type: loccaType,
          values: rows.map((i) => [{ task: 'captioning', prefix: 'Cap: ', target: `t${i}` }]),
        },
      }),
    );
  }
  await writer.close();
}

const none = new Uint8Array();

interface DictionaryRow {
  readonly text: string;
  readonly image: Uint8Array;
  readonly teacherImage: Uint16Array;
  readonly teacherText: Uint16Array;
}

/**
 * Writes one row group as other programs do, every column but the images' with a dictionary. The embeddings are longer than
 * the 4 MiB that are read at once, and the last images so large that many reads are held: every idle buffer is taken.
 */
async function writeDictionaries(path: string, codec: CompressionCodec): Promise<DictionaryRow[]> {
  const random = createRandom('dictionaries');
  const pairs = Array.from({ length: 2 ** 16 }, (_, i) => new Uint8Array(Uint16Array.of(i).buffer));
  const halves = (d: number) => Uint16Array.from({ length: d }, () => random.integer(pairs.length));
  const rows = Array.from({ length: 2000 }, (_, i) => ({
    text: `text ${i % 20}`,
    image: new Uint8Array(i < 1700 ? 8000 : 60_000).fill(i),
    teacherImage: halves(1536),
    teacherText: halves(4),
  }));
  const lists = (of: (row: DictionaryRow) => Uint16Array) =>
    rows.map((row) => Array.from(of(row), (half) => pairs[half]));
  const columns = [
    { name: 'key', data: rows.map((_, i) => `k${i}`) },
    {
      name: 'image',
      data: rows.map(({ image }) => ({ bytes: image })),
      encoding: 'PLAIN',
      codec: 'UNCOMPRESSED',
    },
    { name: 'language', data: rows.map(() => 'en') },
    { name: 'text', data: rows.map(({ text }) => text) },
    { name: 'teacher_image', data: lists(({ teacherImage }) => teacherImage) },
    { name: 'teacher_text', data: lists(({ teacherText }) => teacherText) },
  ] as const;
  const text = { type: 'BYTE_ARRAY', converted_type: 'UTF8', repetition_type: 'OPTIONAL' } as const;
  const list = (name: string): SchemaElement[] => [
    { name, converted_type: 'LIST', repetition_type: 'OPTIONAL', num_children: 1 },
    { name: 'list', repetition_type: 'REPEATED', num_children: 1 },
    { name: 'element', type: 'FIXED_LEN_BYTE_ARRAY', type_length: 2, repetition_type: 'OPTIONAL' },
  ];
  const bytes = parquetWriteBuffer({
    schema: [
      { name: 'root', num_children: columns.length },
      { name: 'key', ...text },
      { name: 'image', repetition_type: 'OPTIONAL', num_children: 1 },
      { name: 'bytes', type: 'BYTE_ARRAY', repetition_type: 'OPTIONAL' },
      { name: 'language', ...text },
      { name: 'text', ...text },
      ...list('teacher_image'),
      ...list('teacher_text'),
    ],
    columnData: columns.map((column) => ({ encoding: 'RLE_DICTIONARY', ...column })),
    codec,
    statistics: false,
    rowGroupSize: rows.length,
  });
  await writeFile(path, new Uint8Array(bytes));
  return rows;
}

describe('curated rows, as a feed reads them', () => {
  it('are what the shard has, embeddings to the bit', async () => {
    const path = join(await temporaryFolder(), 'a.parquet');
    await writeShard(path, 32);
    const source = await openRows([path], { teacher: true, locca: true });
    expect(source.groups.length).toBeGreaterThan(1);
    expect(source.groups.reduce((sum, rows) => sum + rows, 0)).toBe(900);
    const shard = await openShard(path);
    for (const [group, count] of source.groups.entries()) {
      const rows = (await collect(source.read(group, 0))).flat();
      const expected = await shard.readRowGroup(group, [
        'key',
        'language',
        'text',
        'image',
        'teacher_image',
        'teacher_text',
      ]);
      expect(rows).toHaveLength(count);
      expect(rows.map(({ key }) => key)).toEqual(Array.from(expected.key ?? []));
      expect(rows.map(({ text }) => text)).toEqual(Array.from(expected.text ?? [], (text) => text ?? ''));
      const english = await source.english(group);
      expect([...english]).toEqual(
        Array.from(expected.language ?? [], (language) => (language === 'en' ? 1 : 0)),
      );
      rows.forEach((row, i) => {
        for (const [name, bytes] of [
          ['teacher_image', row.teacherImage],
          ['teacher_text', row.teacherText],
        ] as const) {
          const halves = new Uint16Array((bytes ?? new Uint8Array()).slice().buffer);
          expect([...fromFloat16(halves)]).toEqual(expected[name]?.[i]);
        }
        const image = expected.image?.[i] as { bytes: Uint8Array } | undefined;
        expect([...row.image]).toEqual([...(image?.bytes ?? [])]);
        expect(row.locca?.[0]?.target).toBe(`t${row.key.slice(1)}`);
      });
      if (count > 256) {
        const later = (await collect(source.read(group, 256))).flat();
        expect(later.map(({ key }) => key)).toEqual(rows.slice(256).map(({ key }) => key));
        source.drop(later);
      }
      expect(source.held().rooms).toBe(count);
      source.drop(rows);
      expect(source.held().rooms).toBe(0);
    }
  });

  it.each(['UNCOMPRESSED', 'SNAPPY'] as const)(
    'have the embeddings of a dictionary that is longer than what is read at once: %s',
    async (codec) => {
      const path = join(await temporaryFolder(), 'a.parquet');
      const written = await writeDictionaries(path, codec);
      const source = await openRows([path], { teacher: true, locca: false });
      const wrong: string[] = [];
      let at = 0;
      for await (const rows of source.read(0, 0)) {
        for (const { key, text, image, teacherImage, teacherText } of rows) {
          const row = written[at] as DictionaryRow;
          const isSame =
            Buffer.compare(teacherImage ?? none, new Uint8Array(row.teacherImage.buffer)) === 0 &&
            Buffer.compare(teacherText ?? none, new Uint8Array(row.teacherText.buffer)) === 0 &&
            Buffer.compare(image, row.image) === 0;
          if (!isSame || text !== row.text) wrong.push(key);
          at += 1;
        }
        source.drop(rows);
      }
      expect(at).toBe(written.length);
      expect(wrong).toEqual([]);
    },
    60_000,
  );

  it('are refused where a column is missing, by name', async () => {
    const path = join(await temporaryFolder(), 'a.parquet');
    const writer = await openParquetWriter(path);
    await writer.write(
      batchOfData([['key', batchOf({ key: { type: new Int32(), values: [1] } }).data.children[0] as never]]),
    );
    await writer.close();
    const source = await openRows([path], { teacher: false, locca: false });
    await expect(source.english(0)).rejects.toThrow(/no column language/);
  });
});
