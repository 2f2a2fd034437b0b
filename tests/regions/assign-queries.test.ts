import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { assignQueries, atomsOf } from '../../stages/regions/assign-queries.ts';
import { suppressParts } from '../../stages/regions/boxes.ts';
import { squareAround } from '../../stages/regions/crops.ts';
import { scaledLogit, sigmoid } from '../../stages/regions/detector.ts';
import { ngramOptionsSchema, ngramQueries } from '../../stages/regions/ngram-queries.ts';

const atomTexts = (queries: readonly string[], of: string) =>
  [...(atomsOf(queries)[queries.indexOf(of)] ?? [])].map((i) => queries[i]);

describe('the atoms of queries', () => {
  it('are the words that name something', () => {
    const queries = ngramQueries(['a red apple and a cat'], 'en', ngramOptionsSchema.parse({}));
    expect(atomTexts(queries, 'a red apple and a cat')).toEqual(['red', 'cat', 'apple']);
    expect(atomTexts(queries, 'a cat')).toEqual(['cat']);
    expect(atomTexts(queries, 'red')).toEqual(['red']);
  });

  it('are whole words where words have spaces, and what is held where they have none', () => {
    expect(atomTexts(['cat', 'category'], 'category')).toEqual(['category']);
    expect(atomTexts(['猫', '黑猫'], '黑猫')).toEqual(['猫']);
  });
});

describe('the queries of boxes', () => {
  const queries = ['apple', 'red apple', 'cat'];
  const atoms = atomsOf(queries);
  const rows = [Float32Array.of(2, 3, 0), Float32Array.of(1, 1.5, 1)];

  it('are the best of each where nothing is lost by sharing', () => {
    expect(assignQueries(rows, atoms, 0)).toEqual([1, 1]);
  });

  it('go to one box each where sharing a word loses something', () => {
    expect(assignQueries(rows, atoms, 1)).toEqual([1, 2]);
    // The loss is of logits, and what fits far better is shared all the same.
    expect(assignQueries([rows[0] as Float32Array, Float32Array.of(5, 9, 1)], atoms, 1)).toEqual([1, 1]);
  });

  it('are none where there are none', () => {
    expect(assignQueries([Float32Array.of()], [], 1)).toEqual([-1]);
  });

  it('give every box one, and the best pair its own, whatever the logits', () => {
    const cases = fc.array(
      fc.array(fc.float({ noNaN: true, min: -20, max: 20 }), { minLength: 3, maxLength: 3 }),
      {
        minLength: 1,
        maxLength: 6,
      },
    );
    fc.assert(
      fc.property(cases, fc.float({ min: 0, max: 5, noNaN: true }), (lists, shared) => {
        const given = assignQueries(
          lists.map((list) => Float32Array.from(list)),
          atoms,
          shared,
        );
        expect(given.every((query) => query >= 0 && query < 3)).toBe(true);
        const best = Math.max(...lists.flat());
        const wins = lists.some((list, box) => list[given[box] ?? -1] === best);
        expect(wins).toBe(true);
      }),
    );
  });
});

describe('boxes that clash', () => {
  it('are parts of one another, scenes aside', () => {
    const item = (box: readonly [number, number, number, number], score: number) => ({ box, score });
    const whole = item([0, 0, 1, 1], 0.9);
    const thing = item([0, 0, 0.5, 0.5], 0.8);
    const part = item([0.1, 0.1, 0.2, 0.2], 0.7);
    const other = item([0.6, 0.6, 0.9, 0.9], 0.6);
    const all = [part, thing, other, whole];
    expect(suppressParts(all, { overlap: 0.4, part: 0.7 })).toEqual([whole, thing, other]);
    expect(suppressParts(all, { overlap: 0.4, part: 1.1 })).toEqual([whole, thing, part, other]);
    const better = { ...part, score: 0.85 };
    expect(suppressParts([better, thing], { overlap: 0.4, part: 0.7 })).toEqual([better]);
  });
});

describe('crops and scales', () => {
  it('keep the shape of what they show', () => {
    const square = squareAround([0.4, 0.1, 0.6, 0.5], { width: 200, height: 100 }, 0);
    const [top, left, bottom, right] = square;
    expect((bottom - top) * 100).toBeCloseTo((right - left) * 200, 6);
    expect([left, right]).toEqual([expect.closeTo(0.1, 6), expect.closeTo(0.5, 6)]);
    // At a border the square is moved inside.
    expect(squareAround([0, 0, 0.1, 0.4], { width: 100, height: 100 }, 0)).toEqual([0, 0, 0.4, 0.4]);
    expect(squareAround([0, 0, 1, 0.9], { width: 100, height: 100 }, 0.5)).toEqual([0, 0, 1, 1]);
  });

  it('scale probabilities', () => {
    for (const logit of [-9, 0, 4]) {
      expect(sigmoid(scaledLogit(logit, 0.3))).toBeCloseTo(0.3 * sigmoid(logit), 9);
      expect(scaledLogit(logit, 1)).toBe(logit);
    }
  });
});
