import { describe, expect, it } from 'vitest';
import { fromFloat16, toFloat16 } from '../../models/float16.ts';

const half = (value: number) => toFloat16(Float32Array.of(value))[0];

describe('float16', () => {
  it('gives all 65,536 patterns back', () => {
    const all = Uint16Array.from({ length: 65_536 }, (_, i) => i);
    const back = toFloat16(fromFloat16(all));
    for (const pattern of all) {
      const nan = (pattern & 0x7c00) === 0x7c00 && (pattern & 0x3ff) !== 0;
      if (nan) expect(Number.isNaN(fromFloat16(back.subarray(pattern, pattern + 1))[0])).toBe(true);
      else if (back[pattern] !== pattern) expect(back[pattern]).toBe(pattern);
    }
  });

  it('reads known patterns', () => {
    const values = fromFloat16(Uint16Array.of(0x3c00, 0xc000, 0x7bff, 0x0001, 0x0400, 0x8000, 0x7c00));
    expect([...values]).toEqual([1, -2, 65_504, 2 ** -24, 2 ** -14, -0, Number.POSITIVE_INFINITY]);
  });

  it('rounds to the nearest, ties to even', () => {
    const ulp = 2 ** -10;
    expect(half(1 + ulp / 2)).toBe(0x3c00);
    expect(half(1 + (3 * ulp) / 2)).toBe(0x3c02);
    expect(half(1 + ulp / 2 + 2 ** -20)).toBe(0x3c01);
    expect(half(2 - ulp / 2)).toBe(0x4000);
  });

  it('rounds subnormal results to the nearest, ties to even', () => {
    expect(half(2 ** -25)).toBe(0);
    expect(half(2 ** -25 * 1.0001)).toBe(1);
    expect(half(3 * 2 ** -25)).toBe(2);
    expect(half(2 ** -26)).toBe(0);
    expect(half(1e-45)).toBe(0);
    expect(half(2 ** -14 - 2 ** -26)).toBe(0x0400);
  });

  it('rounds what is too large to infinity, and keeps signs and NaN', () => {
    expect(half(65_519)).toBe(0x7bff);
    expect(half(65_520)).toBe(0x7c00);
    expect(half(-1e30)).toBe(0xfc00);
    expect(half(Number.NEGATIVE_INFINITY)).toBe(0xfc00);
    expect(half(-0)).toBe(0x8000);
    expect(Number.isNaN(fromFloat16(toFloat16(Float32Array.of(Number.NaN)))[0])).toBe(true);
  });
});
