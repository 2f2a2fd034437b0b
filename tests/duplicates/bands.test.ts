import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { bandRows, flipMasks, maskCount, planBands, splitBands } from '../../models/duplicates/bands.ts';

const bitsSet = (value: bigint) => BigInt.asUintN(64, value).toString(2).replaceAll('0', '').length;
const bandOf = (hash: bigint, shift: number, bits: number) =>
  (hash >> BigInt(shift)) & ((1n << BigInt(bits)) - 1n);

const hash64 = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });
const flippedBits = (most: number) => fc.uniqueArray(fc.integer({ min: 0, max: 63 }), { maxLength: most });

describe('bands', () => {
  it('cover every bit once', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 64 }), (count) => {
        let next = 0;
        for (const { shift, bits } of splitBands(count)) {
          expect(shift).toBe(next);
          next += bits;
        }
        expect(next).toBe(64);
      }),
    );
  });

  it('let any two hashes within the radius meet in one of them, for any number of rows', () => {
    const radius = fc.integer({ min: 0, max: 20 });
    const rows = fc.integer({ min: 0, max: 12 }).map((power) => 10 ** power);
    fc.assert(
      fc.property(
        hash64,
        radius.chain((r) => fc.tuple(fc.constant(r), flippedBits(r))),
        rows,
        (hash, [r, flips], n) => {
          const other = flips.reduce((value, bit) => value ^ (1n << BigInt(bit)), hash);
          const plan = planBands(r, n);
          const meet = plan.bands.some(
            ({ shift, bits }) =>
              bitsSet(bandOf(hash, shift, bits) ^ bandOf(other, shift, bits)) <= plan.flips,
          );
          expect(meet).toBe(true);
        },
      ),
      { numRuns: 500 },
    );
  });

  it('get longer as rows get more', () => {
    const shortest = (rows: number) => Math.min(...planBands(5, rows).bands.map(({ bits }) => bits));
    expect(shortest(1e10)).toBeGreaterThan(shortest(1e3));
    expect(shortest(1e10)).toBeGreaterThanOrEqual(32);
  });

  it('are the whole hash when only equal hashes are near', () => {
    expect(planBands(0, 1e6)).toEqual({ bands: [{ shift: 0, bits: 64 }], flips: 0 });
  });
});

describe('masks', () => {
  it('are all the numbers with so many bits set, each once', () => {
    const masks = flipMasks(6, 2);
    const wanted = Array.from({ length: 64 }, (_, i) => BigInt(i)).filter((value) => bitsSet(value) <= 2);
    expect([...masks].sort((a, b) => Number(a - b))).toEqual(wanted);
    expect(masks.length).toBe(maskCount(6, 2));
  });

  it('are no more than a band has', () => {
    expect(flipMasks(2, 9)).toHaveLength(4);
    expect(maskCount(2, 9)).toBe(4);
  });

  it('are signed where they reach bit 63', () => {
    expect(flipMasks(64, 1).at(-1)).toBe(-(2n ** 63n));
  });
});

describe('the rows that a band joins', () => {
  it('are the crops and the masked hashes', () => {
    expect(bandRows({ bands: [{ shift: 0, bits: 21 }], flips: 1 }, 10)).toBe(10 * (9 + 22));
  });
});
