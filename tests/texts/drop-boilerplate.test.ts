import type { RecordBatch } from 'apache-arrow';
import { describe, expect, it } from 'vitest';
import { withColumns } from '../../schemas/batches.ts';
import { curatedTypes } from '../../schemas/rows.ts';
import { type BoilerplateText, dropBoilerplate } from '../../stages/drop-boilerplate.ts';
import { drawText } from '../../stages/texts/draw-text.ts';
import { readBatch, rememberingContext, runStage, valuesOf } from '../support.ts';

const hit = (place: number, host: string | null = null): BoilerplateText => ({
  place,
  images: 62,
  threshold: 50,
  host,
});

function rows(): RecordBatch {
  const batch = readBatch([
    { key: 'a', altTexts: ['a cat', 'visit our shop', 'a black cat'] },
    { key: 'b', altTexts: ['visit our shop'] },
    { key: 'c', altTexts: ['a dog', 'a black dog'] },
  ]);
  return withColumns(batch, {
    text: { type: curatedTypes.text, values: ['visit our shop', 'visit our shop', 'a dog'] },
  });
}

const plan = async () =>
  new Map([
    [0, [hit(1)]],
    [1, [hit(0, 'shop.example')]],
  ]);
const plain = (values: unknown) => JSON.parse(JSON.stringify(values));

describe('dropping boilerplate', () => {
  it('takes the texts out, draws anew where one was lost, and drops the row that has none left', async () => {
    const { context, dropped } = rememberingContext();
    const out = await runStage(dropBoilerplate(plan, { mode: 'drop', seed: 7 }), context, rows());
    expect(valuesOf(out, 'key')).toEqual(['a', 'c']);
    expect(plain(valuesOf(out, 'alt_texts'))).toEqual([
      ['a cat', 'a black cat'],
      ['a dog', 'a black dog'],
    ]);
    expect(valuesOf(out, 'text')).toEqual([drawText(['a cat', 'a black cat'], 'a', 7), 'a dog']);
    expect(plain(valuesOf(out, 'removed_texts'))).toEqual([
      [{ text: 'visit our shop', reason: 'boilerplate', value: '62 images', threshold: '50 images' }],
      [],
    ]);
    expect(dropped).toMatchObject([
      {
        key: 'b',
        stage: 'drop-boilerplate',
        reason: 'boilerplate',
        value: 'boilerplate: visit our shop (62 images of shop.example against 50 images of shop.example)',
        threshold: '1 alt-text',
      },
    ]);
  });

  it('keeps the texts when it only labels, and says which it would have removed', async () => {
    const { context, dropped } = rememberingContext();
    const out = await runStage(dropBoilerplate(plan, { mode: 'label', seed: 7 }), context, rows());
    expect(valuesOf(out, 'text')).toEqual(['visit our shop', 'visit our shop', 'a dog']);
    const said = { stage: 'drop-boilerplate', reason: 'boilerplate' };
    expect(plain(valuesOf(out, 'labels'))).toEqual([
      [{ ...said, value: 'visit our shop (62 images)', threshold: '50 images' }],
      [
        {
          ...said,
          value: 'visit our shop (62 images of shop.example)',
          threshold: '50 images of shop.example',
        },
      ],
      [],
    ]);
    expect(dropped).toEqual([]);
  });

  it.each([
    ['drop', 'removed_texts'],
    ['label', 'labels'],
  ] as const)('gives batches without any the same columns, to %s: %s', async (mode, name) => {
    const { context } = rememberingContext();
    const none = async () => new Map<number, BoilerplateText[]>();
    const [out] = await runStage(dropBoilerplate(none, { mode, seed: 7 }), context, rows());
    expect(plain([...(out?.getChild(name) ?? [])])).toEqual([[], [], []]);
    expect(out?.getChild('text')?.get(0)).toBe('visit our shop');
  });

  it('asks the plan once a row group', async () => {
    const { context } = rememberingContext();
    let asked = 0;
    const counting = async () => {
      asked += 1;
      return new Map<number, BoilerplateText[]>();
    };
    const halves = [rows().slice(0, 2), rows().slice(2)];
    const out = await runStage(dropBoilerplate(counting, { mode: 'drop', seed: 7 }), context, ...halves);
    expect([asked, valuesOf(out, 'key')]).toEqual([1, ['a', 'b', 'c']]);
  });
});
