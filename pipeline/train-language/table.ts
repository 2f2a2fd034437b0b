import { readFeatures } from '../../models/language/features.ts';
import { languagesByScript } from '../../models/language/ngrams.ts';
import { scripts } from '../../models/language/scripts.ts';
import { createRandom } from '../../schemas/random.ts';
import type { LabelledText } from './corpus.ts';

/** How the table is taught. */
export interface TableOptions {
  /** Rows of the table, a power of two. */
  readonly buckets: number;
  /** Scores are taken times n^-exponent, n being the n-grams of a text: they overlap and repeat each other. */
  readonly exponent: number;
  /** Passes over the texts that set the counted table right. */
  readonly epochs: number;
  /** Learning rate of AdaGrad in the first step; it falls to 0 in a straight line. */
  readonly rate: number;
}

/** The defaults, found on the texts that calibrate. */
export const tableOptions: TableOptions = { buckets: 2 ** 18, exponent: 0.2, epochs: 1, rate: 0.3 };

/** What is taught: scores [buckets, languages] and the scripts that the languages are written in. */
export interface TaughtTable {
  readonly table: Float32Array;
  /** Indices in `scripts`, [languages]. */
  readonly written: readonly (readonly number[])[];
}

/** n-grams that every language's corpus is scaled to, so that unseen ones cost the same in all languages. */
const corpusGrams = 200_000;

/** Counts are raised to this power: a word that many emoji share says less than its count. */
const countPower = 0.7;

/** What an n-gram never seen in a language counts for. */
const unseenCount = 0.01;

/** How far counted log-probabilities are believed before the texts set them right: n-grams repeat each other. */
const countedBelief = 0.1;

/** A language writes in a script that has at least this share of its texts: brands and untranslated names have less. */
const scriptShare = 0.15;

/** Texts of a language that set the table right, at most; of more, every so many-th. */
const refiningTexts = 30_000;

/** No text weighs more than this many of the median language's. */
const maxWeight = 3;

/** Gradients whose square is below this are not followed: the text is known. */
const knownText = 1e-5;

/** Texts read once: their n-grams one after the other, each text's `ends` at an offset. */
interface ReadTexts {
  readonly hashes: Uint32Array;
  readonly ends: Uint32Array;
  readonly scripts: Int8Array;
  readonly languages: Uint8Array;
}

/**
 * Teaches the table: naive Bayes by the counts of the texts' n-grams, then set right by gradient descent on the
 * cross-entropy of the same texts (multinomial logistic regression that begins at naive Bayes), the languages weighing
 * less than their texts are many. The same texts give the same bits.
 */
export function teachTable(
  codes: readonly string[],
  texts: readonly LabelledText[],
  options: TableOptions = tableOptions,
): TaughtTable {
  const read = readTexts(codes, texts, options.buckets);
  const written = writtenScripts(codes.length, read);
  const table = countTable(codes.length, read, options.buckets);
  refine(table, read, written, options);
  return { table, written };
}

function readTexts(codes: readonly string[], texts: readonly LabelledText[], buckets: number): ReadTexts {
  const indices = new Map(codes.map((code, index) => [code, index]));
  const ends = new Uint32Array(texts.length);
  const found = new Int8Array(texts.length);
  let hashes = new Uint32Array(1 << 20);
  let end = 0;
  for (const [i, { text }] of texts.entries()) {
    const features = readFeatures(text);
    if (end + features.hashes.length > hashes.length) {
      const larger = new Uint32Array(Math.max(2 * hashes.length, end + features.hashes.length));
      larger.set(hashes);
      hashes = larger;
    }
    for (const hash of features.hashes) hashes[end++] = hash & (buckets - 1);
    ends[i] = end;
    found[i] = features.script;
  }
  const languages = Uint8Array.from(texts, ({ language }) => indices.get(language) ?? 0);
  return { hashes, ends, scripts: found, languages };
}

function writtenScripts(width: number, { scripts: found, languages }: ReadTexts): number[][] {
  const tally = Array.from({ length: width }, () => new Float64Array(scripts.length));
  for (const [i, script] of found.entries()) {
    const row = tally[languages[i] as number] as Float64Array;
    if (script >= 0) row[script] = (row[script] as number) + 1;
  }
  return tally.map((row) => {
    const total = row.reduce((a, b) => a + b, 0);
    return [...row.keys()].filter((script) => (row[script] as number) > scriptShare * total);
  });
}

