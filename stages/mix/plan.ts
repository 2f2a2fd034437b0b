import { hashUniform } from '../../schemas/random.ts';

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
export interface MixPlan {
  readonly requestedEnglish: number;
  readonly languages: Readonly<Record<string, PlannedLanguage>>;
  /** What kept the plan from being met, in words; empty when it is met. */
  readonly shortfalls: readonly string[];
}

/** How quotas are shared; see `mixOptionsSchema`. */
export interface QuotaOptions {
  readonly english: number;
  readonly rest: 'natural' | 'uniform' | 'temperature';
  readonly temperature: number;
  readonly rows?: number | undefined;
}

/** The seeded draw of a key, in [0, 1): the one that thresholds are set over. */
export function mixDraw(key: string, seed: number): number {
  return hashUniform(key, `${seed}:mix`);
}

/**
 * Shares a data set among its languages: as many rows as the asked shares of English and of the rest allow, and the
 * rest shared by weight, none given more than it has. Pure and exact: quotas are whole rows, by largest remainder.
 */
export function planQuotas(
  counts: Readonly<Record<string, number>>,
  options: QuotaOptions,
): { quotas: Record<string, number>; shortfalls: string[] } {
  const english = counts.en ?? 0;
  const rest = Object.entries(counts)
    .filter(([language, count]) => language !== 'en' && language !== 'und' && count > 0)
    .sort(([a], [b]) => (a < b ? -1 : 1));
  const others = rest.reduce((sum, [, count]) => sum + count, 0);
  const restShare = 1 - options.english;
  const bounds = [
    options.english > 0 ? english / options.english : Infinity,
    restShare > 0 ? others / restShare : Infinity,
    options.rows ?? Infinity,
  ];
  const total = Math.floor(Math.min(...bounds) + 1e-9);
  const englishQuota = Math.min(english, Math.round(total * options.english));
  const restQuota = Math.min(others, total - englishQuota);
  const weights = rest.map(([, count]) => weightOf(count, options));
  const shared = waterFill(
    restQuota,
    weights,
    rest.map(([, count]) => count),
  );
  const quotas: Record<string, number> = englishQuota > 0 || english > 0 ? { en: englishQuota } : {};
  rest.forEach(([language], i) => {
    quotas[language] = shared[i] ?? 0;
  });
  return { quotas, shortfalls: shortfallsOf(english, others, total, options) };
}

function weightOf(count: number, options: QuotaOptions): number {
  if (options.rest === 'uniform') return 1;
  return options.rest === 'natural' ? count : count ** (1 / options.temperature);
}

/**
 * Shares `total` by weight, none over its cap: what a capped one can't take goes to the others, by weight again.
 * Whole numbers by largest remainder, ties to the earlier. Sums to min(total, sum of caps).
 */
export function waterFill(total: number, weights: readonly number[], caps: readonly number[]): number[] {
  const shares = new Array<number>(weights.length).fill(0);
  let left = Math.min(
    total,
    caps.reduce((sum, cap) => sum + cap, 0),
  );
  let open = weights.map((_, i) => i).filter((i) => (weights[i] ?? 0) > 0 && (caps[i] ?? 0) > 0);
  while (open.length > 0 && left > 0) {
    const weight = open.reduce((sum, i) => sum + (weights[i] ?? 0), 0);
    const full = open.filter((i) => (left * (weights[i] ?? 0)) / weight >= (caps[i] ?? 0));
    if (full.length === 0) {
      largestRemainder(left, open, weights, weight, shares);
      break;
    }
    for (const i of full) {
      shares[i] = caps[i] ?? 0;
      left -= caps[i] ?? 0;
    }
    const closed = new Set(full);
    open = open.filter((i) => !closed.has(i));
  }
  return shares;
}

function largestRemainder(
  left: number,
  open: readonly number[],
  weights: readonly number[],
  weight: number,
  shares: number[],
): void {
  const exact = open.map((i) => ({ i, share: (left * (weights[i] ?? 0)) / weight }));
  let over = left;
  for (const { i, share } of exact) {
    shares[i] = Math.floor(share);
    over -= Math.floor(share);
  }
  const byRemainder = [...exact].sort((a, b) => (b.share % 1) - (a.share % 1) || a.i - b.i);
  for (const { i } of byRemainder.slice(0, over)) shares[i] = (shares[i] ?? 0) + 1;
}

function shortfallsOf(english: number, others: number, total: number, options: QuotaOptions): string[] {
  const shortfalls: string[] = [];
  const share = `${(options.english * 100).toFixed(1)}%`;
  if (english === 0 && options.english > 0) shortfalls.push(`no English row for a mix of ${share} English`);
  if (others === 0 && options.english < 1)
    shortfalls.push(`no non-English row for a mix of ${share} English`);
  if (options.rows !== undefined && total < options.rows) {
    const short = english / options.english < others / (1 - options.english) ? 'English' : 'non-English';
    shortfalls.push(`${options.rows} rows were asked for, and ${short} rows allow ${total}`);
  }
  return shortfalls;
}
