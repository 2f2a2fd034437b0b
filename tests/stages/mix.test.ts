import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { batchOf } from '../../schemas/batches.ts';
import { curatedTypes, rowTypes } from '../../schemas/rows.ts';
import { type MixPlan, mixDraw, planQuotas, waterFill } from '../../stages/mix/plan.ts';
import { mixLanguages } from '../../stages/mix-languages.ts';
import { rememberingContext, runStage, valuesOf } from '../support.ts';

const natural = { english: 0.9, rest: 'natural', temperature: 1 } as const;
const total = (values: Iterable<number>) => [...values].reduce((sum, value) => sum + value, 0);

describe('quotas of the mix', () => {
  it('takes all English and a tenth of the rest when English is what binds', () => {
    const { quotas, shortfalls } = planQuotas({ en: 900, de: 300, fr: 100 }, natural);
    expect(quotas).toEqual({ en: 900, de: 75, fr: 25 });
    expect(shortfalls).toEqual([]);
  });

  it('takes all the rest, and nine times as much English, when the rest binds', () => {
    const { quotas } = planQuotas({ en: 10_000, de: 10, fr: 5 }, natural);
    expect(quotas).toEqual({ en: 135, de: 10, fr: 5 });
  });

  it('shares the rest alike when asked, what a small language lacks going to the others', () => {
    const { quotas } = planQuotas({ en: 900, de: 500, fr: 500, wo: 4 }, { ...natural, rest: 'uniform' });
    expect(quotas).toEqual({ en: 900, de: 48, fr: 48, wo: 4 });
  });

  it('flattens by temperature: between natural and uniform', () => {
    const counts = { en: 9000, de: 10_000, wo: 100 };
    const { quotas } = planQuotas(counts, { ...natural, rest: 'temperature', temperature: 2 });
    expect(quotas.wo).toBe(Math.round((1000 * Math.sqrt(100)) / (Math.sqrt(10_000) + Math.sqrt(100))));
  });

  it('leaves out rows whose language cannot be told', () => {
    expect(planQuotas({ en: 90, de: 50, und: 500 }, natural).quotas).toEqual({ en: 90, de: 10 });
  });

  it('says what is missing when the mix cannot be met', () => {
    expect(planQuotas({ en: 100 }, natural)).toEqual({
      quotas: { en: 0 },
      shortfalls: ['no non-English row for a mix of 90.0% English'],
    });
    const short = planQuotas({ en: 90, de: 50 }, { ...natural, rows: 1000 });
    expect(short.shortfalls).toEqual(['1000 rows were asked for, and English rows allow 100']);
  });

  it('holds for any counts and shares: within what there is, and English within a row of its share', () => {
    const languages = fc.dictionary(fc.stringMatching(/^[a-z]{2,3}$/), fc.nat(5000), { maxKeys: 30 });
    const options = fc.record({
      english: fc.double({ min: 0, max: 1, noNaN: true }),
      rest: fc.constantFrom('natural', 'uniform', 'temperature'),
      temperature: fc.double({ min: 1, max: 10, noNaN: true }),
    });
    fc.assert(
      fc.property(languages, fc.nat(5000), options, (rest, en, asked) => {
        const counts: Record<string, number> = { ...rest, en };
        const { quotas } = planQuotas(counts, asked as Parameters<typeof planQuotas>[1]);
        for (const [language, quota] of Object.entries(quotas)) {
          expect(Number.isInteger(quota)).toBe(true);
          expect(quota).toBeGreaterThanOrEqual(0);
          expect(quota).toBeLessThanOrEqual(counts[language] ?? 0);
        }
        const sum = total(Object.values(quotas));
        expect(Math.abs((quotas.en ?? 0) - sum * asked.english)).toBeLessThanOrEqual(1);
      }),
    );
  });
});

describe('sharing by weight under caps', () => {
  it('gives whole numbers that sum to the total, or to all there is', () => {
    const parts = fc.array(fc.tuple(fc.integer({ min: 1, max: 100 }), fc.nat(200)), { maxLength: 20 });
    fc.assert(
      fc.property(fc.nat(3000), parts, (asked, all) => {
        const [weights, caps] = [all.map(([weight]) => weight), all.map(([, cap]) => cap)];
        const shares = waterFill(asked, weights, caps);
        expect(total(shares)).toBe(Math.min(asked, total(caps)));
        shares.forEach((share, i) => {
          expect(share).toBeLessThanOrEqual(caps[i] ?? 0);
        });
      }),
    );
  });
});

describe('applying the mix', () => {
  const rows = Array.from({ length: 400 }, (_, i) => ({ key: `k${i}`, language: i % 4 === 0 ? 'de' : 'en' }));
  const batchFor = (some: typeof rows) =>
    batchOf({
      key: { type: rowTypes.key, values: some.map(({ key }) => key) },
      language: { type: curatedTypes.language, values: some.map(({ language }) => language) },
    });
  const plan: MixPlan = {
    requestedEnglish: 0.9,
    languages: {
      en: { available: 300, quota: 300, threshold: 1 },
      de: { available: 100, quota: 30, threshold: 0.3 },
    },
    shortfalls: [],
  };

  it('keeps the same rows in any order and any split of the work', async () => {
    const { context } = rememberingContext();
    const whole = valuesOf(await runStage(mixLanguages(plan, 7), context, batchFor(rows)), 'key');
    const reversed = [...rows].reverse();
    const parts = await runStage(
      mixLanguages(plan, 7),
      context,
      batchFor(reversed.slice(0, 90)),
      batchFor(reversed.slice(90)),
    );
    expect(valuesOf(parts, 'key').sort()).toEqual([...whole].sort());
    expect(whole.length).toBeGreaterThan(300);
    expect(whole.length).toBeLessThan(400);
  });

  it('keeps other rows under another seed', async () => {
    const { context } = rememberingContext();
    const one = valuesOf(await runStage(mixLanguages(plan, 1), context, batchFor(rows)), 'key');
    const two = valuesOf(await runStage(mixLanguages(plan, 2), context, batchFor(rows)), 'key');
    expect(one).not.toEqual(two);
  });

  it('drops what is over a share with the figures, and a language outside the plan by its name', async () => {
    const { context, dropped } = rememberingContext();
    const outside = batchFor([{ key: 'x', language: 'und' }]);
    const out = await runStage(mixLanguages(plan, 7), context, batchFor(rows), outside);
    expect(dropped.at(-1)).toMatchObject({ key: 'x', reason: 'unknown-language', value: 'und' });
    expect(dropped[0]).toMatchObject({ reason: 'over-share', value: 'de: 30 of 100' });
    expect(dropped.length + valuesOf(out, 'key').length).toBe(401);
    const late = dropped.filter(({ reason }) => reason === 'over-share');
    expect(late.every(({ key }) => mixDraw(key, 7) > 0.3)).toBe(true);
  });
});
