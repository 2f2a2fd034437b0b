import { z } from 'zod';
import { type IsGeneric, isKnownGeneric } from './generic-words.ts';
import { stopWords } from './stop-words.ts';

/** Settings of {@link ngramQueries}. */
export const ngramOptionsSchema = z.strictObject({
  /** Most words of an n-gram. */
  maxWords: z.int().min(1).default(10),
  /** Most queries an image. */
  maxQueries: z.int().min(1).default(300),
});

/** Settings of {@link ngramQueries}, defaults filled in. */
export type NgramOptions = z.infer<typeof ngramOptionsSchema>;

interface Word {
  readonly text: string;
  /** Whether white space stands between this word and the one before it. */
  readonly spaced: boolean;
  readonly stop: boolean;
}

/** Characters of one text that are read, a query of the cap. */
const charactersPerQuery = 64;

/** Letters of a word, at most: what is longer is no word. */
const maxWordLength = 100;

/**
 * The region queries of an image: the n-grams of its alt-texts (Minderer et al., "Scaling open-vocabulary object
 * detection"). Lower-cased; generic words of captions left out; 1 to maxWords words from each word on; no n-gram
 * of stop words and numbers alone; none across punctuation. Words of scripts without spaces are found by
 * `Intl.Segmenter` and joined as they stood. Unique, in the order of their first occurrence. Where there are more
 * than maxQueries, the texts take turns until these are had.
 */
export function ngramQueries(
  texts: readonly string[],
  language: string,
  options: NgramOptions,
  isGeneric: IsGeneric = isKnownGeneric,
): string[] {
  const { maxWords, maxQueries } = options;
  const primary = primaryOf(language);
  const lists = texts.slice(0, maxQueries).map((text) => {
    const read = phrases(text.slice(0, charactersPerQuery * maxQueries), primary, isGeneric);
    return phraseQueries(read, maxWords, maxQueries);
  });
  const chosen = takeTurns(lists, maxQueries);
  return [...new Set(lists.flat())].filter((query) => chosen.has(query));
}

/** Up to `most` different items, the lists taking turns, each giving its next item that none has given yet. */
function takeTurns(lists: readonly (readonly string[])[], most: number): ReadonlySet<string> {
  const chosen = new Set<string>();
  const next = new Uint32Array(lists.length);
  let left = lists.length;
  while (left > 0 && chosen.size < most) {
    left = 0;
    for (const [i, list] of lists.entries()) {
      let at = next[i] ?? 0;
      while (at < list.length && chosen.has(list[at] as string)) at += 1;
      if (at < list.length && chosen.size < most) chosen.add(list[at] as string);
      next[i] = at + 1;
      if (at + 1 < list.length) left += 1;
    }
  }
  return chosen;
}

/** The different words of texts that name something: lower-cased, without stop words and numbers. */
export function namingWords(texts: readonly string[], language: string): Set<string> {
  const words = new Set<string>();
  for (const text of texts) {
    for (const phrase of phrases(text, primaryOf(language), () => false)) {
      for (const { text: word, stop } of phrase) if (!stop) words.add(word);
    }
  }
  return words;
}

function primaryOf(language: string): string {
  return language.toLowerCase().split('-')[0] ?? language;
}

/** The first `most` different n-grams of one text, read as phrases. */
function phraseQueries(read: Iterable<readonly Word[]>, maxWords: number, most: number): string[] {
  const queries = new Set<string>();
  for (const phrase of read) {
    for (let start = 0; start < phrase.length; start += 1) {
      let query = '';
      let named = false;
      for (const [i, word] of phrase.slice(start, start + maxWords).entries()) {
        query += i > 0 && word.spaced ? ` ${word.text}` : word.text;
        named ||= !word.stop;
        if (named) queries.add(query);
        if (queries.size === most) return [...queries];
      }
    }
  }
  return [...queries];
}

const unspacedScript =
  /[\p{scx=Han}\p{scx=Hiragana}\p{scx=Katakana}\p{scx=Thai}\p{scx=Lao}\p{scx=Khmer}\p{scx=Myanmar}]/u;
const letter = /\p{L}/u;

// A hyphen or an apostrophe between letters belongs to the word, as does a point or comma between digits.
const wordPattern =
  /[\p{L}\p{M}\p{N}](?:[\p{L}\p{M}\p{N}\u200C\u200D]|['’ʼ׳״·\u2010\u2011-](?=[\p{L}\p{M}\p{N}])|(?<=\p{N})[.,](?=\p{N}))*/gu;

/** The words of a text in runs without punctuation between, generic ones left out. */
function* phrases(text: string, language: string, isGeneric: IsGeneric): Generator<Word[]> {
  const stops = stopWords(language);
  let phrase: Word[] = [];
  let spaced = false;
  let end = 0;
  const lower = text.toLowerCase().normalize('NFC');
  for (const { 0: run, index } of lower.matchAll(wordPattern)) {
    const between = lower.slice(end, index);
    end = index + run.length;
    if (/\S/u.test(between)) {
      yield phrase;
      phrase = [];
    }
    spaced ||= between !== '';
    for (const word of wordsOf(run, language)) {
      if (word.length <= maxWordLength && !isGeneric(word, language)) {
        phrase.push({ text: word, spaced, stop: stops.has(word) || !letter.test(word) });
        spaced = false;
      }
    }
  }
  yield phrase;
}

/** A run of letters as words: itself, or what the segmenter finds where its script has no spaces. */
function wordsOf(run: string, language: string): readonly string[] {
  if (!unspacedScript.test(run)) return [run];
  const words: string[] = [];
  for (const { segment, isWordLike } of segmenterFor(language).segment(run))
    if (isWordLike === true) words.push(segment);
  return words;
}

const segmenters = new Map<string, Intl.Segmenter>();

function segmenterFor(language: string): Intl.Segmenter {
  const known = segmenters.get(language);
  if (known !== undefined) return known;
  // A language tag that is none makes no other words: the script chooses the dictionary.
  const tag = /^[a-z]{2,3}$/u.test(language) ? language : 'und';
  const made = new Intl.Segmenter(tag, { granularity: 'word' });
  segmenters.set(language, made);
  return made;
}
