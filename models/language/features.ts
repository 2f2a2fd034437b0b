import { inherited, mainScript, noScript, scriptOf, scripts } from './scripts.ts';

/** Longest n-gram, in code points, the marks of word boundaries counted; longer words are read whole beside. */
export const maxGram = 5;

/** Code points of a text that are read, at most: more say nothing new of its language. */
const maxCodePoints = 4000;

const boundary = 0x20;

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
 * words, and whole those words that are longer. Words that have no letter of the text's main script are passed over
 * (a brand's name in a Chinese text).
 */
export function readFeatures(text: string): TextFeatures {
  const points = new Uint32Array(Math.min(text.length, maxCodePoints) * 2 + 2);
  const kinds = new Uint8Array(points.length);
  const counts = new Uint32Array(scripts.length);
  let length = 0;
  let letters = 0;
  let before = noScript;
  points[length++] = boundary;
  for (const character of text.slice(0, maxCodePoints).toLowerCase().normalize('NFC')) {
    if (length + 1 >= points.length) break;
    const point = character.codePointAt(0) ?? boundary;
    let script = scriptOf(point);
    if (script === inherited) script = before;
    before = script;
    if (script === noScript) {
      if (points[length - 1] !== boundary) points[length++] = boundary;
      continue;
    }
    counts[script] = (counts[script] ?? 0) + 1;
    letters += 1;
    kinds[length] = script + 1;
    points[length++] = point;
  }
  if (points[length - 1] !== boundary) points[length++] = boundary;
  const script = mainScript(counts);
  return { script, letters, hashes: hashWords(points.subarray(0, length), kinds, script) };
}

function hashWords(points: Uint32Array, kinds: Uint8Array, script: number): Uint32Array {
  const hashes = new Uint32Array(points.length * (maxGram + 1));
  let count = 0;
  let start = 0;
  while (start + 1 < points.length) {
    let end = start + 1;
    let wanted = false;
    for (; points[end] !== boundary; end += 1) wanted ||= belongs((kinds[end] ?? 0) - 1, script);
    if (wanted) count = hashWord(points, start, end, hashes, count);
    start = end;
  }
  return hashes.subarray(0, count);
}

const kana = scripts.indexOf('Kana');
const han = scripts.indexOf('Han');

function belongs(kind: number, script: number): boolean {
  return kind === script || (script === kana && kind === han);
}

/** Adds the n-grams of points[start..end], both ends being boundaries, and the whole where it is longer than these. */
function hashWord(
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
      hash = Math.imul(hash ^ (points[j] ?? 0), prime);
      // A boundary alone stands in every word and says nothing.
      if (j === i && points[j] === boundary) continue;
      hashes[count++] = mixed(hash);
    }
  }
  if (end - start + 1 > maxGram) {
    let hash = basis;
    for (let j = start; j <= end; j += 1) hash = Math.imul(hash ^ (points[j] ?? 0), prime);
    hashes[count++] = mixed(hash);
  }
  return count;
}

/** FNV-1a's offset basis and prime. */
const basis = 0x811c9dc5;
const prime = 0x01000193;

/** A closing mix, for FNV-1a's last step moves low bits only. */
function mixed(hash: number): number {
  let bits = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d);
  bits = Math.imul(bits ^ (bits >>> 12), 0x297a2d39);
  return (bits ^ (bits >>> 15)) >>> 0;
}
