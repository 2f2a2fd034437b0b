import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { Field, Float64, Int32, Int64, List, Utf8 } from 'apache-arrow';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { balanceRows, balanceVerdict } from '../../pipeline/curation/balance/reduce.ts';
import { openDatabase } from '../../pipeline/curation/duplicates/database.ts';
import { idsOfTask } from '../../pipeline/curation/plan/tasks.ts';
import { batchOf } from '../../schemas/batches.ts';
import { openParquetWriter } from '../../schemas/parquet-writer.ts';
import { createRandom } from '../../schemas/random.ts';
import { candidateTerms } from '../../stages/balance/candidate-terms.ts';
import {
  balanceDraw,
  keepProbability,
  planBalance,
  type TermHistogram,
  tailShareAt,
  thresholdAt,
} from '../../stages/balance/plan.ts';
import { balanceOptionsSchema } from '../../stages/balance-terms.ts';
import { temporaryFolder } from '../support.ts';

describe('candidate terms', () => {
  it('are words and pairs of neighbours, once each, in lower case', () => {
    expect(candidateTerms(['A red Apple', 'the red apple'])).toEqual([
      'a',
      'red',
      'a red',
      'apple',
      'red apple',
      'the',
      'the red',
    ]);
  });

  it('reach across no punctuation and no number, and are no number alone', () => {
    expect(candidateTerms(['cats, dogs 12 birds', null])).toEqual(['cats', 'dogs', 'birds']);
    expect(candidateTerms(["l'été à Saint-Malo"])).toEqual([
      "l'été",
      'à',
      "l'été à",
      'saint-malo',
      'à saint-malo',
    ]);
  });

  it('are found in scripts without spaces', () => {
    const terms = candidateTerms(['红苹果在桌子上']);
    expect(terms).toContain('苹果');
    expect(terms).toContain('桌子');
    expect(terms.some((term) => term.includes(' '))).toBe(true);
  });

  it('are bounded whatever the text', () => {
    fc.assert(
      fc.property(fc.array(fc.string({ unit: 'binary', maxLength: 150 }), { maxLength: 8 }), (texts) => {
        const terms = candidateTerms(texts);
        expect(terms.length).toBeLessThanOrEqual(257);
        expect(new Set(terms).size).toBe(terms.length);
        for (const term of terms) expect(term.split(' ').length).toBeLessThanOrEqual(2);
      }),
      { numRuns: 20 },
    );
  });
});

const histogramsOf = fc
  .dictionary(fc.integer({ min: 1, max: 500 }).map(String), fc.integer({ min: 1, max: 40 }), {
    minKeys: 1,
    maxKeys: 12,
  })
  .map((entries): TermHistogram => Object.entries(entries).map(([rows, terms]) => [Number(rows), terms]));

/** The counts of single terms, ascending, and the shares of matches up to each: as the paper has them. */
function listed(histogram: TermHistogram) {
  const counts = histogram
    .flatMap(([rows, terms]) => new Array<number>(terms).fill(rows))
    .sort((a, b) => a - b);
  const all = counts.reduce((sum, count) => sum + count, 0);
  let up = 0;
  return counts.map((count) => {
    up += count;
    return { count, share: up / all };
  });
}

