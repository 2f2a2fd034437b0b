import type { Verdict } from '../../schemas/verdicts.ts';
import { fileNames, footerPhrases, placeholders, templateRemains } from './boilerplate.ts';
import { cleanText, tidyText } from './clean-text.ts';
import { countCharacters, repetitionOf, wordsOf } from './measure-text.ts';

/** What a text may be left out for, in the order in which it is asked. */
export const textFilters = [
  'template-remains',
  'broken-encoding',
  'too-long',
  'file-name',
  'no-letters',
  'placeholder',
  'footer',
  'boilerplate',
  'too-short',
  'too-few-words',
  'repetition',
] as const;

/** One of {@link textFilters}, or `empty`, which no text may be. */
export type TextReason = (typeof textFilters)[number] | 'empty';

/** Bounds for one text. */
export interface JudgeOptions {
  /** Fewest characters; an ideograph, kana or Hangul syllable counts for two, being as wide as two letters. */
  readonly minCharacters: number;
  /** Most characters (Unicode code points). */
  readonly maxCharacters: number;
  /** Fewest words; scripts without spaces are cut into words by dictionaries. */
  readonly minWords: number;
  /** The largest share of a text that may repeat what it said before. */
  readonly maxRepetition: number;
  /** Further texts that are boilerplate on their own, compared without regard to case. */
  readonly boilerplate: readonly string[];
  /** The filters that count. */
  readonly filters: readonly (typeof textFilters)[number][];
}

/** Why a text is not wanted. */
export interface TextFault extends Verdict {
  readonly reason: TextReason;
}

/** A text, cleaned, and what is wrong with it. It is as long as its source at the most, and bounded where that isn't. */
export interface JudgedText {
  readonly text: string;
  readonly fault?: TextFault;
}

/**
 * Code units of a source, for each character that a text may have, that are read at all: an `é` encoded thrice takes
 * 16, and a megabyte need not be cleaned to be too long.
 */
export const sourceUnits = 16;

/** Cleans one alt-text and decides, on that text alone, whether it says something of the picture. Never throws. */
export function judgeText(raw: string, options: JudgeOptions): JudgedText {
  const most = sourceUnits * options.maxCharacters;
  const source = raw.length > most ? raw.slice(0, most) : raw;
  const cleaned = cleanText(source);
  const text = cleaned === '' ? tidyText(source) : cleaned;
  const fault =
    raw.length > most
      ? tooLong(`${raw.length} characters`, options)
      : findFault({ raw, text: cleaned, lower: cleaned.toLowerCase() }, options);
  return fault === null ? { text: cleaned } : { text, fault };
}

interface Subject {
  readonly raw: string;
  readonly text: string;
  readonly lower: string;
}

function findFault(subject: Subject, options: JudgeOptions): TextFault | null {
  for (const filter of textFilters) {
    const value = options.filters.includes(filter) ? checks[filter](subject, options) : null;
    if (value !== null) return typeof value === 'string' ? { reason: filter, value } : value;
  }
  if (subject.text !== '') return null;
  return { reason: subject.raw.trim() === '' ? 'empty' : 'no-letters', value: '' };
}

const counted = (count: number, unit: string) => `${count} ${unit}${count === 1 ? '' : 's'}`;

function tooLong(value: string, { maxCharacters }: JudgeOptions): TextFault {
  return { reason: 'too-long', value, threshold: `${maxCharacters} characters` };
}

/** What each filter finds: a fault, or its value alone where there is no threshold, or nothing. */
const checks: Readonly<
  Record<(typeof textFilters)[number], (subject: Subject, options: JudgeOptions) => TextFault | string | null>
> = {
  'template-remains': ({ raw }) => templateRemains.exec(raw)?.[0].slice(0, 40) ?? null,
  'broken-encoding': ({ raw }) => (raw.includes('\uFFFD') ? 'U+FFFD' : null),
  'too-long': ({ text }, options) => {
    if (text.length <= options.maxCharacters) return null;
    const { count } = countCharacters(text);
    return count > options.maxCharacters ? tooLong(`${count} characters`, options) : null;
  },
  'file-name': ({ text }) => (fileNames.some((pattern) => pattern.test(text)) ? '' : null),
  'no-letters': ({ raw, text }) => {
    if (raw.trim() === '') return { reason: 'empty', value: '' };
    return /\p{L}/u.test(text) ? null : '';
  },
  placeholder: ({ lower }) => (isPlaceholder(lower) ? '' : null),
  footer: ({ text }) => footerPhrases.exec(text)?.[0] ?? null,
  boilerplate: ({ lower }, { boilerplate }) =>
    boilerplate.some((phrase) => phrase.toLowerCase() === lower) ? '' : null,
  'too-short': ({ text }, { minCharacters }) => {
    if (text.length >= 2 * minCharacters) return null;
    const { width } = countCharacters(text);
    if (width >= minCharacters) return null;
    const [value, threshold] = [counted(width, 'character'), counted(minCharacters, 'character')];
    return { reason: 'too-short', value, threshold };
  },
  'too-few-words': ({ text }, { minWords }) => {
    const words = minWords > 1 ? wordsOf(text).length : minWords;
    if (words >= minWords) return null;
    const [value, threshold] = [counted(words, 'word'), counted(minWords, 'word')];
    return { reason: 'too-few-words', value, threshold };
  },
  repetition: ({ text }, { maxRepetition }) => {
    const { unit, share } = repetitionOf(text);
    if (share <= maxRepetition) return null;
    return { reason: 'repetition', value: `${unit} ${share.toFixed(2)}`, threshold: `${maxRepetition}` };
  },
};

/** The number that closes a placeholder, and the signs around one. */
export const numberPatterns: readonly [RegExp, RegExp] = [
  /(?<![\s#(_-])[\s#(_-]*(?<!\d)\d+(?:\s?(?:of|\/|von|de|из)\s?\d+)?\)?$/u,
  /^[\s.[("'*_-]+|(?<![\s.:!)\]"'*_-])[\s.:!)\]"'*_-]+$/gu,
];

/** Whether a text, lower-case, is a placeholder, be it with a number or signs. */
export function isPlaceholder(lower: string): boolean {
  return placeholders.has(withoutNumber(lower));
}

/** `image 3`, `Photo 2 of 7`, `[untitled]` without their number and signs. */
function withoutNumber(text: string): string {
  const [number, signs] = numberPatterns;
  return text.replace(number, '').replace(signs, '');
}
