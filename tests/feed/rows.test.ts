import { join } from 'node:path';
import { Int32 } from 'apache-arrow';
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
async function writeShard(path: string, d: number, distinct: number): Promise<void> {
  const random = createRandom(`${distinct}`);
  const writer = await openParquetWriter(path, { rowGroupBytes: 100_000 });
  for (let from = 0; from < 900; from += 300) {
    const rows = Array.from({ length: 300 }, (_, i) => from + i);
    const halves = () => ({
      type: embeddingType(d),
      values: rows.map(() => Array.from({ length: d }, () => random.integer(distinct) / 1024)),
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

describe('curated rows, as a feed reads them', () => {
  // Few distinct numbers are written as a dictionary, many as they are.
  it.each([4, 60_000])(
    'are what the shard has, embeddings of %i distinct numbers to the bit',
    async (distinct) => {
      const path = join(await temporaryFolder(), 'a.parquet');
      await writeShard(path, 32, distinct);
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
    },
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
