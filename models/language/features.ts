import { boundary, endOfWord, readWords } from './read-words.ts';

/** Longest n-gram, in code points, the marks of word boundaries counted; longer words are read whole beside. */
export const maxGram = 5;

/** What the identifier sees of a text. */
export interface TextFeatures {
  /** Hashed n-grams of 1 to 5 code points and longer words, [n], 32-bit; a model takes them modulo its buckets. */
  readonly hashes: Uint32Array;
  /** Letters and marks that the text has, those of words that are passed over counted too. */
  readonly letters: number;
  /** Index in `scripts` of the script that the text is written in, -1 without a letter. */
  readonly script: number;
}

/**
 * Reads a text: lower-cased NFC, letters and marks only, each word between marked boundaries, n-grams within
 * words, and whole those words that are longer. Words that have no letter of the text's main script are passed over.
 */
export function readFeatures(text: string): TextFeatures {
  const words = readWords(text);
  const hashes = new Uint32Array(words.length * (maxGram + 1));
  let count = 0;
  for (let start = 0; start + 1 < words.length; ) {
    const end = endOfWord(words, start);
    if (end > 0) count = hashWord(words.points, start, end, hashes, count);
    start = Math.abs(end);
  }
  return { script: words.script, letters: words.letters, hashes: hashes.subarray(0, count) };
}

/** N-grams of a word of so many code points, both boundaries counted. */
export function ngramsOf(points: number): number {
  let count = points > maxGram ? 1 : 0;
  for (let n = 1; n <= Math.min(maxGram, points); n += 1) count += points - n + 1;
  // A boundary alone stands in every word and says nothing.
  return count - 2;
}

/**
 * Writes the hashed n-grams of points[start..end], both ends being boundaries, and of the whole where it is longer than
 * these, to `hashes` from `from` on. Gives where they end.
 */
export function hashWord(
  points: Uint32Array,
  start: number,
  end: number,
  hashes: Uint32Array,
  from: number,
): number {
  let count = from;
  for (let i = start; i <= end; i += 1) {
    let hash = basis;
    const last = Math.min(i + maxGram - 1, end);
    for (let j = i; j <= last; j += 1) {
      hash = Math.imul(hash ^ (points[j] as number), prime);
      if (j === i && points[j] === boundary) continue;
      hashes[count++] = mixed(hash);
    }
  }
  if (end - start + 1 > maxGram) hashes[count++] = mixed(hashOf(points, start, end));
  return count;
}

/** FNV-1a over points[start..end]. */
export function hashOf(points: Uint32Array, start: number, end: number): number {
  let hash = basis;
  for (let j = start; j <= end; j += 1) hash = Math.imul(hash ^ (points[j] as number), prime);
  return hash;
}

/** FNV-1a's offset basis and prime. */
const basis = 0x811c9dc5;
const prime = 0x01000193;

/** A closing mix, for FNV-1a's last step moves low bits only. */
export function mixed(hash: number): number {
  let bits = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d);
  bits = Math.imul(bits ^ (bits >>> 12), 0x297a2d39);
  return (bits ^ (bits >>> 15)) >>> 0;
}
