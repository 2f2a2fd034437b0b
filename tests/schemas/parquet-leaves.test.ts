import type { Data } from 'apache-arrow';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { listData, numbersOf } from '../../schemas/parquet-reader/arrow-columns.ts';
import { deltaNumbers } from '../../schemas/parquet-reader/delta.ts';
import { createLeafReader } from '../../schemas/parquet-reader/leaf-reader.ts';
import { readHybrid } from '../../schemas/parquet-reader/levels.ts';
import { createMemory, OverMemory } from '../../schemas/parquet-reader/memory.ts';
import type { Leaf, Page } from '../../schemas/parquet-reader/pages.ts';
import { readZigZag, skimStruct } from '../../schemas/parquet-reader/thrift.ts';
import { rowTypes } from '../../schemas/rows.ts';

type Row = (string | null)[] | null;
const listLeaf: Leaf = {
  name: 'list',
  type: 'BYTE_ARRAY',
  typeLength: 0,
  maxDefinition: 3,
  maxRepetition: 1,
};
const flatLeaf: Leaf = { name: 'flat', type: 'INT32', typeLength: 0, maxDefinition: 1, maxRepetition: 0 };

/** The levels of an optional list of optional texts: 0 no list, 1 an empty one, 2 a missing item, 3 an item. */
function entriesOf(rows: readonly Row[]) {
  return rows.flatMap((row): { repetition: number; definition: number; text?: string }[] => {
    if (row === null) return [{ repetition: 0, definition: 0 }];
    if (row.length === 0) return [{ repetition: 0, definition: 1 }];
    return row.map((text, i) => ({
      repetition: i === 0 ? 0 : 1,
      ...(text === null ? { definition: 2 } : { definition: 3, text }),
    }));
  });
}

async function* listPages(rows: readonly Row[], cuts: readonly number[]): AsyncGenerator<Page> {
  const entries = entriesOf(rows);
  const places = [0, ...cuts.map((cut) => cut % (entries.length + 1)).sort((a, b) => a - b), entries.length];
  for (let k = 1; k < places.length; k += 1) {
    const own = entries.slice(places[k - 1], places[k]);
    const texts = own.flatMap(({ text }) => (text === undefined ? [] : [Buffer.from(text)]));
    const starts = texts.map((_, i) => texts.slice(0, i).reduce((sum, text) => sum + text.length, 0));
    yield {
      entries: own.length,
      repetitions: Uint8Array.from(own, ({ repetition }) => repetition),
      definitions: Uint8Array.from(own, ({ definition }) => definition),
      values: {
        kind: 'bytes',
        bytes: Buffer.concat(texts),
        starts: Uint32Array.from(starts),
        lengths: Uint32Array.from(texts, (text) => text.length),
      },
      held: 10,
    };
  }
}

const rowsArbitrary = fc.array(
  fc.option(fc.array(fc.option(fc.string({ maxLength: 5 })), { maxLength: 4 })),
  { maxLength: 30 },
);

describe('taking rows of a list', () => {
  it('gives each row whole, however pages cut it and however many are taken', async () => {
    await fc.assert(
      fc.asyncProperty(
        rowsArbitrary,
        fc.array(fc.nat(200), { maxLength: 12 }),
        fc.integer({ min: 1, max: 9 }),
        fc.integer({ min: 1, max: 100 }),
        async (rows, cuts, most, bytes) => {
          const memory = createMemory(1e9);
          const reader = createLeafReader(listPages(rows, cuts), 3, memory);
          const taken: string[][] = [];
          for (;;) {
            const ready = await reader.ready(most, bytes);
            if (ready === 0) break;
            expect(ready).toBeLessThanOrEqual(most);
            const data = listData(rowTypes.alt_texts, listLeaf, reader.take(ready));
            expect(data.length).toBe(ready);
            const offsets = data.valueOffsets as Int32Array;
            const [item] = data.children as [Data];
            const itemOffsets = item.valueOffsets as Int32Array;
            for (let i = 0; i < ready; i += 1) {
              const texts: string[] = [];
              for (let j = offsets[i] ?? 0; j < (offsets[i + 1] ?? 0); j += 1) {
                const bytesOf = (item.values as Uint8Array).subarray(itemOffsets[j], itemOffsets[j + 1]);
                texts.push(Buffer.from(bytesOf).toString());
              }
              taken.push(texts);
            }
          }
          expect(taken).toEqual(rows.map((row) => (row ?? []).filter((text) => text !== null)));
        },
      ),
      { numRuns: 200 },
    );
  });

  it('refuses a column that begins within a row, and gives back what it read of it', async () => {
    const memory = createMemory(100);
    let released = 0;
    async function* broken(): AsyncGenerator<Page> {
      for await (const page of listPages([['a', 'b']], [])) {
        memory.take(page.held, 'a page');
        const release = () => {
          released += 1;
        };
        yield { ...page, repetitions: Uint8Array.of(1, 1), release };
      }
    }
    const reader = createLeafReader(broken(), 3, memory);
    await expect(reader.ready(1, 1)).rejects.toThrow('begins within a row');
    await reader.close();
    expect(released).toBe(1);
    // All of the memory is there again.
    memory.take(memory.most, 'another page');
  });
});

