import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { batchOf } from '../../schemas/batches.ts';
import { curatedTypes, rowTypes } from '../../schemas/rows.ts';
import { type MixPlan, mixDraw, planQuotas, type QuotaOptions } from '../../stages/mix/plan.ts';
import { waterFill, waterFillOver } from '../../stages/mix/water-fill.ts';
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

  it('leaves what is written where it is: the others share the rest of the rest, and English keeps its share', () => {
    const first = planQuotas({ en: 900, de: 100 }, natural).quotas;
    expect(first).toEqual({ en: 900, de: 100 });
    const more = { en: 900, de: 100, fr: 300 };
    expect(planQuotas(more, natural).quotas).toEqual({ en: 900, de: 25, fr: 75 });
    const held = planQuotas(more, natural, { written: first });
    expect(held.quotas).toEqual({ en: 900, de: 100, fr: 0 });
    expect(held.shortfalls).toEqual([
      'rows that earlier runs wrote are over their shares of the whole: de 75',
    ]);
    expect(planQuotas(more, natural).shortfalls).toEqual([]);
    const grown = { en: 1800, de: 100, fr: 300 };
    expect(planQuotas(grown, natural).quotas).toEqual({ en: 1800, de: 50, fr: 150 });
    expect(planQuotas(grown, natural, { written: first }).quotas).toEqual({ en: 1800, de: 100, fr: 100 });
  });

  it('leaves out rows whose language cannot be told', () => {
    expect(planQuotas({ en: 90, de: 50, und: 500 }, natural).quotas).toEqual({ en: 90, de: 10 });
  });

  it('says what is missing when the mix cannot be met', () => {
    expect(planQuotas({ en: 100 }, natural)).toEqual({
      quotas: { en: 0 },
      shortfalls: ['no non-English row for a mix of 90.0% English'],
      missing: [{ language: '*', requested: 11, available: 0, missing: 11 }],
    });
    const short = planQuotas({ en: 90, de: 150 }, { ...natural, rows: 1000 });
    expect(short.shortfalls).toEqual(['1000 rows were asked for, and English rows allow 100']);
    expect(short.missing).toEqual([{ language: 'en', requested: 900, available: 90, missing: 810 }]);
  });

  it('names each language that lacks rows for an equal share', () => {
    const found = planQuotas({ en: 900, de: 500, fr: 500, wo: 4 }, { ...natural, rest: 'uniform' });
    expect(found.missing).toEqual([{ language: 'wo', requested: 33, available: 4, missing: 29 }]);
    expect(found.shortfalls).toEqual(['rows are missing for the uniform shares of the rest: wo 29 of 33']);
  });

  it('keeps languages under their caps, English among them, and says when caps are what is short', () => {
    const counts = { en: 900, de: 500, fr: 500, wo: 4 };
    expect(planQuotas(counts, { ...natural, caps: { de: 10 } }).quotas).toEqual({
      en: 900,
      de: 10,
      fr: 89,
      wo: 1,
    });
    expect(planQuotas(counts, { ...natural, maxPerLanguage: 90, caps: { fr: 200 } }).quotas.en).toBe(90);
    const short = planQuotas(counts, { ...natural, rows: 500, caps: { en: 90 } });
    expect(short.quotas).toEqual({ en: 90, de: 5, fr: 5, wo: 0 });
    expect(short.shortfalls).toEqual(['500 rows were asked for, and the caps of English rows allow 100']);
    expect(short.missing).toEqual([{ language: 'en', requested: 450, available: 900, missing: 360 }]);
    const capped = planQuotas(
      { en: 900, de: 500 },
      { ...natural, rows: 1000, maxPerLanguage: 900, caps: { de: 40 } },
    );
    expect(capped.missing).toEqual([{ language: '*', requested: 100, available: 40, missing: 60 }]);
  });

  const countsOf = fc
    .tuple(fc.dictionary(fc.stringMatching(/^[a-z]{2,3}$/), fc.nat(5000), { maxKeys: 30 }), fc.nat(5000))
    .map(([rest, en]): Record<string, number> => ({ ...rest, en }));
  const asked: fc.Arbitrary<QuotaOptions> = fc.record({
    english: fc.double({ min: 0, max: 1, noNaN: true }),
    rest: fc.constantFrom('natural', 'uniform', 'temperature'),
    temperature: fc.double({ min: 1, max: 10, noNaN: true }),
    rows: fc.option(fc.integer({ min: 1, max: 9000 }), { nil: undefined }),
    maxPerLanguage: fc.option(fc.integer({ min: 1, max: 4000 }), { nil: undefined }),
    caps: fc.dictionary(fc.constantFrom('en', 'de', 'fr', 'ab', 'zu'), fc.nat(3000)),
  });

  it('keeps the share of English over any increments, also without what earlier ones left out', () => {
    fc.assert(
      fc.property(countsOf, countsOf, asked, (before, added, options) => {
        const written = planQuotas(before, options).quotas;
        const counts = { ...before };
        const obtainable: Record<string, number> = { ...written };
        for (const [language, rows] of Object.entries(added)) {
          counts[language] = (counts[language] ?? 0) + rows;
          obtainable[language] = (obtainable[language] ?? 0) + rows;
        }
        const { quotas } = planQuotas(counts, options, { written, obtainable });
        for (const [language, rows] of Object.entries(quotas)) {
          expect(rows).toBeGreaterThanOrEqual(written[language] ?? 0);
          expect(rows).toBeLessThanOrEqual(obtainable[language] ?? 0);
        }
        const kept = total(Object.values(quotas));
        expect(kept).toBeGreaterThanOrEqual(total(Object.values(written)));
        expect(Math.abs((quotas.en ?? 0) - kept * options.english)).toBeLessThanOrEqual(1);
      }),
    );
  });

  it('holds for any counts and shares: within what there is and its caps, English within a row of its share', () => {
    fc.assert(
      fc.property(countsOf, asked, (counts, options) => {
        const { quotas } = planQuotas(counts, options);
        for (const [language, quota] of Object.entries(quotas)) {
          expect(Number.isInteger(quota)).toBe(true);
          expect(quota).toBeGreaterThanOrEqual(0);
          expect(quota).toBeLessThanOrEqual(counts[language] ?? 0);
          expect(quota).toBeLessThanOrEqual(options.caps?.[language] ?? options.maxPerLanguage ?? Infinity);
        }
        const kept = total(Object.values(quotas));
        expect(kept).toBeLessThanOrEqual(options.rows ?? Infinity);
        expect(Math.abs((quotas.en ?? 0) - kept * options.english)).toBeLessThanOrEqual(1);
      }),
    );
  });

  it('keeps as many rows as were asked for when nothing is missing, and says what is whenever it does not', () => {
    fc.assert(
      fc.property(countsOf, asked, (counts, options) => {
        const { quotas, missing, shortfalls } = planQuotas(counts, options);
        const kept = total(Object.values(quotas));
        if (options.rows !== undefined && missing.length === 0) expect(kept).toBe(options.rows);
        expect(shortfalls.length > 0).toBe(missing.length > 0);
        for (const row of missing) {
          expect(row.missing).toBeGreaterThan(0);
          expect(row.missing).toBeLessThanOrEqual(row.requested);
          if (row.language !== '*') expect(row.available).toBe(counts[row.language]);
        }
      }),
    );
  });

  it('is met to the row once what is missing has been added', () => {
    fc.assert(
      fc.property(countsOf, fc.integer({ min: 1, max: 9000 }), (counts, rows) => {
        const options = { english: 0.9, rest: 'uniform', temperature: 1, rows } as const;
        const more = { ...counts };
        for (const { language, missing } of planQuotas(counts, options).missing) {
          const added = language === '*' ? 'de' : language;
          more[added] = (more[added] ?? 0) + missing;
        }
        const met = planQuotas(more, options);
        expect(met.missing).toEqual([]);
        expect(total(Object.values(met.quotas))).toBe(rows);
      }),
    );
  });

  it('keeps no fewer rows when there are more of a language', () => {
    fc.assert(
      fc.property(countsOf, asked, fc.nat(), fc.nat(1000), (counts, options, which, more) => {
        const languages = Object.keys(counts);
        const language = languages[which % languages.length] ?? 'en';
        const larger = { ...counts, [language]: (counts[language] ?? 0) + more };
        const kept = (all: Record<string, number>) => total(Object.values(planQuotas(all, options).quotas));
        expect(kept(larger)).toBeGreaterThanOrEqual(kept(counts));
      }),
    );
  });

  it('hangs on no order of the languages', () => {
    fc.assert(
      fc.property(countsOf, asked, (counts, options) => {
        const reversed = Object.fromEntries(Object.entries(counts).reverse());
        expect(planQuotas(reversed, options)).toEqual(planQuotas(counts, options));
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

describe('sharing over what is written', () => {
  it('gives each its floor at least, the total where the floors allow it, and nothing by weight below a floor', () => {
    const part = fc.tuple(fc.integer({ min: 1, max: 100 }), fc.nat(200), fc.nat(200));
    fc.assert(
      fc.property(fc.nat(3000), fc.array(part, { maxLength: 20 }), (asked, all) => {
        const [weights, caps] = [all.map(([weight]) => weight), all.map(([, cap]) => cap)];
        const floors = all.map(([, cap, floor]) => Math.min(cap, floor));
        const shares = waterFillOver(asked, weights, caps, floors);
        expect(total(shares)).toBe(Math.max(total(floors), Math.min(asked, total(caps))));
        shares.forEach((share, i) => {
          expect(share).toBeGreaterThanOrEqual(floors[i] ?? 0);
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
    missing: [],
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
    expect(dropped[0]).toMatchObject({
      reason: 'over-share',
      value: expect.stringMatching(/^draw 0\.\d{4}, de: 30 of 100$/),
      threshold: '0.3000',
    });
    expect(dropped.length + valuesOf(out, 'key').length).toBe(401);
    const late = dropped.filter(({ reason }) => reason === 'over-share');
    expect(late.every(({ key }) => mixDraw(key, 7) > 0.3)).toBe(true);
  });
});
