import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { hasBegun, planCrops, planLength, planMask, planParallel } from '../../stages/views/plan-views.ts';
import { trainingViewsOptionsSchema, viewsAt } from '../../stages/views/schedule.ts';

const seeds = fc.record({ seed: fc.nat(9), step: fc.nat(1000), key: fc.string() });
const sizes = fc.record({
  width: fc.integer({ min: 1, max: 4000 }),
  height: fc.integer({ min: 1, max: 4000 }),
});
const local = { count: 8, area: [0.05, 0.4], aspect: [3 / 4, 4 / 3], flip: 0.5 } as const;

describe('crops', () => {
  it('lie in the image, are of the area that was asked for, and are the same each time', () => {
    fc.assert(
      fc.property(seeds, sizes, (of, size) => {
        const crops = planCrops(of, 'local', size, local);
        expect(crops).toHaveLength(8);
        for (const { box } of crops) {
          const [top, left, bottom, right] = box;
          for (const edge of box) expect(edge).toBeGreaterThanOrEqual(0);
          for (const edge of box) expect(edge).toBeLessThanOrEqual(1);
          const area = (bottom - top) * (right - left);
          expect(area).toBeGreaterThan(0);
          expect(area).toBeLessThanOrEqual(0.4 + 1e-9);
          const isSquarish = size.width < 2 * size.height && size.height < 2 * size.width;
          if (isSquarish) expect(area).toBeGreaterThanOrEqual(0.05 - 1e-9);
          const ratio = ((right - left) * size.width) / ((bottom - top) * size.height);
          if (isSquarish) expect(Math.abs(Math.log(ratio))).toBeLessThanOrEqual(Math.log(4 / 3) + 1e-6);
        }
        expect(planCrops(of, 'local', size, local)).toEqual(crops);
      }),
    );
  });

  it('differ by step, key, seed and kind, half of them mirrored, over all of the area', () => {
    const of = { seed: 1, step: 2, key: 'a' };
    const size = { width: 300, height: 200 };
    const base = planCrops(of, 'local', size, local);
    for (const other of [
      { ...of, seed: 2 },
      { ...of, step: 3 },
      { ...of, key: 'b' },
    ]) {
      expect(planCrops(other, 'local', size, local)).not.toEqual(base);
    }
    expect(planCrops(of, 'global', size, local)).not.toEqual(base);
    const many = Array.from({ length: 500 }, (_, i) =>
      planCrops({ ...of, key: `${i}` }, 'local', size, local),
    ).flat();
    const flips = many.filter(({ flip }) => flip).length / many.length;
    expect(flips).toBeGreaterThan(0.46);
    expect(flips).toBeLessThan(0.54);
    const areas = many.map(({ box: [top, left, bottom, right] }) => (bottom - top) * (right - left));
    const mean = areas.reduce((sum, area) => sum + area, 0) / areas.length;
    expect(mean).toBeGreaterThan(0.21);
    expect(mean).toBeLessThan(0.24);
  });
});

describe('masks', () => {
  it('cover exactly their share, each patch as often as another', () => {
    fc.assert(
      fc.property(
        seeds,
        fc.integer({ min: 1, max: 300 }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        (of, n, share) => {
          const mask = planMask(of, n, share);
          expect(mask).toHaveLength(n);
          expect(mask.reduce((sum, masked) => sum + masked, 0)).toBe(Math.round(n * share));
          expect(planMask(of, n, share)).toEqual(mask);
        },
      ),
    );
    const counts = new Float64Array(16);
    for (let i = 0; i < 2000; i += 1) {
      planMask({ seed: 1, step: i, key: 'a' }, 16, 0.5).forEach((masked, patch) => {
        counts[patch] = (counts[patch] ?? 0) + masked;
      });
    }
    for (const count of counts) expect(Math.abs(count / 2000 - 0.5)).toBeLessThan(0.06);
  });
});

describe('flags and lengths', () => {
  it('come at their probability, a length evenly and once for a whole step', () => {
    const flags = Array.from({ length: 2000 }, (_, i) =>
      planParallel({ seed: 1, step: 3, key: `${i}` }, 0.5),
    );
    expect(Math.abs(flags.filter(Boolean).length / 2000 - 0.5)).toBeLessThan(0.05);
    expect(planParallel({ seed: 1, step: 3, key: 'a' }, 0)).toBe(false);
    expect(planParallel({ seed: 1, step: 3, key: 'a' }, 1)).toBe(true);
    const lengths = [128, 256, 576, 784, 1024];
    const counts = new Map<number, number>();
    for (let step = 0; step < 2000; step += 1) {
      const length = planLength(1, step, lengths);
      counts.set(length, (counts.get(length) ?? 0) + 1);
      expect(planLength(1, step, lengths)).toBe(length);
    }
    expect([...counts.keys()].sort((a, b) => a - b)).toEqual(lengths);
    for (const count of counts.values()) expect(Math.abs(count / 2000 - 0.2)).toBeLessThan(0.05);
  });
});

describe('the schedule', () => {
  const options = trainingViewsOptionsSchema.parse({
    locca: {},
    selfDistillation: {},
    maskedPrediction: {},
    resolution: { side: 512 },
  });
  const at = (step: number, of = options) => viewsAt(of, { seed: 1, step, steps: 1000 });

  it("turns SigLIP 2's parts on at 80%, 90% and 95%", () => {
    expect(at(0)).toMatchObject({ image: null, selfDistillation: null, maskedPrediction: null });
    expect(at(0).locca).toMatchObject({ parallel: 0.5 });
    expect(at(799).selfDistillation).toBeNull();
    expect(at(800)).toMatchObject({
      selfDistillation: { globals: 1, locals: 8 },
      maskedPrediction: { share: 0.5 },
    });
    expect(at(949).image).toBeNull();
    expect(at(950).image).toEqual({ kind: 'pixels', side: 512 });
  });

  it('ends crops and masks where NaFlex begins, which goes before another resolution', () => {
    const naflex = trainingViewsOptionsSchema.parse({ ...options, naflex: {} });
    expect(at(899, naflex)).toMatchObject({ image: null, selfDistillation: { globals: 1 } });
    for (const step of [900, 960]) {
      expect(at(step, naflex)).toMatchObject({
        image: { kind: 'naflex' },
        selfDistillation: null,
        maskedPrediction: null,
      });
    }
    expect(at(900, naflex).locca).not.toBeNull();
  });

  it('counts shares of steps to the step that is meant', () => {
    expect(hasBegun(0.1, 3, 30)).toBe(true);
    expect(hasBegun(0.1, 2, 30)).toBe(false);
    expect(hasBegun(0.8, 8, 10)).toBe(true);
    expect(hasBegun(0.95, 9, 10)).toBe(false);
    expect(hasBegun(0, 0, 1)).toBe(true);
  });
});
