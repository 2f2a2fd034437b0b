import { inherited, mainScript, noScript, scriptOf, scripts } from './scripts.ts';

/** Code units of a text that are read, at most: more say nothing new of its language. */
const mostUnits = 4000;

/** What stands for the end of a word. */
export const boundary = 0x20;

const latin = scripts.indexOf('Latin');
const kana = scripts.indexOf('Kana');
const han = scripts.indexOf('Han');

/** The words of one text, between marked boundaries. It is one and the same object for every text that is read. */
export interface TextWords {
  /** Lower-case NFC letters and marks, a {@link boundary} before and after every word, [length]. */
  readonly points: Uint32Array;
  /** Index in `scripts` of each letter's script plus 1, [length]; boundaries have no meaning here. */
  readonly kinds: Uint8Array;
  length: number;
  /** Letters and marks of all words, those that are passed over counted too. */
  letters: number;
  /** Index in `scripts` of the script that the text is written in, -1 without a letter. */
  script: number;
}

// Case and composition may make two code points of one.
const size = 2 * mostUnits + 2;

const words: TextWords = {
  points: new Uint32Array(size),
  kinds: new Uint8Array(size),
  length: 0,
  letters: 0,
  script: -1,
};
const counts = new Uint32Array(scripts.length);

/** ASCII's letters in lower case, and 0 for all else, [128]. */
const asciiLetters = Uint8Array.from({ length: 128 }, (_, code) =>
  /[a-z]/iu.test(String.fromCharCode(code)) ? code | 0x20 : 0,
);

/** Reads a text's words. What it gives holds until the next text is read. */
export function readWords(text: string): TextWords {
  const { points, kinds } = words;
  const most = Math.min(text.length, mostUnits) * 2 + 2;
  const form = text.slice(0, mostUnits).toLowerCase().normalize('NFC');
  counts.fill(0);
  let length = 0;
  let letters = 0;
  let before = noScript;
  points[length++] = boundary;
  for (let i = 0; i < form.length && length + 1 < most; i += 1) {
    const point = form.codePointAt(i) as number;
    if (point > 0xffff) i += 1;
    let script = scriptOf(point);
    if (script === inherited) script = before;
    before = script;
    if (script === noScript) {
      if (points[length - 1] !== boundary) points[length++] = boundary;
      continue;
    }
    counts[script] = (counts[script] as number) + 1;
    letters += 1;
    kinds[length] = script + 1;
    points[length++] = point;
  }
  if (points[length - 1] !== boundary) points[length++] = boundary;
  words.length = length;
  words.letters = letters;
  words.script = mainScript(counts);
  return words;
}

/**
 * Reads the words of a text of bytes `from` up to `to`, without making a string of it; null where it is not ASCII,
 * or longer than what is read of one. What it gives holds until the next text is read.
 */
export function readAsciiWords(bytes: Uint8Array, from: number, to: number): TextWords | null {
  if (to - from > mostUnits) return null;
  const { points, kinds } = words;
  let length = 0;
  let letters = 0;
  let last = boundary;
  points[length++] = boundary;
  for (let i = from; i < to; i += 1) {
    const byte = bytes[i] as number;
    if (byte > 0x7f) return null;
    const letter = asciiLetters[byte] as number;
    if (letter !== 0) {
      letters += 1;
      kinds[length] = latin + 1;
      points[length++] = letter;
      last = letter;
    } else if (last !== boundary) {
      points[length++] = boundary;
      last = boundary;
    }
  }
  if (last !== boundary) points[length++] = boundary;
  words.length = length;
  words.letters = letters;
  words.script = letters > 0 ? latin : -1;
  return words;
}

/**
 * Where the next word after the boundary at `start` ends (at its boundary), negative where it has no letter of the
 * text's main script and is passed over: a brand's name in a Chinese text.
 */
export function endOfWord({ points, kinds, script }: TextWords, start: number): number {
  let end = start + 1;
  let wanted = false;
  for (; points[end] !== boundary; end += 1) {
    const kind = (kinds[end] as number) - 1;
    wanted ||= kind === script || (script === kana && kind === han);
  }
  return wanted ? end : -end;
}
