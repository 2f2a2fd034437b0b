import type { RunConfig } from './run-parts.ts';

/** One thing that a stage looked at: what it found, and what it was held against. */
export interface Check {
  readonly what: string;
  readonly value: string;
  /** Null where nothing is held against it. */
  readonly threshold: string | null;
}

/** What is known of a kept row when its stages are gone through again. */
export interface CheckedRow {
  readonly width: number | null;
  readonly height: number | null;
  readonly imageStats: Readonly<Record<string, unknown>> | null;
  readonly sha256: string | null;
  readonly altTexts: readonly string[];
  readonly removedTexts: number;
  readonly language: string | null;
  readonly languageScore: number | null;
  readonly textScore: number | null;
  readonly regions: number | null;
  /** Rows of its group of duplicates, itself among them; 0 where it has none. */
  readonly duplicates: number;
  /** Its draw for the mix, in [0, 1). */
  readonly draw: number;
  /** The draw up to which rows of its language were kept; null where none was over it. */
  readonly mixThreshold: string | null;
}

type Checker = (row: CheckedRow, config: RunConfig) => Check[];

const checkers: Readonly<Record<string, Checker>> = {
  'check-images': (row, config) => {
    const { width, height, imageStats } = row;
    const sides =
      width !== null && height !== null
        ? { short: Math.min(width, height), long: Math.max(width, height) }
        : null;
    const limit = (name: string) => settingOf(config, 'images', name);
    return [
      check('shorter side', sides && `${sides.short} px`, atLeast(limit('minSide'), ' px')),
      check(
        'longer side over the shorter',
        sides && (sides.long / sides.short).toFixed(2),
        atMost(limit('maxAspect')),
      ),
      check('pixels', sides && `${sides.short * sides.long}`, atMost(limit('maxPixels'))),
      check('deviation', fixed(imageStats?.deviation), atLeast(limit('minDeviation'))),
      check('entropy', fixed(imageStats?.entropy), atLeast(limit('minEntropy'))),
    ].flat();
  },
  'hash-images': ({ sha256 }) => check('sha256', sha256, null),
  'clean-texts': ({ altTexts, removedTexts }) => [
    ...check('alt-texts left', `${altTexts.length}`, '>= 1'),
    ...check('alt-texts removed', `${removedTexts}`, null),
  ],
  'identify-language': ({ language, languageScore }, config) =>
    check(
      'language',
      language && `${language}, probability ${fixed(languageScore) ?? 'unknown'}`,
      atLeast(settingOf(config, 'language', 'minScore')),
    ),
  deduplicate: ({ duplicates }) =>
    check(
      'rows of its group',
      duplicates > 0 ? `${duplicates}: this one is kept` : '1: no other is like it',
      null,
    ),
  'filter-by-score': ({ textScore }, config) =>
    check('similarity', fixed(textScore, 6), atLeast(settingOf(config, 'scores', 'minimum'))),
  'mix-languages': ({ draw, language, mixThreshold }) =>
    check(
      'draw',
      draw.toFixed(4),
      mixThreshold === null ? `none: no draw of ${language} was too high` : `<= ${mixThreshold}`,
    ),
  'label-regions': ({ regions }) => check('regions', regions === null ? null : `${regions}`, null),
  'embed-with-teacher': ({ textScore }) => check('similarity', fixed(textScore), null),
};

/** What a stage found of a row that it let through, as far as the run's files tell; nothing of an unknown stage. */
export function checksOf(stage: string, row: CheckedRow, config: RunConfig): Check[] {
  return Object.hasOwn(checkers, stage) ? (checkers[stage]?.(row, config) ?? []) : [];
}

function check(what: string, value: string | null, threshold: string | null): Check[] {
  return value === null ? [] : [{ what, value, threshold }];
}

/** A setting of the recipe; the manifest is read as it comes, and may be of another version. */
function settingOf(config: RunConfig, section: string, name: string): number | null {
  const part = config[section];
  if (typeof part !== 'object' || part === null) return null;
  const value = (part as Record<string, unknown>)[name];
  return typeof value === 'number' ? value : null;
}

function atLeast(limit: number | null, unit = ''): string | null {
  return limit === null ? null : `>= ${limit}${unit}`;
}

function atMost(limit: number | null): string | null {
  return limit === null ? null : `<= ${limit}`;
}

function fixed(value: unknown, digits = 3): string | null {
  return typeof value === 'number' ? value.toFixed(digits) : null;
}
