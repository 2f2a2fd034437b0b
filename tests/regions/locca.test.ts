import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { withColumns } from '../../schemas/batches.ts';
import { curatedTypes } from '../../schemas/rows.ts';
import {
  addLoccaTargets,
  boxText,
  type LoccaTarget,
  loccaOptionsSchema,
  loccaTargets,
} from '../../stages/add-locca-targets.ts';
import type { Box, Detection } from '../../stages/regions/detector.ts';
import { readBatch, rememberingContext, runStage, valuesOf } from '../support.ts';

const options = loccaOptionsSchema.parse({});
const region = (text: string, score: number, box: Box = [0.1, 0.2, 0.5, 1]): Detection => ({
  box,
  text,
  score,
});

describe('boxes as text', () => {
  it('are whole numbers below the bins, ymin first', () => {
    expect(boxText([0.1, 0.2, 0.5, 1], options)).toBe('50 100 250 499');
    expect(boxText([0, 0, 1, 1], { bins: 1024, order: options.order })).toBe('0 0 1023 1023');
  });

  it('are written in the order that is asked for', () => {
    const order = ['xmin', 'ymin', 'xmax', 'ymax'] as const;
    expect(boxText([0.1, 0.2, 0.5, 1], { bins: 500, order: [...order] })).toBe('100 50 499 250');
    expect(loccaOptionsSchema.safeParse({ order: ['xmin', 'xmin', 'xmax', 'ymax'] }).success).toBe(false);
  });
});

describe('the targets of a row', () => {
  it('are the caption, a referring expression and a grounded caption', () => {
    const row = { key: 'k', text: 'a cat on a sofa', regions: [region('cat', 0.9), region('sofa', 0.29)] };
    expect(loccaTargets(row, options, 1)).toEqual([
      { task: 'captioning', prefix: 'Cap: ', target: 'a cat on a sofa' },
      { task: 'referring-expression', prefix: 'ARef: ', target: 'cat : 50 100 250 499' },
      { task: 'grounded-captioning', prefix: 'GCap: ', target: '50 100 250 499 : cat' },
    ]);
  });

  it('are the caption alone where no region has the score', () => {
    const targets = loccaTargets({ key: 'k', text: 'a cat', regions: [region('cat', 0.2)] }, options, 1);
    expect(targets.map(({ task }) => task)).toEqual(['captioning']);
  });

  it('draw their regions by key and seed, the two tasks apart, each region in its turn', () => {
    const regions = ['a', 'b', 'c'].map((text) => region(text, 0.5));
    const drawn = (key: string, seed: number) =>
      loccaTargets({ key, text: 't', regions }, options, seed)
        .slice(1)
        .map(({ target }) => target.replace(/[\d: ]/g, ''));
    const all = Array.from({ length: 300 }, (_, i) => drawn(`row-${i}`, 1));
    expect(all).toEqual(Array.from({ length: 300 }, (_, i) => drawn(`row-${i}`, 1)));
    expect(all).not.toEqual(Array.from({ length: 300 }, (_, i) => drawn(`row-${i}`, 2)));
    for (const task of [0, 1]) {
      for (const text of ['a', 'b', 'c']) {
        const share = all.filter((pair) => pair[task] === text).length / 300;
        expect(share).toBeGreaterThan(0.23);
      }
    }
    expect(all.some(([referred, grounded]) => referred !== grounded)).toBe(true);
  });

  it('hold coordinates in range, for any box and bins', () => {
    const side = fc.double({ min: 0, max: 1, noNaN: true });
    fc.assert(
      fc.property(fc.tuple(side, side, side, side), fc.integer({ min: 2, max: 4096 }), (box, bins) => {
        const numbers = boxText(box, { bins, order: options.order }).split(' ').map(Number);
        expect(numbers).toHaveLength(4);
        numbers.forEach((value, i) => {
          expect(Number.isInteger(value) && value >= 0 && value < bins).toBe(true);
          expect(Math.abs(value / bins - (box[i] ?? 0))).toBeLessThanOrEqual(1 / bins + 1e-12);
        });
      }),
    );
  });
});

describe('the stage', () => {
  it('adds them to every row, from its regions where it has such a column', async () => {
    const plain = withColumns(readBatch([{ key: 'a' }, { key: 'b' }]), {
      text: { type: curatedTypes.text, values: ['a cat', 'a dog'] },
    });
    const labelled = withColumns(plain, {
      regions: { type: curatedTypes.regions, values: [[region('cat', 0.75, [0, 0, 0.5, 0.5])], []] },
    });
    const { context } = rememberingContext();
    const batches = await runStage(addLoccaTargets(options, 1), context, labelled, plain);
    const prefixes = valuesOf(batches, 'locca').map((list) =>
      [...(list as Iterable<LoccaTarget>)].map(({ prefix, target }) => prefix + target),
    );
    expect(prefixes).toEqual([
      ['Cap: a cat', 'ARef: cat : 0 0 250 250', 'GCap: 0 0 250 250 : cat'],
      ['Cap: a dog'],
      ['Cap: a cat'],
      ['Cap: a dog'],
    ]);
  });
});
