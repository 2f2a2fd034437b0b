import type { DriftReport } from '../../schemas/reports.ts';

/** Pairs of each language. */
export type LanguageCounts = Record<string, number>;

/** What was offered and what was selected of it, by language. */
export interface DriftCounts {
  /** Pairs of the super-batches that batches were chosen from, each super-batch once. */
  readonly offered: LanguageCounts;
  /** Pairs of the batches. */
  readonly selected: LanguageCounts;
}

/** Languages that {@link driftOf} names. */
const mostMoved = 10;

/** Adds the languages of some pairs to the counts. */
export function addLanguages(counts: LanguageCounts, languages: Iterable<string>): void {
  for (const language of languages) counts[language] = (counts[language] ?? 0) + 1;
}

/**
 * How far selection moved the mix of languages: the total-variation distance of the two distributions (half the sum of
 * the absolute differences of shares, in [0, 1]), English's shares, and the languages that moved most.
 */
export function driftOf({ offered, selected }: DriftCounts): DriftReport {
  const [allOffered, allSelected] = [total(offered), total(selected)];
  const names = [...new Set([...Object.keys(offered), ...Object.keys(selected)])].sort();
  const languages = names.map((language) => ({
    language,
    offered: share(offered[language], allOffered),
    selected: share(selected[language], allSelected),
  }));
  const moved = (row: { offered: number; selected: number }) => Math.abs(row.selected - row.offered);
  const english = languages.find(({ language }) => language === 'en');
  return {
    pairs: { offered: allOffered, selected: allSelected },
    english: { offered: english?.offered ?? 0, selected: english?.selected ?? 0 },
    totalVariation: languages.reduce((sum, row) => sum + moved(row), 0) / 2,
    moved: languages.toSorted((a, b) => moved(b) - moved(a)).slice(0, mostMoved),
    counts: Object.fromEntries(
      names.map((name) => [name, { offered: offered[name] ?? 0, selected: selected[name] ?? 0 }]),
    ),
  };
}

function total(counts: LanguageCounts): number {
  return Object.values(counts).reduce((sum, n) => sum + n, 0);
}

function share(count: number | undefined, of: number): number {
  return of === 0 ? 0 : (count ?? 0) / of;
}
