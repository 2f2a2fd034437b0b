import { Bool, Field, Int32, List, RecordBatchStreamWriter, Struct, tableFromIPC, Utf8 } from 'apache-arrow';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { sentColumns, sentLengths } from '../../pipeline/feed/record-columns.ts';
import type { FeedRow } from '../../pipeline/feed/rows.ts';
import { arrowStream, streamLength, withMetadata } from '../../schemas/arrow-stream.ts';
import { batchOf, batchOfData } from '../../schemas/batches.ts';
import { binaryColumn, intColumn, listColumn } from '../../schemas/columns.ts';
import { createRecycledBuffers, type RecycledBuffers } from '../../schemas/recycled-buffers.ts';
import { collect } from '../support.ts';

const metadata = { step: '3', image: '{"kind":"encoded"}' };

async function* each<T>(items: readonly T[]): AsyncGenerator<T> {
  yield* items;
}

/** The bytes of a stream, each message copied before the next is asked for. */
async function sent(batches: Parameters<typeof arrowStream>[0]): Promise<Buffer> {
  const messages: Buffer[] = [];
  const taken = new Set<ArrayBuffer>();
  const kept = createRecycledBuffers();
  const buffers: RecycledBuffers = {
    take(length) {
      const buffer = kept.take(length);
      taken.add(buffer.buffer);
      return buffer;
    },
    give(buffer) {
      expect(taken.delete(buffer.buffer)).toBe(true);
      buffer.fill(255);
      kept.give(buffer);
    },
  };
  for await (const pieces of arrowStream(batches, metadata, buffers)) messages.push(Buffer.concat(pieces));
  expect(taken.size).toBe(0);
  return Buffer.concat(messages);
}

describe('an Arrow stream', () => {
  it("is to the byte what Arrow's own writer makes, whatever the columns", async () => {
    const targets = new List(
      new Field(
        'element',
        new Struct([new Field('a', new Utf8(), true), new Field('b', new Bool(), true)]),
        true,
      ),
    );
    await fc.assert(
      fc.asyncProperty(
        fc.array(
          fc.record({
            n: fc.option(fc.integer({ min: -9, max: 9 })),
            text: fc.option(fc.string({ maxLength: 9 })),
            list: fc.array(fc.record({ a: fc.string({ maxLength: 3 }), b: fc.boolean() }), { maxLength: 3 }),
          }),
          { minLength: 1, maxLength: 20 },
        ),
        fc.integer({ min: 1, max: 3 }),
        async (rows, times) => {
          const batch = batchOf({
            n: { type: new Int32(), values: rows.map(({ n }) => n) },
            text: { type: new Utf8(), values: rows.map(({ text }) => text) },
            list: { type: targets, values: rows.map(({ list }) => list) },
          });
          const batches = Array.from({ length: times }, () => batch);
          const writer = new RecordBatchStreamWriter();
          const expected = writer
            .writeAll(batches.map((one) => withMetadata(one, metadata)))
            .toUint8Array(true);
          expect(Buffer.compare(await sent(each(batches)), expected)).toBe(0);
        },
      ),
      { numRuns: 60 },
    );
  });

  it('has bytes that lie anywhere as if they were one buffer, and in large pieces as they are', async () => {
    const values = [0, 5, 20_000, 3, 9000].map((length, i) => new Uint8Array(length).fill(i + 1));
    const index = intColumn(Int32Array.from(values, (_, i) => i));
    const scattered = [['index', index] as const, ['image', { scattered: values }] as const];
    const whole = batchOfData([
      ['index', index],
      ['image', binaryColumn(values)],
    ]);
    expect(Buffer.compare(await sent(each([scattered])), await sent(each([whole])))).toBe(0);
    const lists = [1, 2].map((value) => new Uint8Array(Uint16Array.of(value, value + 1).buffer));
    const halves = ['halves', { scattered: lists, halves: 2 }] as const;
    const list = batchOfData([['halves', listColumn(Uint16Array.of(1, 2, 2, 3), 2)]]);
    expect(Buffer.compare(await sent(each([[halves]])), await sent(each([list])))).toBe(0);
    const pieces = (await collect(arrowStream(each([scattered]), metadata, createRecycledBuffers()))).flat();
    for (const large of [values[2], values[4]]) expect(pieces).toContain(large);
  });

  it('of rows has the length that is told beforehand', async () => {
    const row = fc.record({
      key: fc.string(),
      language: fc.constantFrom('en', 'de'),
      text: fc.string({ unit: 'grapheme' }),
      image: fc.uint8Array({ maxLength: 40 }),
    });
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.array(row, { minLength: 1, maxLength: 6 }), { minLength: 1, maxLength: 4 }),
        fc.boolean(),
        fc.constantFrom(null, 1, 4),
        async (parts, images, dimension) => {
          const halves = new Uint8Array(2 * (dimension ?? 0));
          const batches = parts.map((part) =>
            part.map((one) => ({ ...one, teacherImage: halves, teacherText: halves }) as unknown as FeedRow),
          );
          const of = { images, dimension };
          const columns = batches.map((rows) => sentColumns(rows, new Int32Array(rows.length), of));
          const lengths = batches.map((rows) => sentLengths(rows, of));
          const bytes = await sent(each(columns));
          expect(streamLength(sentColumns([], new Int32Array(), of), metadata, lengths)).toBe(bytes.length);
          const read = [...(tableFromIPC(bytes).getChild('text') ?? [])];
          expect(read).toEqual(parts.flat().map(({ text }) => text));
        },
      ),
      { numRuns: 60 },
    );
  });

  it('of no batch has no bytes', async () => {
    expect(await sent(each([]))).toHaveLength(0);
    expect(listColumn(new Uint16Array(), 4).length).toBe(0);
  });
});
