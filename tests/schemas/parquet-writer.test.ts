import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DuckDBInstance } from '@duckdb/node-api';
import {
  Binary,
  Bool,
  type DataType,
  Field,
  FixedSizeList,
  Float16,
  Float32,
  Float64,
  Int32,
  Int64,
  List,
  Struct,
  Utf8,
} from 'apache-arrow';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { batchOf } from '../../schemas/batches.ts';
import { openShard } from '../../schemas/parquet-reader.ts';
import { openParquetWriter } from '../../schemas/parquet-writer.ts';

const folder = mkdtempSync(join(tmpdir(), 'assay-writer-'));
afterAll(() => rmSync(folder, { recursive: true }));

const texts = fc.option(fc.oneof(fc.string({ unit: 'grapheme', maxLength: 60 }), fc.constant('')), {
  freq: 4,
});
const numbers = fc.option(fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }));
const halves = fc.constantFrom(0, 0.5, -2, 1024);
const box = new Struct([
  new Field('name', new Utf8(), true),
  new Field('sides', new List(new Field('element', new Int32(), true)), true),
]);

/** Types of columns, with what their values may be. */
const kinds: readonly { readonly type: DataType; readonly values: fc.Arbitrary<unknown> }[] = [
  { type: new Utf8(), values: texts },
  { type: new Int32(), values: numbers },
  { type: new Int64(), values: fc.option(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n })) },
  { type: new Float32(), values: fc.option(fc.float({ noNaN: true })) },
  { type: new Float64(), values: fc.option(fc.double({ noNaN: true })) },
  { type: new Bool(), values: fc.option(fc.boolean()) },
  {
    type: new Binary(),
    values: fc.option(fc.uint8Array({ maxLength: 40 }).map((bytes) => Uint8Array.from(bytes))),
  },
  {
    type: new List(new Field('element', new Utf8(), true)),
    values: fc.option(fc.array(texts, { maxLength: 4 })),
  },
  {
    type: new FixedSizeList(3, new Field('element', new Float16(), true)),
    values: fc.tuple(halves, halves, halves).map((three) => [...three]),
  },
  {
    type: new List(new Field('element', box, true)),
    values: fc.option(
      fc.array(fc.option(fc.record({ name: texts, sides: fc.option(fc.array(numbers, { maxLength: 3 })) })), {
        maxLength: 3,
      }),
    ),
  },
];

const columns = fc
  .tuple(fc.integer({ min: 1, max: 30 }), fc.subarray([...kinds.keys()], { minLength: 1 }))
  .chain(([rows, chosen]) =>
    fc.tuple(
      ...chosen.map((k) => {
        const { type, values } = kinds[k] as (typeof kinds)[number];
        const column = fc.array(values, { minLength: rows, maxLength: rows });
        return column.map((found) => ({ name: `c${k}`, type, values: found }));
      }),
    ),
  );

/** Values as they can be compared: what is missing is null, bytes are lists. */
function plain(value: unknown): unknown {
  if (value === undefined || value === null) return null;
  if (typeof value === 'number' && value === 0) return 0;
  if (value instanceof Uint8Array || Array.isArray(value)) return Array.from(value as unknown[], plain);
  if (typeof value !== 'object') return value;
  return Object.fromEntries(Object.entries(value).map(([name, field]) => [name, plain(field)]));
}

/** Texts are read as bytes where they aren't asked for as text. */
const asBytes = (value: unknown): unknown =>
  typeof value === 'string'
    ? [...Buffer.from(value)]
    : Array.isArray(value)
      ? value.map(asBytes)
      : value !== null && typeof value === 'object'
        ? Object.fromEntries(Object.entries(value).map(([name, field]) => [name, asBytes(field)]))
        : value;

describe('openParquetWriter', () => {
  it('writes what was put in, whatever its type, its nesting and what is missing, in batches and slices', async () => {
    await fc.assert(
      fc.asyncProperty(columns, fc.nat(), async (made, cut) => {
        const path = join(folder, 'any.parquet');
        const writer = await openParquetWriter(path);
        const batch = batchOf(
          Object.fromEntries(made.map(({ name, type, values }) => [name, { type, values }])),
        );
        const at = cut % batch.numRows;
        await writer.write(batch.slice(0, at));
        await writer.write(batch.slice(at, batch.numRows));
        await writer.close();
        const shard = await openShard(path);
        const names = made.map(({ name }) => name);
        const read = await shard.readRowGroup(0, names);
        for (const { name, values } of made) {
          expect(asBytes(plain(Array.from(read[name] ?? [])))).toEqual(asBytes(plain(values)));
        }
      }),
      { numRuns: 60 },
    );
  });

  it('writes what another reader finds, by its bounds too', async () => {
    const path = join(folder, 'bounds.parquet');
    const writer = await openParquetWriter(path);
    const values = Array.from({ length: 3000 }, (_, i) => (i % 7 === 0 ? null : i - 1000));
    const names = values.map((value) => (value === null ? null : `é${value}`));
    await writer.write(
      batchOf({
        number: { type: new Int32(), values },
        name: { type: new Utf8(), values: names },
        list: {
          type: new List(new Field('element', new Utf8(), true)),
          values: names.map((name) => [name, 'x']),
        },
      }),
    );
    await writer.close();
    const connection = await (await DuckDBInstance.create()).connect();
    const found = await connection.runAndReadAll(
      `SELECT (SELECT count(*)::INT FROM '${path}' WHERE number = 1500), (SELECT count(*)::INT FROM '${path}' WHERE name = 'é1500'),
         (SELECT count(*)::INT FROM '${path}' WHERE number IS NULL), (SELECT sum(len(list))::INT FROM '${path}'),
         (SELECT string_agg(stats_min_value || ' ' || stats_max_value || ' ' || stats_null_count, ', ' ORDER BY column_id)
          FROM parquet_metadata('${path}') WHERE column_id < 2)`,
    );
    expect(found.getRows()).toEqual([[1, 1, 429, 6000, '-999 1999 429, é-1 é999 429']]);
    connection.closeSync();
  });

  it('cuts a column of many bytes into pages, at the ends of rows', async () => {
    const path = join(folder, 'pages.parquet');
    const writer = await openParquetWriter(path);
    const values = Array.from({ length: 40 }, (_, i) => [
      String.fromCharCode(97 + (i % 26)).repeat(100_000),
      'b',
    ]);
    const type = new List(new Field('element', new Utf8(), true));
    await writer.write(batchOf({ texts: { type, values } }));
    await writer.close();
    const read = await (await openShard(path)).readRowGroup(0, ['texts']);
    const texts = plain(Array.from(read.texts ?? []));
    // Of 4 MB each: compared as one text, and not value by value.
    expect(JSON.stringify(texts) === JSON.stringify(values)).toBe(true);
  });
});
