import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CursorError, decodeCursor, encodeCursor } from '../../pipeline/gallery/cursor.ts';
import { createScrollMap } from '../../pipeline/gallery/page/scroll-map.ts';
import { addressOf, filtersOf, initial, stateOf } from '../../pipeline/gallery/page/state.ts';

const order = { sort: 'text_score', direction: 'desc' } as const;

describe('a cursor', () => {
  it('is read back as it was written, to the last bit', () => {
    fc.assert(
      fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), fc.nat(), (value, id) => {
        const read = decodeCursor(encodeCursor({ value, id }, order), order);
        expect([Number(read.value), read.id]).toEqual([value === 0 ? 0 : value, id]);
      }),
    );
    const without = encodeCursor({ value: Number.NEGATIVE_INFINITY, id: 3 }, order);
    expect(decodeCursor(without, order)).toEqual({ value: null, id: 3 });
  });

  it('is refused when it is of another order, or anything else', () => {
    const cursor = encodeCursor({ value: 1, id: 1 }, order);
    expect(() => decodeCursor(cursor, { ...order, direction: 'asc' })).toThrow(CursorError);
    fc.assert(
      fc.property(fc.string(), (text) => {
        expect(() => decodeCursor(text, order)).toThrow(CursorError);
      }),
    );
  });
});

describe('a list higher than a browser lays out', () => {
  const real = 400_000_000;
  const view = 800;

  it('moves pixel by pixel under a wheel, and to the same share under the scrollbar', () => {
    const map = createScrollMap(real, view);
    expect(map.height).toBeLessThan(real);
    expect([map.follow(100), map.follow(220)]).toEqual([100, 220]);
    const half = map.follow(map.height / 2);
    expect(Math.abs(half / real - 0.5)).toBeLessThan(0.001);
    expect(map.follow(map.height / 2 + 50) - half).toBeCloseTo(50);
    expect(map.follow(map.height - view)).toBe(real - view);
    expect(map.follow(0)).toBe(0);
  });

  it('comes to the place that is wanted, near or far', () => {
    const map = createScrollMap(real, view);
    for (const wanted of [500, 123_456_789, 123_457_000, real - view]) {
      expect(Math.abs(map.follow(map.topOf(wanted)) - wanted)).toBeLessThan(1);
    }
  });

  it('is a plain list where it is low enough', () => {
    const map = createScrollMap(5000, view);
    expect([map.height, map.follow(4000), map.topOf(90)]).toEqual([5000, 4000, 90]);
  });
});

describe("the page's address", () => {
  it('says what is looked at, and is read back', () => {
    const state = {
      ...initial,
      facets: { ...initial.facets, language: ['ar', ''], reason: ['near-duplicate'] },
      text: 'a & b',
      score: 'text_score' as const,
      min: '0.1',
      sort: 'learnability' as const,
      direction: 'asc' as const,
      split: true,
    };
    expect(stateOf(new URL(addressOf(state), 'http://localhost').searchParams)).toEqual(state);
    expect(addressOf(initial)).toBe('/');
    expect(filtersOf(state, 'kept').getAll('reason')).toEqual([]);
  });
});
