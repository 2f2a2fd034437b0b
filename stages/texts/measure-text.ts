const wide = /[\p{scx=Han}\p{scx=Hiragana}\p{scx=Katakana}\p{scx=Hangul}]/u;
/** Scripts written without spaces between words. */
const unspaced =
  /[\p{scx=Han}\p{scx=Hiragana}\p{scx=Katakana}\p{scx=Thai}\p{scx=Lao}\p{scx=Khmer}\p{scx=Myanmar}]/u;
const segmenter = new Intl.Segmenter('en', { granularity: 'word' });

/** How long a text is: in code points, and in widths of a letter, of which an ideograph, kana or syllable has two. */
export function countCharacters(text: string): { readonly count: number; readonly width: number } {
  let count = 0;
  let width = 0;
  for (const character of text) {
    count += 1;
    width += character > '\u10ff' && wide.test(character) ? 2 : 1;
  }
  return { count, width };
}

/**
 * The words of a text: what stands between white space; in scripts without spaces (Chinese, Japanese, Thai, Lao,
 * Khmer, Burmese) what Unicode's dictionaries find in it.
 */
export function wordsOf(text: string): string[] {
  const words = text.split(/\s+/u).filter((word) => word !== '');
  if (!unspaced.test(text)) return words;
  return words.flatMap((word) => {
    if (!unspaced.test(word)) return [word];
    const parts = Array.from(segmenter.segment(word)).filter((part) => part.isWordLike);
    return parts.length > 0 ? parts.map((part) => part.segment) : [word];
  });
}

/** Fewer words than these say nothing of repetition, and fewer characters. */
const [fewestWords, fewestCharacters] = [8, 10];
/** Characters of the n-grams that are compared. */
const gram = 5;

/** How much of a text repeats what it said before. */
export interface Repetition {
  readonly unit: 'words' | 'characters';
  /** The share of the words, or of the 5-grams of characters, that stood in the text before: 0 to 1. */
  readonly share: number;
}

/**
 * Measures a text's repetition by its words and by its n-grams of characters, and gives the larger share: the idea of
 * Rae et al., "Scaling Language Models: Methods, Analysis & Insights from Training Gopher" (2021, table A1), for texts
 * of a line, where the shares of documents would condemn any sentence. A text said twice stays under a half.
 */
export function repetitionOf(text: string): Repetition {
  const lower = text.toLowerCase();
  const words: Repetition = { unit: 'words', share: repeatedWords(lower) };
  const characters: Repetition = { unit: 'characters', share: repeatedGrams(lower) };
  return words.share > characters.share ? words : characters;
}

function repeatedWords(text: string): number {
  const words = wordsOf(text);
  return words.length < fewestWords ? 0 : 1 - new Set(words).size / words.length;
}

function repeatedGrams(text: string): number {
  if (text.length < fewestCharacters) return 0;
  const grams = new Set<string>();
  const count = text.length - gram + 1;
  for (let i = 0; i < count; i += 1) grams.add(text.slice(i, i + gram));
  return 1 - grams.size / count;
}
