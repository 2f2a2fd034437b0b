import { footerMarks, placeholders } from './boilerplate.ts';
import { isPlaceholder, type JudgeOptions } from './judge-text.ts';

/** Tells plain texts, which most texts of a page are, from those that have to be looked at. */
export type IsPlain = (bytes: Uint8Array, from: number, to: number) => boolean;

/** Kinds of bytes. The last are what entities, tags, addresses and templates have, and all but printable ASCII. */
const Kind = { other: 0, letter: 1, digit: 2, space: 3, dot: 4, slash: 5, colon: 6, special: 7 } as const;

const kinds = Uint8Array.from({ length: 256 }, (_, code) => {
  const character = String.fromCharCode(code);
  if (code < 0x20 || code > 0x7e || '&<@{$=[%'.includes(character)) return Kind.special;
  if (/[a-z]/iu.test(character)) return Kind.letter;
  if (/\d/u.test(character)) return Kind.digit;
  const at = [' ', '.', '/', ':'].indexOf(character);
  return at < 0 ? Kind.other : Kind.space + at;
});

const lowerCase = Uint8Array.from({ length: 256 }, (_, code) =>
  code >= 0x41 && code <= 0x5a ? code | 0x20 : code,
);

const codesOf = (four: string) => [...four].reduce((code, c) => (code << 8) | c.charCodeAt(0), 0);
const marks: ReadonlySet<number> = new Set(footerMarks.map(codesOf));
const placeOf = (four: number) => Math.imul(four, 0x9e3779b1) >>> 18;
const marked = new Uint8Array(2 ** 14);
for (const mark of marks) marked[placeOf(mark)] = 1;

const lettersIn = (text: string) => text.match(/\p{L}/gu)?.length ?? 0;
/** Letters of the longest placeholder with a number such as "2 von 7". */
const mostPlaceholder = Math.max(...[...placeholders].map(lettersIn)) + 3;

/** Letters of the longest file name of a camera ("screenshot 3 edited"), and before the number of a screenshot. */
const [mostOfCamera, mostBeforeNumber] = [16, 17];
/** What names of screenshots begin with. */
const screenshots = [...'wsbc'].map((letter) => letter.charCodeAt(0));

const [j, w, underscore, parenthesis] = [0x6a, 0x77, 0x5f, 0x28];

/** Places of a table in which n-grams and words are marked as seen; two may share one. */
const seenPlaces = 2 ** 12;

/**
 * Makes what finds texts of UTF-8 that `judgeText` would leave as they are and have nothing against, by one look at
 * their bytes: ASCII, tidy, and without the least sign of what is cleaned or filtered. It never takes another text for
 * plain; a plain one that it doesn't find costs time and nothing else.
 */
export function createIsPlain(options: JudgeOptions): IsPlain {
  const { minCharacters, maxCharacters, minWords, maxRepetition } = options;
  const mostBoilerplate = Math.max(0, ...options.boilerplate.map((text) => text.length));
  const seen = new Uint32Array(seenPlaces);
  let turn = 0;

  /** Whether no more of the words and 5-grams than is allowed were seen before, each taken for seen that may be. */
  const isVaried = (bytes: Uint8Array, from: number, to: number, words: number): boolean => {
    turn = (turn + 2) >>> 0;
    if (turn === 0) {
      seen.fill(0);
      turn = 2;
    }
    const grams = to - from - 4;
    // At the very bound the share itself, as it is rounded, has to decide.
    const most = maxRepetition - 1e-9;
    let [repeatedGrams, repeatedWords, word, high, low] = [0, 0, 0, 0, 0];
    for (let i = from; i < to; i += 1) {
      const byte = lowerCase[bytes[i] as number] as number;
      high = low >>> 24;
      low = (low << 8) | byte;
      if (i - from >= 4) {
        const place = Math.imul(low ^ Math.imul(high, 0x85ebca6b), 0x9e3779b1) >>> 20;
        if (seen[place] === turn) repeatedGrams += 1;
        else seen[place] = turn;
      }
    }
    if (grams > 5 && repeatedGrams > most * grams) return false;
    if (words < 8) return true;
    for (let i = from; i <= to; i += 1) {
      const byte = i < to ? (lowerCase[bytes[i] as number] as number) : 0x20;
      if (byte !== 0x20) {
        word = Math.imul(word ^ byte, 0x01000193);
        continue;
      }
      const place = Math.imul(word, 0x9e3779b1) >>> 20;
      word = 0;
      if (seen[place] === turn + 1) repeatedWords += 1;
      else seen[place] = turn + 1;
    }
    return repeatedWords <= most * words;
  };

  return (bytes, from, to) => {
    const length = to - from;
    if (length < Math.max(1, minCharacters) || length > maxCharacters || length <= mostBoilerplate)
      return false;
    let [letters, digits, spaces, lettersBeforeDigit] = [0, 0, 0, 0];
    let [hasDot, hasSlash, hasColon, hasSign, hasParenthesis] = [false, false, false, false, false];
    let [four, before] = [0, Kind.space as number];
    for (let i = from; i < to; i += 1) {
      const byte = bytes[i] as number;
      const kind = kinds[byte] as number;
      const lower = lowerCase[byte] as number;
      four = (four << 8) | lower;
      if (marked[placeOf(four)] === 1 && marks.has(four)) return false;
      if (kind === Kind.letter) {
        // A name of a file, or the end of an address.
        if (before === Kind.dot) return false;
        letters += 1;
      } else if (kind === Kind.space) {
        if (before === Kind.space) return false;
        spaces += 1;
      } else if (kind === Kind.digit) {
        if (before === Kind.dot) return false;
        if (digits === 0) lettersBeforeDigit = letters;
        digits += 1;
      } else if (kind === Kind.special) {
        return false;
      } else if (kind === Kind.dot) {
        if (i > from && lowerCase[bytes[i - 1] as number] === w) return false;
        hasDot = true;
      } else {
        hasSlash ||= kind === Kind.slash;
        hasColon ||= kind === Kind.colon;
        hasParenthesis ||= byte === parenthesis;
        hasSign = true;
      }
      before = kind;
    }
    if (before === Kind.space || letters === 0) return false;
    if (hasSlash && (hasDot || hasColon)) return false;
    const first = lowerCase[bytes[from] as number];
    if (hasColon && first === j) return false;
    // Numbers of cameras, and of screenshots ("Bildschirmfoto", "captura de pantalla", "whatsapp image").
    if (digits > 0 && (lettersBeforeDigit > 0 || first === underscore)) {
      const mayName = lettersBeforeDigit <= mostBeforeNumber && screenshots.includes(first ?? 0);
      if (mayName || letters <= mostOfCamera) return false;
    }
    if (spaces === 0 && ((digits >= 4 && length >= 16) || hasParenthesis)) return false;
    if (spaces + 1 < minWords) return false;
    if (letters <= mostPlaceholder) {
      const text = Buffer.from(bytes.buffer, bytes.byteOffset + from, length)
        .toString('latin1')
        .toLowerCase();
      if (hasSign || hasDot || digits > 0 ? isPlaceholder(text) : placeholders.has(text)) return false;
    }
    return isVaried(bytes, from, to, spaces + 1);
  };
}
