import { waterFill } from './water-fill.ts';

/** What the data lacks for the mix that was asked for, in one language. */
export interface MissingRows {
  /** BCP 47; `*` stands for all languages but English together, where the data has too few of them. */
  readonly language: string;
  /** Rows that the mix asks of it. */
  readonly requested: number;
  /** Rows that there are. */
  readonly available: number;
  /** Rows that would have to be added, or its cap raised by. */
  readonly missing: number;
}

/** What keeps a mix from being met. */
export interface Shortfalls {
  /** In words; empty when the mix is met. */
  readonly shortfalls: readonly string[];
  /** By language, English first, then those that lack most; empty when the mix is met. */
  readonly missing: readonly MissingRows[];
}

/** What a plan found of the languages. */
export interface FoundLanguages {
  /** English rows. */
  readonly english: number;
  /** The others: rows, rows at the most, and the weight by which the rest is shared. */
  readonly rest: readonly {
    readonly language: string;
    readonly available: number;
    readonly cap: number;
    readonly weight: number;
  }[];
  /** Rows that the plan keeps. */
  readonly total: number;
}

interface Asked {
  readonly english: number;
  readonly rest: string;
  readonly rows?: number | undefined;
  readonly caps?: Readonly<Record<string, number>> | undefined;
  readonly maxPerLanguage?: number | undefined;
}

/**
 * Holds what was asked for against what there is. With `rows`, the mix of so many; without, the mix of the rows that
 * the plan keeps, or, where a whole side of the mix has none, of those that the other side would allow. The
 * rest is shared among its languages as the plan does, under caps but not under what there is.
 */
export function shortfallsOf(found: FoundLanguages, asked: Asked): Shortfalls {
  const { rest } = found;
  const restCount = sum(rest.map(({ available, cap }) => Math.min(available, cap)));
  const englishLimit = Math.min(found.english, asked.caps?.en ?? asked.maxPerLanguage ?? Infinity);
  const rows =
    asked.rows ?? (found.total > 0 ? found.total : otherSide(englishLimit, restCount, asked.english));
  const englishRows = Math.round(rows * asked.english);
  const restRows = rows - englishRows;
  const shares = waterFill(
    restRows,
    rest.map(({ weight }) => weight),
    rest.map(({ cap }) => Math.min(cap, restRows)),
  );
  const english = missingOf('en', englishRows, found.english, englishLimit);
  const languages = rest
    .map(({ language, available, cap }, i) =>
      missingOf(language, shares[i] ?? 0, available, Math.min(available, cap)),
    )
    .sort((a, b) => b.missing - a.missing || (a.language < b.language ? -1 : 1));
  // What the languages that there are may not take under their caps is asked of all together.
  const unshared = missingOf('*', restRows, restCount, sum(shares));
  const missing = [english, ...languages, unshared].filter((row) => row.missing > 0);
  return {
    missing,
    shortfalls: missing.length > 0 ? sentences(found, asked, missing, englishLimit, restCount) : [],
  };
}

const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);

function missingOf(language: string, requested: number, available: number, limit: number): MissingRows {
  return { language, requested, available, missing: Math.max(0, requested - limit) };
}

/** Rows of a mix that takes all of one side, where the other one has none. */
function otherSide(english: number, rest: number, share: number): number {
  if (english > 0 && rest === 0 && share > 0) return Math.floor(english / share);
  return rest > 0 && english === 0 && share < 1 ? Math.floor(rest / (1 - share)) : 0;
}

function sentences(
  found: FoundLanguages,
  asked: Asked,
  missing: readonly MissingRows[],
  english: number,
  rest: number,
): string[] {
  const share = `${(asked.english * 100).toFixed(1)}%`;
  const lines: string[] = [];
  if (english === 0 && asked.english > 0) lines.push(`no English row for a mix of ${share} English`);
  if (rest === 0 && asked.english < 1) lines.push(`no non-English row for a mix of ${share} English`);
  if (asked.rows !== undefined && found.total < asked.rows) {
    const short = english / asked.english < rest / (1 - asked.english) ? 'English' : 'non-English';
    const capped =
      short === 'English' ? english < found.english : found.rest.some((row) => row.cap < row.available);
    const what = capped ? `the caps of ${short} rows` : `${short} rows`;
    lines.push(`${asked.rows} rows were asked for, and ${what} allow ${found.total}`);
  }
  const languages = missing.filter(({ language }) => language !== 'en' && language !== '*');
  if (languages.length > 0 && rest > 0) {
    const named = languages.slice(0, 3).map((row) => `${row.language} ${row.missing} of ${row.requested}`);
    const others = languages.length > named.length ? ` and ${languages.length - named.length} more` : '';
    lines.push(`rows are missing for the ${asked.rest} shares of the rest: ${named.join(', ')}${others}`);
  }
  return lines;
}
