import { hashOf, hashWord, maxGram, mixed, ngramsOf } from './features.ts';
import type { LanguageModel } from './model-file.ts';
import { endOfWord, type TextWords } from './read-words.ts';
import { scripts } from './scripts.ts';

/** Indices of the languages that are written in each script, [scripts]. */
export function languagesByScript(written: readonly (readonly number[])[]): readonly Int32Array[] {
  return scripts.map((_, script) =>
    Int32Array.from([...written.keys()].filter((l) => written[l]?.includes(script) === true)),
  );
}

/** Words that are remembered, and their longest, in code points, boundaries counted. */
const [slots, mostPoints] = [2 ** 15, 26];

/** Scores texts by a model's n-grams. */
export interface NgramScorer {
  /**
   * Writes scores [languages] of a text by the n-grams it has: the sum of theirs times n^-exponent, for the
   * `candidates` alone (the languages that are written in its script, always the same), and 0 for the others.
   */
  score(words: TextWords, candidates: Int32Array, scores: Float64Array): void;
}

/**
 * Makes what scores texts. N-grams stand within words, and few words make most of all texts: what a word's n-grams
 * sum to is remembered, a word a slot of a fixed number, so that a text costs a sum over its words. Codes
 * are whole numbers and their sums exact: what is remembered changes no bit.
 */
export function createNgramScorer({ table, buckets, languages, step, exponent }: LanguageModel): NgramScorer {
  const width = languages.length;
  const mask = buckets - 1;
  const remembered = new Int16Array(slots * width);
  const spellings = new Uint32Array(slots * mostPoints);
  const lengths = new Uint8Array(slots);
  const writings = new Uint8Array(slots);
  const sums = new Int32Array(width);
  let hashes = new Uint32Array((maxGram + 1) * mostPoints);

  /** Adds a word's n-grams to sums [languages] that stand at `at`. */
  const addNgrams = (
    points: Uint32Array,
    start: number,
    end: number,
    candidates: Int32Array,
    into: Int16Array | Int32Array,
    at: number,
  ) => {
    const most = (end - start + 1) * (maxGram + 1);
    if (hashes.length < most) hashes = new Uint32Array(most);
    const count = hashWord(points, start, end, hashes, 0);
    for (let i = 0; i < count; i += 1) {
      const row = ((hashes[i] as number) & mask) * width;
      for (let j = 0; j < candidates.length; j += 1) {
        const l = candidates[j] as number;
        into[at + l] = (into[at + l] as number) + (table[row + l] as number);
      }
    }
  };
  const isRemembered = ({ points, script }: TextWords, start: number, length: number, slot: number) => {
    if (lengths[slot] !== length || writings[slot] !== script) return false;
    const from = slot * mostPoints;
    for (let i = 1; i < length - 1; i += 1) if (spellings[from + i] !== points[start + i]) return false;
    return true;
  };
  const remember = (words: TextWords, start: number, end: number, candidates: Int32Array, slot: number) => {
    const { points, script } = words;
    for (let i = start; i <= end; i += 1) {
      spellings[slot * mostPoints + i - start] = points[i] as number;
    }
    lengths[slot] = end - start + 1;
    writings[slot] = script;
    remembered.fill(0, slot * width, (slot + 1) * width);
    addNgrams(points, start, end, candidates, remembered, slot * width);
  };
  const addWord = (words: TextWords, start: number, end: number, candidates: Int32Array) => {
    const length = end - start + 1;
    if (length > mostPoints) {
      addNgrams(words.points, start, end, candidates, sums, 0);
      return;
    }
    const slot = mixed(hashOf(words.points, start, end)) & (slots - 1);
    // A word of Chinese characters counts for other languages in a Japanese text.
    if (!isRemembered(words, start, length, slot)) remember(words, start, end, candidates, slot);
    const from = slot * width;
    for (let j = 0; j < candidates.length; j += 1) {
      const l = candidates[j] as number;
      sums[l] = (sums[l] as number) + (remembered[from + l] as number);
    }
  };
  return {
    score(words, candidates, scores) {
      sums.fill(0);
      let ngrams = 0;
      for (let start = 0; start + 1 < words.length; ) {
        const end = endOfWord(words, start);
        if (end > 0) {
          addWord(words, start, end, candidates);
          ngrams += ngramsOf(end - start + 1);
        }
        start = Math.abs(end);
      }
      const scale = step * ngrams ** -exponent;
      scores.fill(0);
      for (let j = 0; j < candidates.length; j += 1) {
        const l = candidates[j] as number;
        scores[l] = (sums[l] as number) * scale;
      }
    },
  };
}
