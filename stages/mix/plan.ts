import { hashUniform } from '../../schemas/random.ts';
import { type Shortfalls, shortfallsOf } from './shortfalls.ts';
import { waterFill } from './water-fill.ts';

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

/**
 * Shares a data set among its languages: as many rows as the asked shares of English and of the rest allow, and the
 * rest shared by weight, none given more than it has or than its cap. Pure and exact: quotas are whole rows, by
 * largest remainder. What the data lacks for the mix that was asked for is said, language by language.
 */
export function planQuotas(
  counts: Readonly<Record<string, number>>,
  options: QuotaOptions,
): { quotas: Record<string, number> } & Shortfalls {
  const languages = Object.keys(counts)
    .filter((language) => language !== 'en' && language !== 'und' && (counts[language] ?? 0) > 0)
    .sort();
  const limitOf = (language: string) => Math.min(counts[language] ?? 0, capOf(language, options));
  const english = limitOf('en');
  const limits = languages.map(limitOf);
  const others = sum(limits);
  const total = totalOf(english, others, options);
  const englishQuota = Math.min(english, Math.round(total * options.english));
  const weights = languages.map((language) => weightOf(counts[language] ?? 0, options));
  const shared = waterFill(Math.min(others, total - englishQuota), weights, limits);
  const quotas: Record<string, number> = englishQuota > 0 || 'en' in counts ? { en: englishQuota } : {};
  languages.forEach((language, i) => {
    quotas[language] = shared[i] ?? 0;
  });
  const rest = languages.map((language, i) => ({
    language,
    available: counts[language] ?? 0,
    cap: capOf(language, options),
    weight: weights[i] ?? 0,
  }));
  const found = { english: counts.en ?? 0, rest, total };
  return { quotas, ...shortfallsOf(found, options) };
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
