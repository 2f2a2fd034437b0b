import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { driftOf } from '../../pipeline/distill/drift.ts';
import { htmlText } from '../../pipeline/report/html.ts';
import { selectionSection } from '../../pipeline/report/sections/selection.ts';
import { selectionFacts } from '../../pipeline/report/selection-facts.ts';
import { distilledFolder, distillReport } from './run-folders.ts';

const counts = fc.dictionary(
  fc.constantFrom('en', 'de', 'ar', 'hi', 'sw'),
  fc.integer({ min: 1, max: 500 }),
  {
    minKeys: 1,
  },
);

describe('the drift of languages', () => {
  it('is half the sum of the differences of shares', () => {
    const drift = driftOf({ offered: { en: 90, de: 10 }, selected: { en: 7, de: 2, ar: 1 } });
    expect(drift.totalVariation).toBeCloseTo(0.2, 12);
    expect(drift.english).toEqual({ offered: 0.9, selected: 0.7 });
    expect(drift.moved.map(({ language }) => language)).toEqual(['en', 'ar', 'de']);
    expect(drift.counts.ar).toEqual({ offered: 0, selected: 1 });
  });

  it('is 0 for equal mixes, 1 for mixes without a common language, and within', () => {
    fc.assert(
      fc.property(counts, counts, fc.integer({ min: 1, max: 9 }), (offered, selected, times) => {
        const scaled = Object.fromEntries(Object.entries(offered).map(([name, n]) => [name, n * times]));
        expect(driftOf({ offered, selected: scaled }).totalVariation).toBeCloseTo(0, 12);
        const foreign = Object.fromEntries(Object.entries(selected).map(([name, n]) => [`x-${name}`, n]));
        expect(driftOf({ offered, selected: foreign }).totalVariation).toBeCloseTo(1, 12);
        const { totalVariation } = driftOf({ offered, selected });
        expect(totalVariation).toBeGreaterThanOrEqual(0);
        expect(totalVariation).toBeLessThanOrEqual(1 + 1e-12);
        expect(driftOf({ offered: selected, selected: offered }).totalVariation).toBeCloseTo(
          totalVariation,
          12,
        );
      }),
    );
  });

  it('names ten languages at the most, those that moved furthest', () => {
    const names = Array.from({ length: 14 }, (_, i) => `l${i}`);
    const offered = Object.fromEntries(names.map((name) => [name, 100]));
    // Each pair of neighbours moves apart, later pairs further.
    const selected = Object.fromEntries(names.map((name, i) => [name, 100 + (i % 2 ? i - 1 : -i)]));
    const { moved } = driftOf({ offered, selected });
    expect(moved.map(({ language }) => language).sort()).toEqual(names.slice(4).sort());
  });

  it('is on the page, and what was offered is what the run counted', async () => {
    const data = await mkdtemp(join(tmpdir(), 'assay-report-'));
    const folder = await distilledFolder(data);
    const drift = driftOf({ offered: { en: 6, ar: 2, de: 2 }, selected: { en: 3, ar: 2, de: 1 } });
    const report = { ...distillReport(0.5, 0.4), drift };
    await writeFile(join(folder, 'report.json'), JSON.stringify(report));
    const facts = await selectionFacts(folder);
    expect(facts?.languages.map(({ language, offered }) => [language, offered])).toEqual([
      ['en', 0.6],
      ['ar', 0.2],
      ['de', 0.2],
    ]);
    const page = htmlText(selectionSection(facts, report).body);
    expect(page).toContain('Selection moved 13.3% of the mix of languages');
    expect(page).toContain('Arabic moved most, from 20.0% to 33.3%');
    expect(page).toContain('English is 50.0% of the selected pairs; 60.0% of the offered ones');
  });
});
