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
const [slots, mostPoints] = [2 ** 16, 26];

/** Signed codes of 8 bits are read as unsigned ones, so much higher. */
const bias = 128;
/** Of so many n-grams the sums of codes stay within 16 bits. */
const mostInLane = 255;
const lanes = 0x00ff00ff;

/** Scores texts by a model's n-grams. */
export interface NgramScorer {
  /**
   * Writes scores [languages] of a text by the n-grams it has: the sum of theirs times n^-exponent, for the
   * `candidates` alone (the languages that are written in its script), and 0 for the others.
   */
  score(words: TextWords, candidates: Int32Array, scores: Float64Array): void;
}

/**
 * Makes what scores texts. N-grams stand within words, and few words make most of all texts: what a word's n-grams
 * sum to is remembered, a word a slot of a fixed number, so that a text costs a sum over its words. Sums of two
 * languages share an integer, 16 bits each. Codes are whole numbers and their sums exact: neither changes a bit.
 */
export function createNgramScorer(model: LanguageModel): NgramScorer {
  const { buckets, step, exponent } = model;
  const quads = Math.ceil(model.languages.length / 4);
  const pairs = 2 * quads;
  const order = orderByScript(model);
  const codes = codesByFour(model, order, quads);
  const ranges = rangesByScript(model, order);
  const mask = buckets - 1;
  const remembered = new Int32Array(slots * pairs);
  const spellings = new Uint32Array(slots * mostPoints);
  const lengths = new Uint8Array(slots);
  const writings = new Uint8Array(slots);
  const word = new Int32Array(pairs);
  const held = new Int32Array(pairs);
  const sums = new Int32Array(4 * quads);
  const inSlot = hashesOfWord(mostPoints);

  /**
   * Sums hashes[from..to), at most {@link mostInLane} of them, into `word` for a range of quads: places 4q and 4q + 2
   * share an integer, and so do 4q + 1 and 4q + 3.
   */
  const sumNgrams = (hashes: Uint32Array, from: number, to: number, { first, end }: Range) => {
    const less = Math.imul(bias * (to - from), 0x10001);
    word.fill(-less);
    const rowOf = (i: number) => ((hashes[i] as number) & mask) * quads;
    let i = from;
    // Four rows at a time: the sums are read and written once for all, and the rows wait for memory together.
    for (; i + 4 <= to; i += 4) {
      const [a, b, c, d] = [rowOf(i), rowOf(i + 1), rowOf(i + 2), rowOf(i + 3)];
      for (let q = first; q < end; q += 1) {
        const [s, t] = [codes[a + q] as number, codes[b + q] as number];
        const [u, v] = [codes[c + q] as number, codes[d + q] as number];
        const even = (s & lanes) + (t & lanes) + (u & lanes) + (v & lanes);
        const odd = ((s >>> 8) & lanes) + ((t >>> 8) & lanes) + ((u >>> 8) & lanes) + ((v >>> 8) & lanes);
        word[2 * q] = (word[2 * q] as number) + even;
        word[2 * q + 1] = (word[2 * q + 1] as number) + odd;
      }
    }
    for (; i < to; i += 1) {
      const row = rowOf(i);
      for (let q = first; q < end; q += 1) {
        const four = codes[row + q] as number;
        word[2 * q] = (word[2 * q] as number) + (four & lanes);
        word[2 * q + 1] = (word[2 * q + 1] as number) + ((four >>> 8) & lanes);
      }
    }
  };
  /** Empties what is held of words into the sums of the text. */
  const settle = ({ first, end }: Range) => {
    for (let q = first; q < end; q += 1) {
      for (let odd = 0; odd < 2; odd += 1) {
        const both = held[2 * q + odd] as number;
        const low = (both << 16) >> 16;
        const l = 4 * q + odd;
        sums[l] = (sums[l] as number) + low;
        sums[l + 2] = (sums[l + 2] as number) + ((both - low) >> 16);
      }
    }
    held.fill(0);
  };
  const isSpelt = (points: Uint32Array, start: number, length: number, slot: number, script: number) => {
    if (lengths[slot] !== length || writings[slot] !== script) return false;
    const from = slot * mostPoints - start;
    const last = start + length - 1;
    for (let i = start + 1; i < last; i += 1) if (spellings[from + i] !== points[i]) return false;
    return true;
  };
  /** The slot of a word, which holds what its n-grams sum to for the languages of the text's script. */
  const slotOf = ({ points, script }: TextWords, start: number, end: number, range: Range): number => {
    const length = end - start + 1;
    const slot = mixed(hashOf(points, start, end)) & (slots - 1);
    if (isSpelt(points, start, length, slot, script)) return slot;
    sumNgrams(inSlot, 0, hashWord(points, start, end, inSlot, 0), range);
    remembered.set(word, slot * pairs);
    spellings.set(points.subarray(start, end + 1), slot * mostPoints);
    lengths[slot] = length;
    writings[slot] = script;
    return slot;
  };
  const addLongWord = ({ points }: TextWords, start: number, end: number, range: Range) => {
    const hashes = hashesOfWord(end - start + 1);
    const count = hashWord(points, start, end, hashes, 0);
    for (let from = 0; from < count; from += mostInLane) {
      settle(range);
      sumNgrams(hashes, from, Math.min(count, from + mostInLane), range);
      held.set(word);
    }
    settle(range);
  };
  return {
    score(words, candidates, scores) {
      const range = ranges[words.script] ?? { first: 0, end: quads };
      const [firstPair, endPair] = [2 * range.first, 2 * range.end];
      sums.fill(0);
      let [ngrams, inHeld] = [0, 0];
      for (let start = 0; start + 1 < words.length; ) {
        const end = endOfWord(words, start);
        const length = end - start + 1;
        start = Math.abs(end);
        if (end < 0) continue;
        const count = ngramsOf(length);
        ngrams += count;
        if (length > mostPoints) {
          addLongWord(words, end - length + 1, end, range);
          inHeld = 0;
          continue;
        }
        if (inHeld + count > mostInLane) {
          settle(range);
          inHeld = 0;
        }
        inHeld += count;
        const from = slotOf(words, end - length + 1, end, range) * pairs;
        for (let p = firstPair; p < endPair; p += 1) {
          held[p] = (held[p] as number) + (remembered[from + p] as number);
        }
      }
      settle(range);
      const scale = step * ngrams ** -exponent;
      scores.fill(0);
      for (let j = 0; j < candidates.length; j += 1) {
        const l = candidates[j] as number;
        scores[l] = (sums[order[l] as number] as number) * scale;
      }
    },
  };
}

