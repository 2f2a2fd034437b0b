import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Encoding, SchemaElement } from 'hyparquet';
import { parquetWriteBuffer } from 'hyparquet-writer';
import { describe, expect, it } from 'vitest';
import type { Values } from '../../schemas/parquet-reader/encodings.ts';
import { createMemory } from '../../schemas/parquet-reader/memory.ts';
import { leafOf } from '../../schemas/parquet-reader/pages.ts';
import { openShard } from '../../schemas/parquet-reader.ts';
import { createRandom } from '../../schemas/random.ts';
import { temporaryFolder } from '../support.ts';
import { scribbledBuffers } from './scribbled-buffers.ts';

const rows = 40_000;
/** A window of 64 KiB. */
const memory = 4 * 1024 ** 2;

const flat = (name: string, element: Partial<SchemaElement>): SchemaElement => ({
  name,
  repetition_type: 'OPTIONAL',
  ...element,
});

/** A column of each kind whose values can lie in what was read, all of them longer than a window. */
function columnsOf(): { element: SchemaElement; data: (Uint8Array | number)[]; encoding: Encoding }[] {
  const random = createRandom('pages');
  const bytes = (length: number) => Uint8Array.from({ length }, () => random.integer(256));
  const distinct = (count: number, length: (i: number) => number) =>
    Array.from({ length: count }, (_, i) => bytes(length(i)));
  const many = <T>(of: readonly T[]) => Array.from({ length: rows }, () => random.pick(of));
  const strings = { type: 'BYTE_ARRAY' } as const;
  const halves = { type: 'FIXED_LEN_BYTE_ARRAY', type_length: 2 } as const;
  const numbers = Array.from({ length: 3000 }, () => random.integer(2 ** 30));
  return [
    { element: flat('plain strings', strings), data: many(distinct(300, (i) => i % 40)), encoding: 'PLAIN' },
    { element: flat('plain halves', halves), data: many(distinct(300, () => 2)), encoding: 'PLAIN' },
    { element: flat('plain numbers', { type: 'INT32' }), data: many(numbers), encoding: 'PLAIN' },
    {
      element: flat('lengths first', strings),
      data: many(distinct(300, (i) => i % 40)),
      encoding: 'DELTA_LENGTH_BYTE_ARRAY',
    },
    {
      element: flat('prefixes', strings),
      data: many(distinct(300, (i) => i % 40)),
      encoding: 'DELTA_BYTE_ARRAY',
    },
    ...(
      [
        ['a small dictionary', strings, distinct(4000, (i) => 2 + (i % 9))],
        ['a dictionary of halves', halves, distinct(9000, () => 2)],
        ['a dictionary longer than a window', strings, distinct(5000, (i) => i % 60)],
        ['a dictionary of numbers', { type: 'INT32' }, numbers],
      ] as const
    ).map(([name, type, values]) => ({
      element: flat(name, type),
      data: many<Uint8Array | number>(values),
      encoding: 'RLE_DICTIONARY' as const,
    })),
  ];
}

function valueAt(values: Values, i: number): Uint8Array | number {
  if (values.kind === 'numbers') return Number(values.numbers[i]);
  const start = values.starts[i] ?? 0;
  return values.bytes.subarray(start, start + (values.lengths[i] ?? 0));
}

const isEqual = (found: Uint8Array | number, expected: Uint8Array | number | undefined) =>
  typeof found === 'number'
    ? found === expected
    : expected instanceof Uint8Array && Buffer.compare(found, expected) === 0;

describe('pages that lie in buffers that are used again', () => {
  it.each(['UNCOMPRESSED', 'SNAPPY'] as const)(
    'stay as they are until their reader gives them back: %s',
    async (codec) => {
      const columns = columnsOf();
      const path = join(await temporaryFolder(), 'a.parquet');
      const written = parquetWriteBuffer({
        schema: [{ name: 'root', num_children: columns.length }, ...columns.map(({ element }) => element)],
        columnData: columns.map(({ element: { name }, data, encoding }) => ({ name, data, encoding })),
        codec,
        pageSize: 9000,
        rowGroupSize: rows,
      });
      await writeFile(path, new Uint8Array(written));
      const shard = await openShard(path);
      const leaves = shard.schema.children.map((child) => leafOf([child]));
      const buffers = scribbledBuffers();
      const readers = shard.openLeaves(0, leaves, createMemory(memory), buffers);
      const broken = new Set<string>();
      for (let from = 0; from < rows; from += 1000) {
        for (const reader of readers) expect(await reader.ready(1000, Number.POSITIVE_INFINITY)).toBe(1000);
        for (const [k, { element, data }] of columns.entries()) {
          let at = from;
          for (const { page, from: first, to, value } of readers[k]?.take(1000) ?? []) {
            for (let i = value; i < value + to - first; i += 1, at += 1) {
              if (!isEqual(valueAt(page.values, i), data[at])) broken.add(element.name);
            }
          }
          expect(at).toBe(from + 1000);
        }
      }
      for (const reader of readers) await reader.close();
      expect([...broken]).toEqual([]);
      expect(buffers.out.size).toBe(0);
    },
  );
});
