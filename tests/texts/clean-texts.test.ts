import { Field, List, type RecordBatch, Utf8 } from 'apache-arrow';
import { describe, expect, it } from 'vitest';
import { batchOf, column } from '../../schemas/batches.ts';
import { rowTypes } from '../../schemas/rows.ts';
import type { DroppedRow } from '../../schemas/stage.ts';
import { cleanRow, cleanTexts, cleanTextsOptionsSchema } from '../../stages/clean-texts.ts';
import { drawText } from '../../stages/texts/draw-text.ts';
import { removedValue } from '../../stages/texts/removed-texts.ts';

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
    const { unwanted } = cleanRow(['IMG_1.JPG', '42', 'x'], defaults);
    expect(removedValue(unwanted)).toBe(
      'file-name: IMG_1.JPG; no-letters: 42; too-short: x (1 character against 2 characters)',
    );
  });

  it('names some of the texts of a row that has a thousand', () => {
    const { unwanted } = cleanRow(new Array(1000).fill('image'), defaults);
    expect(removedValue(unwanted)).toMatch(/^placeholder: image; .*; 984 more$/);
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
    const threshold = '1 alt-text';
    expect(dropped).toMatchObject([
      { key: 'key-0', stage: 'clean-texts', reason: 'no-alt-text', value: 'placeholder: image', threshold },
      {
        key: 'key-2',
        stage: 'clean-texts',
        reason: 'no-alt-text',
        value: 'the row has no alt-texts',
        threshold,
      },
      {
        key: 'key-3',
        stage: 'clean-texts',
        reason: 'no-alt-text',
        value: 'the row has no alt-texts',
        threshold,
      },
    ]);
  });

  it('writes down the texts that a kept row lost', async () => {
    const { batches } = await run(rows([['x', 'Katze'], ['Hund']]));
    const [batch] = batches;
    const removed = [...column(batch as RecordBatch, 'removed_texts')].map((texts) => texts.toJSON());
    expect(JSON.parse(JSON.stringify(removed))).toEqual([
      [{ text: 'x', reason: 'too-short', value: '1 character', threshold: '2 characters' }],
      [],
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

describe('cleaning that only labels', () => {
  const labelling = { ...defaults, mode: 'label' as const };
  const labelsOf = (batch: RecordBatch) =>
    [...column(batch, 'labels')].map((labels) => JSON.parse(JSON.stringify(labels)));

  it('cleans the texts, removes none, and says which it would have removed', async () => {
    const { batches, dropped } = await run(
      rows([['caf&eacute;', ' IMG_1.JPG'], ['Katze'], ['x']]),
      labelling,
    );
    const [batch] = batches as [RecordBatch];
    expect(dropped).toEqual([]);
    expect(listsOf(batch)).toEqual([['café', 'IMG_1.JPG'], ['Katze'], ['x']]);
    const stage = 'clean-texts';
    expect(labelsOf(batch)).toEqual([
      [{ stage, reason: 'file-name', value: ' IMG_1.JPG', threshold: null }],
      [],
      [
        { stage, reason: 'too-short', value: 'x (1 character)', threshold: '2 characters' },
        {
          stage,
          reason: 'no-alt-text',
          value: 'too-short: x (1 character against 2 characters)',
          threshold: '1 alt-text',
        },
      ],
    ]);
  });

  it('keeps a row without any text, with nothing to train on', async () => {
    const { batches } = await run(rows([[' '], null]), labelling);
    const [batch] = batches as [RecordBatch];
    expect(listsOf(batch)).toEqual([[], []]);
    expect([...column(batch, 'text')]).toEqual(['', '']);
    expect(labelsOf(batch).map((labels) => labels.at(-1).reason)).toEqual(['no-alt-text', 'no-alt-text']);
  });
});