function hashesOfWord(points: number): Uint32Array {
  return new Uint32Array(points * (maxGram + 1));
}

/** Quads that hold all languages of a script, up to, not including, `end`. */
interface Range {
  readonly first: number;
  readonly end: number;
}

/** The place of each language where those that share a script stand together, [languages]. */
function orderByScript({ languages, scripts: written }: LanguageModel): Int32Array {
  const scriptOf = (l: number) => Math.min(...(written[l] ?? []));
  const sorted = [...languages.keys()].sort((a, b) => scriptOf(a) - scriptOf(b) || a - b);
  const order = new Int32Array(languages.length);
  for (const [place, l] of sorted.entries()) order[l] = place;
  return order;
}

function rangesByScript({ scripts: written }: LanguageModel, order: Int32Array): readonly Range[] {
  return languagesByScript(written).map((candidates) => {
    const places = [...candidates].map((l) => order[l] as number);
    if (places.length === 0) return { first: 0, end: 0 };
    return { first: Math.min(...places) >> 2, end: (Math.max(...places) >> 2) + 1 };
  });
}

/** The table's codes, unsigned, four languages of the order an integer, [buckets, quads]. */
function codesByFour(
  { table, buckets, languages }: LanguageModel,
  order: Int32Array,
  quads: number,
): Int32Array {
  const width = languages.length;
  const bytes = new Uint8Array(buckets * quads * 4);
  for (let l = 0; l < width; l += 1) {
    const place = order[l] as number;
    for (let row = 0; row < buckets; row += 1) {
      bytes[row * quads * 4 + place] = (table[row * width + l] as number) + bias;
    }
  }
  return new Int32Array(bytes.buffer);
}
