import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type NamedBox, pairBoxes } from '../../bench/curation/boxes.ts';
import { areaUnderCurve } from '../../bench/curation/rank.ts';

describe('the area under the curve', () => {
  it('is the share of pairs in the right order, ties counting half', () => {
    const cases = fc.array(fc.tuple(fc.integer({ min: 0, max: 6 }), fc.boolean()), { maxLength: 30 });
    fc.assert(
      fc.property(cases, (rows) => {
        const [good, bad] = [true, false].map((side) => rows.filter(([, positive]) => positive === side));
        let sum = 0;
        for (const [a] of good ?? []) for (const [b] of bad ?? []) sum += a > b ? 1 : a === b ? 0.5 : 0;
        const pairs = (good?.length ?? 0) * (bad?.length ?? 0);
        const area = areaUnderCurve(
          rows.map(([score]) => score),
          rows.map(([, positive]) => positive),
        );
        expect(area).toBeCloseTo(pairs === 0 ? 0.5 : sum / pairs, 9);
      }),
    );
  });
});

describe('pairs of boxes', () => {
  const named = (...box: [number, number, number, number]): NamedBox => ({ box, text: '' });

  it('hold each box once, the best overlap first', () => {
    const pictures = [named(0, 0, 0.5, 0.5), named(0.5, 0.5, 1, 1)];
    const regions = [named(0, 0, 0.4, 0.5), named(0, 0, 0.5, 0.5), named(0.5, 0.5, 0.6, 0.6)];
    expect(pairBoxes(regions, pictures)).toEqual([[1, 0]]);
    expect(pairBoxes(regions, pictures, 0.01)).toEqual([
      [1, 0],
      [2, 1],
    ]);
  });
});