describe('thresholds', () => {
  it('are the counts at which the share of the tail is nearest to the one asked for', () => {
    fc.assert(
      fc.property(histogramsOf, fc.double({ min: 0, max: 1, noNaN: true }), (histogram, p) => {
        const terms = listed(histogram);
        const nearest = Math.min(...terms.map(({ share }) => Math.abs(share - p)));
        const threshold = thresholdAt(p, histogram);
        const own = terms.filter(({ count }) => count === threshold);
        expect(Math.min(...own.map(({ share }) => Math.abs(share - p)))).toBeCloseTo(nearest, 12);
      }),
    );
  });

  it('follow the English share by hand', () => {
    // English: 10 + 20 of 100 matches lie under 50, so p = 0.3; German: 1 + 2 of 10, so t is 2.
    const plan = planBalance(
      {
        en: [
          [10, 1],
          [20, 1],
          [70, 1],
        ],
        de: [
          [1, 1],
          [2, 1],
          [7, 1],
        ],
      },
      50,
    );
    expect(plan.tailShare).toBeCloseTo(0.3, 12);
    expect(plan.languages).toEqual({ de: { terms: 3, threshold: 2 }, en: { terms: 3, threshold: 50 } });
  });

  it('leave everything in where no English term reaches its threshold, or take it for all without English', () => {
    const plan = planBalance(
      {
        en: [[10, 3]],
        de: [
          [5, 2],
          [900, 1],
        ],
      },
      100,
    );
    expect(plan.tailShare).toBe(1);
    expect(plan.languages.de?.threshold).toBe(900);
    expect(planBalance({ de: [[900, 1]] }, 100)).toEqual({
      tailShare: null,
      languages: { de: { terms: 1, threshold: 100 } },
    });
    expect(() => thresholdAt(0.5, [])).toThrow('at least one term');
  });

  it('have a share that grows with them', () => {
    fc.assert(
      fc.property(histogramsOf, fc.nat(600), fc.nat(600), (histogram, a, b) => {
        const [low, high] = [Math.min(a, b), Math.max(a, b)];
        expect(tailShareAt(low, histogram)).toBeLessThanOrEqual(tailShareAt(high, histogram));
      }),
    );
  });

  it('keep every row with a term in the tail, and thin out the others by count', () => {
    expect(keepProbability([1000, 100], 100)).toBe(1);
    expect(keepProbability([1000], 100)).toBeCloseTo(0.1, 12);
    expect(keepProbability([1000, 200], 100)).toBeCloseTo(1 - 0.9 * 0.5, 12);
    expect(keepProbability([], 100)).toBe(0);
  });
});

interface Row {
  readonly key: string;
  readonly language: string;
  readonly text: string;
}

/** Rows whose words are as frequent as Zipf says, of two languages. */
function madeRows(count: number): Row[] {
  const random = createRandom('balance');
  const word = () => `w${String.fromCharCode(97 + Math.floor(24 * random.uniform() ** 4))}`;
  return Array.from({ length: count }, (_, i) => ({
    key: `k${i}`,
    language: i % 3 === 0 ? 'de' : 'en',
    text: i % 50 === 7 ? `rare${i}` : `${word()} ${word()}`,
  }));
}

const options = balanceOptionsSchema.parse({
  englishThreshold: 60,
  termsMinRows: 10,
  termsMinInformation: 0.5,
});

/** Files of terms as the tasks of a run leave them: a folder a task, whose rows are numbered from 0. */
async function unbalanced(rows: readonly Row[], files: number, asked = options, atOnce?: number) {
  const folder = await temporaryFolder();
  const named = new Map<bigint, Row>();
  for (let f = 0; f < files; f += 1) {
    await mkdir(join(folder, `task${f}`));
    const writer = await openParquetWriter(join(folder, `task${f}`, 'terms.parquet'));
    const own = rows.filter((_, i) => i % files === f);
    for (const [i, row] of own.entries()) named.set(BigInt(f * idsOfTask + i), row);
    await writer.write(
      batchOf({
        id: { type: new Int64(), values: own.map((_, i) => BigInt(i)) },
        balance_draw: { type: new Float64(), values: own.map(({ key }) => balanceDraw(key, 1)) },
        terms: {
          type: new List(new Field('element', new Utf8(), true)),
          values: own.map(({ text }) => candidateTerms([text])),
        },
      }),
    );
    await writer.close();
  }
  const tasks = await openParquetWriter(join(folder, 'plan.parquet'));
  const places = Array.from({ length: files }, (_, f) => f);
  await tasks.write(
    batchOf({
      phase: { type: new Utf8(), values: places.map(() => 'admit') },
      position: { type: new Int32(), values: places },
      id: { type: new Utf8(), values: places.map((f) => `task${f}`) },
    }),
  );
  await tasks.close();
  const database = await openDatabase(folder);
  await database.run('CREATE TABLE available (id BIGINT, language VARCHAR, draw DOUBLE)');
  await database.append('available', async (appender) => {
    for (const [id, { language }] of named) {
      appender.appendBigInt(id);
      appender.appendVarchar(language);
      appender.appendDouble(0.5);
      appender.endRow();
    }
  });
  const terms = { glob: join(folder, '*', 'terms.parquet'), tasks: join(folder, 'plan.parquet') };
  const plan = await balanceRows(database, { ...asked, terms }, folder, atOnce);
  const found = await database.rows('SELECT * FROM unbalanced');
  database.close();
  return {
    plan,
    dropped: new Map(found.map((row) => [named.get(row.id as bigint)?.key ?? '', balanceVerdict(row).value])),
  };
}