describe('taking rows of a flat column', () => {
  it('keeps values at their rows between missing ones', async () => {
    async function* pages(): AsyncGenerator<Page> {
      for (const definitions of [
        [1, 0, 1],
        [0, 0],
        [1, 1],
      ]) {
        const values = definitions.filter((level) => level === 1);
        yield {
          entries: definitions.length,
          definitions: Uint8Array.from(definitions),
          repetitions: null,
          values: { kind: 'numbers', numbers: Int32Array.from(values, (_, i) => i + 1) },
          held: 1,
        };
      }
    }
    const reader = createLeafReader(pages(), 1, createMemory(100));
    const found: unknown[] = [];
    for (let ready = await reader.ready(2, 1); ready > 0; ready = await reader.ready(2, 1)) {
      found.push(...numbersOf(flatLeaf, reader.take(ready)));
    }
    expect(found).toEqual([1, null, 2, null, null, 1, 2]);
  });
});

describe('what a shard claims', () => {
  it('never writes past the levels that there are', () => {
    // A run of 2^30 ones, where 5 are wanted.
    const run = Uint8Array.of(0x80, 0x80, 0x80, 0x80, 0x08, 1);
    const levels = new Uint8Array(5);
    expect(readHybrid(run, 0, run.length, 1, levels)).toBe(6);
    expect([...levels]).toEqual([1, 1, 1, 1, 1]);
    expect(() => readHybrid(run, 0, 5, 1, levels)).toThrow('cut short');
    expect(() => readHybrid(Uint8Array.of(3, 255), 0, 2, 4, new Uint8Array(8))).toThrow('cut short');
  });

  it('skims a struct, and refuses lists of more items than bytes, deep nesting and endless numbers', () => {
    // Field 1: i32 5; field 2: a list of two i32; field 3: text "hi".
    const sound = Uint8Array.of(0x15, 10, 0x19, 0x25, 2, 4, 0x18, 2, 104, 105, 0);
    expect(skimStruct(sound, 0, sound.length)).toBe(sound.length);
    for (let end = 0; end < sound.length; end += 1) expect(() => skimStruct(sound, 0, end)).toThrow();
    const long = Uint8Array.of(0x19, 0xf5, 0xff, 0xff, 0xff, 0x7f, 0);
    expect(() => skimStruct(long, 0, long.length)).toThrow('a list claims 268435455 items in 1 bytes');
    expect(() => skimStruct(new Uint8Array(200).fill(0x1c), 0, 200)).toThrow('nest deeper');
    expect(() => skimStruct(new Uint8Array(200).fill(0xff).fill(0x15, 0, 1), 0, 200)).toThrow('over 64 bits');
  });

  it('reads zigzag numbers of 64 bits', () => {
    const least = Uint8Array.of(0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01);
    expect(readZigZag(least, 0, 10)).toEqual([-(2n ** 63n), 10]);
    expect(readZigZag(Uint8Array.of(3), 0, 1)).toEqual([-2n, 1]);
  });

  it('refuses deltas of another count, and in no blocks', () => {
    expect(() => deltaNumbers(Uint8Array.of(0x80, 1, 4, 7, 0), 0, 3, 'INT32')).toThrow('deltas of 7 values');
    expect(() => deltaNumbers(Uint8Array.of(0x80, 1, 0, 3, 0), 0, 3, 'INT32')).toThrow('blocks of 128 by 0');
  });

  it('says what is needed, held and allowed when the memory is full', () => {
    const memory = createMemory(1024 ** 2);
    memory.take(1024 ** 2 - 512, 'one thing');
    expect(() => memory.take(1024, 'a page of column image.bytes')).toThrow(OverMemory);
    expect(() => memory.take(1024, 'a page of column image.bytes')).toThrow(
      'a page of column image.bytes needs 1.0 KiB beside the 1023.5 KiB held, over 1.0 MiB',
    );
  });
});
