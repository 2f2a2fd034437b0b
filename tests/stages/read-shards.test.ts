import { readFile, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Float64 } from 'apache-arrow';
import { ParquetSchema, ParquetWriter } from 'parquetjs-lite';
import { describe, expect, it } from 'vitest';
import { batchOf, withColumns } from '../../schemas/batches.ts';
import { openParquetWriter } from '../../schemas/parquet-writer.ts';
import { rowTypes } from '../../schemas/rows.ts';
import { countRows, readShards, readShardsOptionsSchema } from '../../stages/read-shards.ts';
import {
  collect,
  rememberingContext,
  sourceBatch,
  temporaryFolder,
  valuesOf,
  writeSource,
} from '../support.ts';

const options = readShardsOptionsSchema.parse({ batchRows: 3 });
const folder = await temporaryFolder();
const rowsOf = (prefix: string, count: number) =>
  Array.from({ length: count }, (_, i) => ({ key: `${prefix}${i}`, image: new Uint8Array(500).fill(i) }));

describe('reading shards', () => {
  it('yields every row in order with where it was read, in batches that never span row groups', async () => {
    const [a, b] = [join(folder, 'a.parquet'), join(folder, 'b.parquet')];
    await writeSource(a, rowsOf('a', 8), 2_600);
    await writeSource(b, rowsOf('b', 2));
    const { context, quarantined } = rememberingContext();
    const batches = await collect(readShards([a, b], options, context));
    expect(valuesOf(batches, 'key')).toEqual([...rowsOf('a', 8), ...rowsOf('b', 2)].map(({ key }) => key));
    expect(Math.max(...batches.map((batch) => batch.numRows))).toBeLessThanOrEqual(3);
    for (const batch of batches) expect(new Set(batch.getChild('row_group')).size).toBe(1);
    expect(valuesOf(batches, 'row').slice(0, 4)).toEqual([0, 1, 2, 3]);
    expect(valuesOf(batches, 'shard').at(-1)).toBe(b);
    expect(quarantined).toEqual([]);
    expect(await countRows([a, b])).toBe(10);
  });

  it('quarantines a shard without a footer, and goes on', async () => {
    const [bad, good] = [join(folder, 'bad.parquet'), join(folder, 'good.parquet')];
    await writeFile(bad, 'this is no parquet file');
    await writeSource(good, rowsOf('g', 2));
    const { context, quarantined } = rememberingContext();
    const batches = await collect(readShards([bad, good], options, context));
    expect(valuesOf(batches, 'key')).toEqual(['g0', 'g1']);
    expect(quarantined).toMatchObject([{ shard: bad, row: null, reason: 'unreadable-shard' }]);
  });

  it('quarantines a truncated and an empty shard', async () => {
    const [cut, empty] = [join(folder, 'cut.parquet'), join(folder, 'zero.parquet')];
    await writeSource(cut, rowsOf('c', 5));
    await truncate(cut, 400);
    await writeFile(empty, '');
    const { context, quarantined } = rememberingContext();
    expect(await collect(readShards([cut, empty], options, context))).toEqual([]);
    expect(quarantined.map(({ shard, reason }) => [shard, reason])).toEqual([
      [cut, 'unreadable-shard'],
      [empty, 'unreadable-shard'],
    ]);
  });

  it('quarantines every row of a row group whose pages are corrupt, and reads the others', async () => {
    const path = join(folder, 'pages.parquet');
    await writeSource(path, rowsOf('p', 8), 2_600);
    const bytes = await readFile(path);
    // The first column's first page begins after the magic bytes.
    bytes.fill(0xff, 4, 40);
    await writeFile(path, bytes);
    const { context, quarantined } = rememberingContext();
    const batches = await collect(readShards([path], options, context));
    const read = valuesOf(batches, 'key').length;
    expect(read).toBeGreaterThan(0);
    expect(quarantined.length + read).toBe(8);
    expect(
      quarantined.every(({ reason, rowGroup }) => reason === 'unreadable-row-group' && rowGroup === 0),
    ).toBe(true);
  });

  it('says which columns a shard lacks', async () => {
    const path = join(folder, 'other.parquet');
    const writer = await openParquetWriter(path);
    await writer.write(batchOf({ caption: { type: rowTypes.key, values: ['x'] } }));
    await writer.close();
    const { context, quarantined } = rememberingContext();
    await collect(readShards([path], options, context));
    expect(quarantined).toMatchObject([
      {
        shard: path,
        reason: 'missing-columns',
        detail:
          'expected key: string or whole number; image: struct{bytes: binary, path: string} or binary; ' +
          'alt_texts: string or list<string>. The shard has caption: string',
      },
    ]);
  });

  it('quarantines a row without a key, and one whose size is none', async () => {
    const path = join(folder, 'types.parquet');
    const source = sourceBatch(rowsOf('t', 4));
    const writer = await openParquetWriter(path);
    const columns = Object.fromEntries(
      source.schema.fields.map(({ name, type }) => [
        name,
        { type, values: [...(source.getChild(name) ?? [])] },
      ]),
    );
    await writer.write(
      batchOf({
        ...columns,
        key: { type: rowTypes.key, values: ['t0', null, 'k'.repeat(5000), 't2'.repeat(2048)] },
        width: { type: new Float64(), values: [1e12, 2, 3, 4] },
      }),
    );
    await writer.close();
    const { context, quarantined } = rememberingContext();
    expect(valuesOf(await collect(readShards([path], options, context)), 'key')).toEqual(['t2'.repeat(2048)]);
    expect(quarantined.map(({ key, row, reason }) => [key, row, reason])).toEqual([
      ['t0', 0, 'wrong-type'],
      [null, 1, 'no-key'],
      // What the quarantine repeats of it is short as well.
      ['k'.repeat(4096), 2, 'long-key'],
    ]);
  });

  it('says which columns have another type than expected', async () => {
    const path = join(folder, 'differs.parquet');
    const writer = await openParquetWriter(path);
    const columns = sourceBatch(rowsOf('d', 2));
    await writer.write(withColumns(columns, { url: { type: rowTypes.width, values: [1, 2] } }));
    await writer.close();
    const { context, quarantined } = rememberingContext();
    expect(await collect(readShards([path], options, context))).toEqual([]);
    expect(quarantined).toMatchObject([{ shard: path, row: null, reason: 'schema-differs' }]);
    expect(quarantined[0]?.detail).toBe(
      'expected url: string, and it is int32. The shard has key: string, url: int32, ' +
        'image: struct{bytes: binary, path: string}, alt_texts: list<string>, page_title: string, ' +
        'page_language: string, width: int32, height: int32',
    );
  });

  it('stops when it is told to', async () => {
    const path = join(folder, 'stop.parquet');
    await writeSource(path, rowsOf('s', 8));
    const stop = new AbortController();
    const { context } = rememberingContext(stop.signal);
    stop.abort(new Error('enough'));
    await expect(collect(readShards([path], options, context))).rejects.toThrow('enough');
  });

  it('reads shards that parquetjs-lite wrote', async () => {
    const path = join(folder, 'parquetjs.parquet');
    const schema = new ParquetSchema({
      key: { type: 'UTF8' },
      image: { fields: { bytes: { type: 'BYTE_ARRAY' }, path: { type: 'UTF8' } } },
      alt_texts: { type: 'UTF8', repeated: true },
    });
    const writer = await ParquetWriter.openFile(schema, path);
    for (const i of [0, 1, 2]) {
      await writer.appendRow({
        key: `lite${i}`,
        image: { bytes: Buffer.from([i, 200, 0]), path: 'x.png' },
        alt_texts: [`text ${i}`, 'żółw'],
      });
    }
    await writer.close();
    const { context, quarantined } = rememberingContext();
    const batches = await collect(readShards([path], options, context));
    expect(quarantined).toEqual([]);
    expect(valuesOf(batches, 'key')).toEqual(['lite0', 'lite1', 'lite2']);
    expect(batches[0]?.getChild('image')?.getChild('bytes')?.get(2)).toEqual(new Uint8Array([2, 200, 0]));
    expect([...(batches[0]?.getChild('alt_texts')?.get(1) ?? [])]).toEqual(['text 1', 'żółw']);
  });
});
