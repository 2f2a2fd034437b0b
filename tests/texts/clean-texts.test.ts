import { Field, List, type RecordBatch, Utf8 } from 'apache-arrow';
import { describe, expect, it } from 'vitest';
import { batchOf, column } from '../../schemas/batches.ts';
import { rowTypes } from '../../schemas/rows.ts';
import type { DroppedRow } from '../../schemas/stage.ts';
import { cleanRow, cleanTexts, cleanTextsOptionsSchema, drawText } from '../../stages/clean-texts.ts';

const defaults = cleanTextsOptionsSchema.parse({});

async function run(batch: RecordBatch, options = defaults) {
  const dropped: DroppedRow[] = [];
  const context = {
    signal: new AbortController().signal,
    quarantine: () => expect.unreachable('no row is bad data here'),
    drop: (row: DroppedRow) => dropped.push(row),
  };
  const batches: RecordBatch[] = [];
  for await (const cleaned of cleanTexts(options).run(only(batch), context)) batches.push(cleaned);
  return { batches, dropped };
}

async function* only(batch: RecordBatch) {
  yield batch;
}

function rows(lists: readonly (readonly (string | null)[] | null)[]) {
  return batchOf({
    key: { type: rowTypes.key, values: lists.map((_, row) => `key-${row}`) },
    alt_texts: { type: rowTypes.alt_texts, values: lists },
  });
}

const listsOf = (batch: RecordBatch) =>
  [...column(batch, 'alt_texts')].map((texts) => [...(texts as Iterable<string>)]);

describe('cleanRow', () => {
  it('leaves out repeats that differ in case and spaces only', () => {
    expect(cleanRow(['A cat', 'a  CAT', 'A dog'], defaults).texts).toEqual(['A cat', 'A dog']);
  });

  it('passes over null texts and keeps the first texts up to the bound', () => {
    const texts = [null, 'one', 'two', 'three'];
    expect(cleanRow(texts, { ...defaults, maxTexts: 2 }).texts).toEqual(['one', 'two']);
  });

  it('says what was wrong with each text', () => {
    expect(cleanRow(['IMG_1.JPG', '42'], defaults).rejected).toBe('file-name: IMG_1.JPG; no-letters: 42');
  });
});

describe('drawText', () => {
  const texts = ['a', 'b', 'c'];
  const draw = (seed: number) => Array.from({ length: 300 }, (_, i) => drawText(texts, `key-${i}`, seed));

  it('draws the same by key and seed, and otherwise by another seed', () => {
    expect(draw(1)).toEqual(draw(1));
    expect(draw(1)).not.toEqual(draw(2));
  });

  it('draws every text', () => expect(new Set(draw(1))).toEqual(new Set(texts)));

  it('names the row that has no text', () => expect(() => drawText([], 'key-9', 0)).toThrow('key-9'));
});

describe('cleanTexts', () => {
  it('cleans the texts and draws one of them', async () => {
    const { batches, dropped } = await run(
      rows([
        ['caf&eacute;', 'image'],
        ['Katze', 'chat'],
      ]),
    );
    const [batch] = batches;
    expect(batch && listsOf(batch)).toEqual([['café'], ['Katze', 'chat']]);
    expect(batch && column(batch, 'text').get(0)).toBe('café');
    expect(['Katze', 'chat']).toContain(batch && column(batch, 'text').get(1));
    expect(dropped).toEqual([]);
  });

  it('drops a row without a text left, with the reasons', async () => {
    const { batches, dropped } = await run(rows([['image'], ['Katze'], null, [null]]));
    expect(batches.map((batch) => [...column(batch, 'key')])).toEqual([['key-1']]);
    expect(dropped).toEqual([
      { key: 'key-0', stage: 'clean-texts', reason: 'no-alt-text', value: 'placeholder: image' },
      { key: 'key-2', stage: 'clean-texts', reason: 'no-alt-text', value: 'the row has no alt-texts' },
      { key: 'key-3', stage: 'clean-texts', reason: 'no-alt-text', value: 'the row has no alt-texts' },
    ]);
  });

  it('drops every row of a batch without the column', async () => {
    const { batches, dropped } = await run(batchOf({ key: { type: rowTypes.key, values: ['a', 'b'] } }));
    expect(batches).toEqual([]);
    expect(dropped.map(({ key }) => key)).toEqual(['a', 'b']);
  });

  it("replaces a list column whose item has another name, as other writers' files have", async () => {
    const type = new List(new Field('item', new Utf8(), true));
    const { batches } = await run(
      batchOf({ key: { type: rowTypes.key, values: ['a'] }, alt_texts: { type, values: [['Katze']] } }),
    );
    expect(batches.map(listsOf)).toEqual([[['Katze']]]);
  });

  it('refuses settings that it does not know', () => {
    expect(() => cleanTextsOptionsSchema.parse({ minCharacter: 3 })).toThrow('minCharacter');
  });
});