/** Smoothed log-probabilities [buckets, width] over that of an n-gram never seen, times the belief in them. */
function countTable(width: number, { hashes, ends, languages }: ReadTexts, buckets: number): Float32Array {
  const table = new Float32Array(buckets * width);
  let from = 0;
  for (let i = 0; i < ends.length; i += 1) {
    const to = ends[i] as number;
    for (; from < to; from += 1) {
      const at = (hashes[from] as number) * width + (languages[i] as number);
      table[at] = (table[at] as number) + 1;
    }
  }
  const totals = new Float64Array(width);
  for (let at = 0; at < table.length; at += 1) {
    if (table[at] === 0) continue;
    table[at] = (table[at] as number) ** countPower;
    totals[at % width] = (totals[at % width] as number) + (table[at] as number);
  }
  for (let at = 0; at < table.length; at += 1) {
    const scaled = (corpusGrams * (table[at] as number)) / (totals[at % width] as number);
    if (table[at] !== 0) table[at] = countedBelief * Math.log1p(scaled / unseenCount);
  }
  return table;
}

function refine(
  table: Float32Array,
  { hashes, ends, scripts: found, languages }: ReadTexts,
  written: readonly (readonly number[])[],
  { buckets, exponent, epochs, rate }: TableOptions,
): void {
  const width = written.length;
  const candidates = languagesByScript(written);
  const { order, weights } = refiningOrder(width, languages);
  const squares = new Float32Array(buckets).fill(1e-6);
  const scores = new Float64Array(width);
  const random = createRandom('language table');
  const steps = epochs * order.length;
  for (let step = 0; step < steps; step += 1) {
    if (step % order.length === 0) shuffle(order, random.uniform);
    const i = order[step % order.length] as number;
    const own = candidates[found[i] as number] ?? new Int32Array(0);
    const language = languages[i] as number;
    const from = i === 0 ? 0 : (ends[i - 1] as number);
    const to = ends[i] as number;
    if (own.length < 2 || !own.includes(language)) continue;
    for (let j = 0; j < own.length; j += 1) scores[own[j] as number] = 0;
    for (let at = from; at < to; at += 1) {
      const row = (hashes[at] as number) * width;
      for (let j = 0; j < own.length; j += 1) {
        const l = own[j] as number;
        scores[l] = (scores[l] as number) + (table[row + l] as number);
      }
    }
    const scale = (to - from) ** -exponent;
    const square = toGradient(scores, own, language, scale);
    if (square < knownText) continue;
    const weight = (weights[language] as number) * scale;
    for (let at = from; at < to; at += 1) {
      const bucket = hashes[at] as number;
      squares[bucket] = (squares[bucket] as number) + square * weight * weight;
      const move = (rate * weight * (1 - step / steps)) / Math.sqrt(squares[bucket] as number);
      for (let j = 0; j < own.length; j += 1) {
        const cell = bucket * width + (own[j] as number);
        table[cell] = (table[cell] as number) - move * (scores[own[j] as number] as number);
      }
    }
  }
}

/** Scores to the gradient of the cross-entropy by the logits (softmax less one at the truth); its squares' sum. */
function toGradient(scores: Float64Array, own: Int32Array, language: number, scale: number): number {
  let most = Number.NEGATIVE_INFINITY;
  for (let j = 0; j < own.length; j += 1) most = Math.max(most, scores[own[j] as number] as number);
  let total = 0;
  for (let j = 0; j < own.length; j += 1) {
    const l = own[j] as number;
    scores[l] = Math.exp(scale * ((scores[l] as number) - most));
    total += scores[l] as number;
  }
  let square = 0;
  for (let j = 0; j < own.length; j += 1) {
    const l = own[j] as number;
    scores[l] = (scores[l] as number) / total - (l === language ? 1 : 0);
    square += (scores[l] as number) ** 2;
  }
  return square;
}

/** The texts that set the table right, and what each language's weigh: the root of how the median's number compares. */
function refiningOrder(width: number, languages: Uint8Array): { order: Uint32Array; weights: number[] } {
  const counts = new Uint32Array(width);
  for (const language of languages) counts[language] = (counts[language] as number) + 1;
  const seen = new Uint32Array(width);
  const order = Uint32Array.from(
    [...languages.keys()].filter((i) => {
      const language = languages[i] as number;
      seen[language] = (seen[language] as number) + 1;
      return (seen[language] as number) % Math.ceil((counts[language] as number) / refiningTexts) === 0;
    }),
  );
  const used = counts.map((count) => count / Math.ceil(count / refiningTexts));
  const median = [...used].sort((a, b) => a - b)[width >> 1] ?? 1;
  const weights = Array.from(used, (count) => Math.min(maxWeight, Math.sqrt(median / Math.max(count, 1))));
  return { order, weights };
}

function shuffle(order: Uint32Array, uniform: () => number): void {
  for (let i = order.length - 1; i > 0; i -= 1) {
    const j = Math.floor(uniform() * (i + 1));
    const held = order[i] as number;
    order[i] = order[j] as number;
    order[j] = held;
  }
}
