import { hashUniform } from '../../schemas/random.ts';

/** How many terms of a language have how many rows: `[rows, terms]`, each number of rows once. */
export type TermHistogram = readonly (readonly [rows: number, terms: number])[];

/** What is balanced to: the threshold t of each language. */
export interface BalancePlan {
  /** p: the share of English matches that terms under t_en have; null where there is no English term. */
  readonly tailShare: number | null;
  readonly languages: Readonly<Record<string, { readonly terms: number; readonly threshold: number }>>;
}

/** The seeded draw of a key, in [0, 1): a row is kept when it is under the row's probability. */
export function balanceDraw(key: string, seed: number): number {
  return hashUniform(key, `${seed}:balance`);
}

/**
 * The share of all matches that terms with fewer than `threshold` rows have, in [0, 1]: `t_to_p` of MetaCLIP 2's
 * pseudo-code (arXiv 2507.22062). 1 where there is no term.
 */
export function tailShareAt(threshold: number, histogram: TermHistogram): number {
  const all = matches(histogram);
  return all === 0 ? 1 : matches(histogram.filter(([rows]) => rows < threshold)) / all;
}

/**
 * The threshold whose tail has about the share `p` of all matches: the count of the term at which the share of the
 * matches of all terms up to it, in order of counts, is nearest to `p`; the first of several. `p_to_t` of MetaCLIP 2's
 * pseudo-code (arXiv 2507.22062), over a histogram: of terms with equal counts none is told from another.
 * Throws when there is no term.
 */
export function thresholdAt(p: number, histogram: TermHistogram): number {
  const all = matches(histogram);
  const sorted = [...histogram].sort(([a], [b]) => a - b);
  let nearest: { rows: number; distance: number } | null = null;
  let before = 0;
  for (const [rows, terms] of sorted) {
    // Among terms with the same count the share grows evenly: the nearest is the one next to where it crosses p.
    const crossing = (p * all - before) / rows;
    const nth = Math.min(terms, Math.max(1, Math.round(crossing)));
    const distance = Math.abs((before + nth * rows) / all - p);
    if (nearest === null || distance < nearest.distance) nearest = { rows, distance };
    before += rows * terms;
  }
  if (nearest === null) throw new RangeError('a threshold needs at least one term');
  return nearest.rows;
}

/**
 * Thresholds of every language from the English one: the tail of each has the share of its matches that the tail of
 * English has (MetaCLIP 2, arXiv 2507.22062). Where there is no English term, `englishThreshold` is every
 * language's. Pure.
 */
export function planBalance(
  histograms: Readonly<Record<string, TermHistogram>>,
  englishThreshold: number,
): BalancePlan {
  const english = histograms.en ?? [];
  const tailShare = english.length > 0 ? tailShareAt(englishThreshold, english) : null;
  const thresholdOf = (language: string, histogram: TermHistogram) =>
    language === 'en' || tailShare === null ? englishThreshold : thresholdAt(tailShare, histogram);
  const languages = Object.keys(histograms)
    .filter((language) => (histograms[language]?.length ?? 0) > 0)
    .sort()
    .map((language) => {
      const histogram = histograms[language] ?? [];
      const terms = histogram.reduce((sum, [, count]) => sum + count, 0);
      return [language, { terms, threshold: thresholdOf(language, histogram) }] as const;
    });
  return { tailShare, languages: Object.fromEntries(languages) };
}

/**
 * The probability at which a row is kept whose terms have these rows: 1 - prod(1 - t / max(c, t)) (the curation
 * algorithm of MetaCLIP, arXiv 2309.16671, and of MetaCLIP 2, arXiv 2507.22062). The reduction computes the same in SQL; 0 without a term.
 */
export function keepProbability(rowsOfTerms: readonly number[], threshold: number): number {
  const left = rowsOfTerms.map((rows) => 1 - threshold / Math.max(rows, threshold)).sort((a, b) => a - b);
  return 1 - left.reduce((product, value) => product * value, 1);
}

function matches(histogram: TermHistogram): number {
  return histogram.reduce((sum, [rows, terms]) => sum + rows * terms, 0);
}
