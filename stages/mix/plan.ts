import { hashUniform } from '../../schemas/random.ts';
import { type Shortfalls, shortfallsOf } from './shortfalls.ts';
import { waterFill, waterFillOver } from './water-fill.ts';

/** What the plan gives one language. */
export interface PlannedLanguage {
  /** Rows that could be kept. */
  readonly available: number;
  /** Rows that are kept. */
  readonly quota: number;
  /** The draw up to which a key is kept: the quota-th smallest of the language's draws. */
  readonly threshold: number;
}

/** The mix of a whole data set: what was asked for, and what each language is given. */
export interface MixPlan extends Shortfalls {
  readonly requestedEnglish: number;
  readonly languages: Readonly<Record<string, PlannedLanguage>>;
}

/** How quotas are shared; see `mixOptionsSchema`. */
export interface QuotaOptions {
  readonly english: number;
  readonly rest: 'natural' | 'uniform' | 'temperature';
  readonly temperature: number;
  readonly rows?: number | undefined;
  readonly caps?: Readonly<Record<string, number>> | undefined;
  readonly maxPerLanguage?: number | undefined;
}

/** The seeded draw of a key, in [0, 1): the one that thresholds are set over. */
export function mixDraw(key: string, seed: number): number {
  return hashUniform(key, `${seed}:mix`);
}

/** What earlier runs over a part of a data set left, in rows by language; both are part of the counts of the whole. */
export interface EarlierRows {
  /** Rows that they wrote, which stay. */
  readonly written: Readonly<Record<string, number>>;
  /** Rows that can be had: those, and those that weren't seen before. What they left out isn't read again. */
  readonly obtainable: Readonly<Record<string, number>>;
}

/**
 * Shares a data set among its languages: as many rows as the asked shares of English and of the rest allow, and the
 * rest shared by weight, none given more than it has or than its cap. Pure and exact: quotas are whole rows, by
 * largest remainder. What the data lacks for the mix that was asked for is said, language by language.
 *
 * Over what earlier runs left, no language is given fewer rows than are written, nor more than can be had; the others share
 * what that leaves, so that English keeps its share of the whole.
 */
export function planQuotas(
  counts: Readonly<Record<string, number>>,
  options: QuotaOptions,
  { written = {}, obtainable = counts }: Partial<EarlierRows> = {},
): { quotas: Record<string, number> } & Shortfalls {
  const languages = Object.keys(counts)
    .filter((language) => language !== 'en' && language !== 'und' && (counts[language] ?? 0) > 0)
    .sort();
  const limitOf = (language: string) => Math.min(obtainable[language] ?? 0, capOf(language, options));
  const english = limitOf('en');
  const limits = languages.map(limitOf);
  const others = sum(limits);
  const total = totalOf(english, others, options);
  const englishQuota = Math.max(written.en ?? 0, Math.min(english, Math.round(total * options.english)));
  const weights = languages.map((language) => weightOf(counts[language] ?? 0, options));
  const floors = languages.map((language) => written[language] ?? 0);
  const restQuota = Math.min(others, Math.max(0, total - englishQuota));
  const shared = waterFillOver(restQuota, weights, limits, floors);
  const quotas: Record<string, number> = englishQuota > 0 || 'en' in counts ? { en: englishQuota } : {};
  languages.forEach((language, i) => {
    quotas[language] = shared[i] ?? 0;
  });
  const rest = languages.map((language, i) => ({
    language,
    available: obtainable[language] ?? 0,
    cap: capOf(language, options),
    weight: weights[i] ?? 0,
  }));
  const found = { english: obtainable.en ?? 0, rest, total };
  const { shortfalls, missing } = shortfallsOf(found, options);
  const over = overShare(languages, floors, waterFill(restQuota, weights, limits));
  return { quotas, missing, shortfalls: [...shortfalls, ...over] };
}

/** What only a rewrite of what earlier runs wrote could put right. */
function overShare(
  languages: readonly string[],
  written: readonly number[],
  shares: readonly number[],
): string[] {
  const over = languages
    .map((language, i) => ({ language, rows: (written[i] ?? 0) - (shares[i] ?? 0) }))
    .filter(({ rows }) => rows > 0)
    .sort((a, b) => b.rows - a.rows || (a.language < b.language ? -1 : 1));
  if (over.length === 0) return [];
  const named = over.slice(0, 3).map(({ language, rows }) => `${language} ${rows}`);
  const others = over.length > named.length ? ` and ${over.length - named.length} more languages` : '';
  return [`rows that earlier runs wrote are over their shares of the whole: ${named.join(', ')}${others}`];
}

/** Rows of the largest mix: as many as were asked for, or as the shares allow. */
function totalOf(english: number, others: number, options: QuotaOptions): number {
  const { english: share, rows = Infinity } = options;
  const englishRows = Math.round(rows * share);
  if (Number.isFinite(rows) && englishRows <= english && rows - englishRows <= others) return rows;
  const bounds = [share > 0 ? english / share : Infinity, share < 1 ? others / (1 - share) : Infinity, rows];
  return Math.floor(Math.min(...bounds) + 1e-9);
}

/** Rows of a language at the most: its own cap, or the one of every language. */
export function capOf(language: string, options: Pick<QuotaOptions, 'caps' | 'maxPerLanguage'>): number {
  return options.caps?.[language] ?? options.maxPerLanguage ?? Infinity;
}

const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);

function weightOf(count: number, options: QuotaOptions): number {
  if (options.rest === 'uniform') return 1;
  return options.rest === 'natural' ? count : count ** (1 / options.temperature);
}
