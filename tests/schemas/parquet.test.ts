import { mkdtemp, readdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DuckDBInstance } from '@duckdb/node-api';
import type { RecordBatch } from 'apache-arrow';
import { describe, expect, it } from 'vitest';
import { batchOf, batchOfData, columnData, dataOf, takeRows, withColumns } from '../../schemas/batches.ts';
import { openShard } from '../../schemas/parquet-reader.ts';
import { openParquetWriter } from '../../schemas/parquet-writer.ts';
import { curatedTypes, embeddingType, rowTypes } from '../../schemas/rows.ts';

const folder = await mkdtemp(join(tmpdir(), 'assay-parquet-'));

function exampleBatch(rows: number): RecordBatch {
  const range = Array.from({ length: rows }, (_, i) => i);
  return batchOf({
    key: { type: rowTypes.key, values: range.map((i) => `key-${i}`) },
    image: {
      type: rowTypes.image,
      values: range.map((i) =>
        i % 7 === 3 ? null : { bytes: new Uint8Array([i, 255, 0, 200]), path: `${i}.png` },
      ),
    },
    alt_texts: {
      type: rowTypes.alt_texts,
      values: range.map((i) => (i % 5 === 1 ? [] : [`text ${i}`, 'zwölf — 十二'].slice(0, 1 + (i % 2)))),
    },
    page_title: { type: rowTypes.page_title, values: range.map((i) => (i % 3 === 0 ? null : `title ${i}`)) },
    width: { type: rowTypes.width, values: range },
    regions: {
      type: curatedTypes.regions,
      values: range.map((i) => (i % 2 ? [{ box: [0, 0.25, 0.5, 1], text: `thing ${i}`, score: 0.5 }] : [])),
    },
    teacher_image: { type: embeddingType(3), values: range.map((i) => [i / 8, -0.5, 1]) },
  });
}

async function writeShard(name: string, batches: RecordBatch[], rowGroupBytes?: number): Promise<string> {
  const path = join(folder, name);
  const writer = await openParquetWriter(path, {
    metadata: { made: 'here' },
    ...(rowGroupBytes ? { rowGroupBytes } : {}),
  });
  for (const batch of batches) await writer.write(batch);
  await writer.close();
  return path;
}

describe('parquet files', () => {
  it('gives back what was written, nulls, nested lists and bytes included', async () => {
    const path = await writeShard('round.parquet', [exampleBatch(20)]);
    const shard = await openShard(path);
    const columns = await shard.readRowGroup(0, shard.columns);
    expect(shard.metadata.made).toBe('here');
    expect(columns.key?.[19]).toBe('key-19');
    expect(columns.image?.[3] ?? null).toBeNull();
    expect(columns.image?.[4]).toEqual({ bytes: new Uint8Array([4, 255, 0, 200]), path: '4.png' });
    expect(columns.alt_texts?.[1]).toEqual([]);
    expect(columns.alt_texts?.[5]).toEqual(['text 5', 'zwölf — 十二']);
    expect(columns.page_title?.[0]).toBeNull();
    expect(columns.regions?.[1]).toEqual([{ box: [0, 0.25, 0.5, 1], text: 'thing 1', score: 0.5 }]);
    expect(columns.teacher_image?.[4]).toEqual([0.5, -0.5, 1]);
  });

  it('is what DuckDB reads too', async () => {
    const path = await writeShard('duck.parquet', [exampleBatch(20)]);
    const connection = await (await DuckDBInstance.create()).connect();
    const result = await connection.runAndReadAll(
      `SELECT count(*)::INT AS n, sum(width)::INT AS s, sum(len(regions))::INT AS r,
              max(teacher_image[1])::DOUBLE AS t, octet_length(max(image.bytes))::INT AS b FROM read_parquet($path)`,
      { path },
    );
    expect(result.getRowObjects()).toEqual([{ n: 20, s: 190, r: 10, t: 19 / 8, b: 4 }]);
  });

  it('closes a row group before it passes its bytes, also within one batch', async () => {
    const wide = batchOf({
      key: { type: rowTypes.key, values: ['a', 'b', 'c', 'd'] },
      image: {
        type: rowTypes.image,
        values: [1, 2, 3, 4].map((i) => ({ bytes: new Uint8Array(1000).fill(i), path: '' })),
      },
    });
    const path = await writeShard('groups.parquet', [wide, wide], 2500);
    const shard = await openShard(path);
    expect(shard.rowGroups.map((group) => group.rows)).toEqual([2, 2, 2, 2]);
    const last = await shard.readRowGroup(3, ['key']);
    expect(Array.from(last.key ?? [])).toEqual(['c', 'd']);
  });

  it('leaves no file behind when it is aborted or has no rows', async () => {
    const writer = await openParquetWriter(join(folder, 'aborted.parquet'));
    await writer.write(exampleBatch(3));
    await writer.abort();
    await (await openParquetWriter(join(folder, 'empty.parquet'))).close();
    const names = await readdir(folder);
    expect(names.filter((name) => /aborted|empty/.test(name))).toEqual([]);
  });
});

describe('taking rows', () => {
  const batch = exampleBatch(30);
  it('copies every type of column, in the order asked', () => {
    const taken = takeRows(batch, [17, 3, 3, 28]);
    for (const field of batch.schema.fields) {
      const [whole, part] = [batch.getChild(field.name), taken.getChild(field.name)];
      for (const [to, from] of [17, 3, 3, 28].entries()) {
        expect(JSON.stringify(part?.get(to)), field.name).toBe(JSON.stringify(whole?.get(from)));
      }
    }
  });

  it('takes from a slice as from a batch of its own', () => {
    const taken = takeRows(batch.slice(10, 20), [9, 0]);
    expect(taken.getChild('key')?.toArray()).toEqual(['key-19', 'key-10']);
    expect(taken.getChild('alt_texts')?.get(0)?.toArray()).toEqual(['text 19', 'zwölf — 十二']);
    expect(taken.getChild('teacher_image')?.get(1)?.get(0)).toBe(10 / 8);
  });

  it('refuses a row that is not there', () => {
    expect(() => takeRows(batch, [30])).toThrow(/row 30 is outside a column of 30 rows/);
  });

  it('adds and replaces columns without touching the others', () => {
    const more = withColumns(batch, { width: { type: rowTypes.width, values: Array(30).fill(7) } });
    expect(more.getChild('width')?.get(4)).toBe(7);
    expect(columnData(more, 'key')).toBe(columnData(batch, 'key'));
  });

  it('refuses columns of different lengths', () => {
    const short = dataOf(rowTypes.width, [1]);
    expect(() =>
      batchOfData([
        ['key', columnData(batch, 'key')],
        ['width', short],
      ]),
    ).toThrow(/width has 1 rows/);
  });
});