/** The same by plain counting. */
function expected(rows: readonly Row[]) {
  const texts = rows.map(({ text, language }) => ({ language, terms: candidateTerms([text]) }));
  const counts = new Map<string, number>();
  const totals = new Map<string, number>();
  for (const { language, terms } of texts) {
    totals.set(language, (totals.get(language) ?? 0) + 1);
    for (const term of terms) counts.set(`${language}/${term}`, (counts.get(`${language}/${term}`) ?? 0) + 1);
  }
  const count = (language: string, term: string) => counts.get(`${language}/${term}`) ?? 0;
  const isTerm = (language: string, term: string): boolean => {
    if (count(language, term) < options.termsMinRows) return false;
    const [a = '', b] = term.split(' ');
    if (b === undefined) return true;
    if (!isTerm(language, a) || !isTerm(language, b)) return false;
    const chance = (count(language, a) * count(language, b)) / (totals.get(language) ?? 0);
    return Math.log2(count(language, term) / chance) >= options.termsMinInformation;
  };
  const histograms: Record<string, [number, number][]> = { de: [], en: [] };
  for (const name of counts.keys()) {
    const [language = '', term = ''] = name.split('/');
    if (isTerm(language, term)) histograms[language]?.push([count(language, term), 1]);
  }
  const plan = planBalance(histograms, options.englishThreshold);
  const dropped = rows.flatMap(({ key, language }, i) => {
    const matched = (texts[i]?.terms ?? []).filter((term) => isTerm(language, term));
    const rowsOfTerms = matched.map((term) => count(language, term));
    const threshold = plan.languages[language]?.threshold ?? 0;
    return matched.length > 0 && balanceDraw(key, 1) >= keepProbability(rowsOfTerms, threshold) ? [key] : [];
  });
  return { plan, dropped };
}

describe('balancing over a data set', () => {
  const rows = madeRows(900);

  it('agrees with plain counting', async () => {
    const [found, plain] = [await unbalanced(rows, 1), expected(rows)];
    expect(plain.dropped.length).toBeGreaterThan(100);
    expect(found.plan.tailShare).toBeCloseTo(plain.plan.tailShare ?? -1, 12);
    expect([...found.dropped.keys()].sort()).toEqual([...plain.dropped].sort());
    expect(found.plan.languages).toEqual(plain.plan.languages);
    expect(found.plan.languages.de?.threshold).toBeLessThan(60);
    expect([...found.dropped.values()][0]).toMatch(/^draw 0\.\d{4}, [1-3] terms?$/);
  });

  it('is the same for any order of the rows, any split of their files and any number at once', async () => {
    const one = await unbalanced(rows, 1);
    for (const atOnce of [undefined, 100]) {
      const other = await unbalanced([...rows].reverse(), 3, options, atOnce);
      expect([...other.dropped].sort()).toEqual([...one.dropped].sort());
      expect(other.plan).toEqual(one.plan);
    }
  });

  it('thins out rows of frequent terms, and leaves rare ones all', async () => {
    const { dropped } = await unbalanced(rows, 1);
    const kept = rows.filter(({ key, language }) => language === 'en' && !dropped.has(key));
    const before = rows.filter(({ text, language }) => language === 'en' && text.includes('wa')).length;
    const after = kept.filter(({ text }) => text.includes('wa')).length;
    expect(before).toBeGreaterThan(240);
    expect(after).toBeLessThan(0.75 * before);
    expect(rows.filter(({ text }) => text.startsWith('rare')).every(({ key }) => !dropped.has(key))).toBe(
      true,
    );
  });

  it('drops rows without a term when it is told to', async () => {
    const { dropped } = await unbalanced(rows, 1, { ...options, unmatched: 'drop' });
    expect(dropped.get('k7')).toMatch(/^draw 0\.\d{4}, no term$/);
  });
});
