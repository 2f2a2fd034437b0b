import { decode } from 'html-entities';
import { fileNames, footerPhrases, placeholders, templateRemains } from './boilerplate.ts';

/** Bounds for one text. */
export interface JudgeOptions {
  /** Fewest characters; an ideograph, kana or Hangul syllable counts for two, being as wide as two letters. */
  readonly minCharacters: number;
  /** Most characters (Unicode code points). */
  readonly maxCharacters: number;
  /** Further texts that are boilerplate on their own, compared without regard to case. */
  readonly boilerplate: readonly string[];
}

/** Why a text is left out. */
export type TextReason =
  | 'empty'
  | 'broken-encoding'
  | 'template-remains'
  | 'file-name'
  | 'placeholder'
  | 'footer'
  | 'boilerplate'
  | 'no-letters'
  | 'too-short'
  | 'too-long';

/** A text that stays, cleaned, or the reason why it doesn't. */
export type Judgement = { readonly text: string } | { readonly reason: TextReason };

const inlineTag =
  /<\/?(?:a|abbr|b|bdi|bdo|em|font|i|mark|s|small|span|strong|sub|sup|u|wbr)(?:\s[^<>]*)?>/giu;
const scriptElement = /<(script|style)\b[^<>]*>[^<]*<\/\1\s*>/giu;
const anyTag = /<(?:[/!?]?\p{L}|!--)[^<>]*>/gu;

// Soft hyphens, zero-width spaces, byte-order marks, direction marks, Hangul fillers, private-use and lone surrogates.
const invisible =
  /\u034F|[\u00AD\u061C\u115F\u1160\u180E\u200B\u200E\u200F\u202A-\u202E\u2060-\u206F\u3164\uFEFF\uFFA0\uFFF9-\uFFFC\p{Co}\p{Cs}]/gu;

/** Scripts that spell with U+200C and U+200D: after any other letter the two are junk. */
const joining = [
  'Arabic',
  'Syriac',
  'Mongolian',
  'Nko',
  'Devanagari',
  'Bengali',
  'Gurmukhi',
  'Gujarati',
  'Oriya',
]
  .concat(['Tamil', 'Telugu', 'Kannada', 'Malayalam', 'Sinhala', 'Myanmar', 'Khmer', 'Tibetan'])
  .map((script) => String.raw`\p{scx=${script}}`)
  .join('');
const emoji = String.raw`\p{Extended_Pictographic}\p{Emoji_Modifier}\uFE0F`;
const junkJoiner = new RegExp(
  String.raw`(?<![${joining}${emoji}])[\u200C\u200D]+|(?<=[\u200C\u200D])[\u200C\u200D]+|\u200C+(?![${joining}])|(?<=[${emoji}])\u200D(?!\p{Extended_Pictographic})`,
  'gu',
);

// An address ends where a script without spaces begins, or the words glued to it would go with it.
const unspaced = String.raw`[\p{scx=Han}\p{scx=Hiragana}\p{scx=Katakana}\p{scx=Thai}\p{scx=Lao}\p{scx=Khmer}\p{scx=Myanmar}]`;
const url = new RegExp(
  String.raw`(?:(?:https?|ftp)://|(?<![a-z0-9.])www\.|(?<![a-z0-9.-])(?:[a-z0-9-]{1,63}\.){1,4}[a-z]{2,6}/)(?:(?!${unspaced})[^\s<>"])*`,
  'giu',
);
const email = /(?<![\w.+-])[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,5}/gu;
const leftOver = /[([{<]\s*[)\]}>]|^[\s|·•–—:;,-]+|(?<![\s|·•–—:;,-])[\s|·•–—:;,-]+$/gu;

/**
 * One text as it should be read: entities decoded, tags, addresses and invisible characters gone, white space
 * collapsed, in Unicode's composed form (NFC). Linear in the text's length.
 */
export function cleanText(text: string): string {
  const plain = decodeEntities(text)
    .replace(scriptElement, ' ')
    .replace(inlineTag, '')
    .replace(anyTag, ' ')
    .replace(/[\p{Cc}\p{Zl}\p{Zp}]/gu, ' ')
    .replace(invisible, '')
    .replace(junkJoiner, '');
  const withoutAddresses = plain.replace(url, ' ').replace(email, ' ');
  const tidy =
    withoutAddresses === plain ? plain : withoutAddresses.replace(leftOver, ' ').trim().replace(leftOver, '');
  return tidy.normalize('NFC').replace(/\s+/gu, ' ').trim();
}

/** Pages encode twice and thrice (`&amp;amp;eacute;`): decoded until nothing changes, three times at most. */
function decodeEntities(text: string): string {
  let decoded = text;
  for (let round = 0; round < 3 && decoded.includes('&'); round += 1) {
    const next = decode(decoded);
    if (next === decoded) break;
    decoded = next;
  }
  return decoded;
}

/** Cleans one alt-text and decides, on that text alone, whether it says something of the picture. */
export function judgeText(raw: string, options: JudgeOptions): Judgement {
  // Cleaning never makes a text longer than its source, but a megabyte need not be cleaned to be too long.
  if (raw.length > 64 * options.maxCharacters) return { reason: 'too-long' };
  if (templateRemains.test(raw)) return { reason: 'template-remains' };
  if (raw.includes('\uFFFD')) return { reason: 'broken-encoding' };
  const text = cleanText(raw);
  if (text === '') return { reason: raw.trim() === '' ? 'empty' : 'no-letters' };
  const characters = countCharacters(text);
  if (characters.count > options.maxCharacters) return { reason: 'too-long' };
  if (fileNames.some((pattern) => pattern.test(text))) return { reason: 'file-name' };
  if (!/\p{L}/u.test(text)) return { reason: 'no-letters' };
  const bare = text.toLowerCase();
  if (placeholders.has(withoutNumber(bare))) return { reason: 'placeholder' };
  if (footerPhrases.test(text)) return { reason: 'footer' };
  if (options.boilerplate.some((phrase) => phrase.toLowerCase() === bare)) return { reason: 'boilerplate' };
  if (characters.width < options.minCharacters) return { reason: 'too-short' };
  return { text };
}

function withoutNumber(text: string): string {
  return text
    .replace(/[\s#(_-]*\d+(?:\s?(?:of|\/|von|de|из)\s?\d+)?\)?$/u, '')
    .replace(/^[\s.[("'*_-]+|[\s.:!)\]"'*_-]+$/gu, '');
}

const wide = /[\p{scx=Han}\p{scx=Hiragana}\p{scx=Katakana}\p{scx=Hangul}]/u;

function countCharacters(text: string): { readonly count: number; readonly width: number } {
  let count = 0;
  let width = 0;
  for (const character of text) {
    count += 1;
    width += wide.test(character) ? 2 : 1;
  }
  return { count, width };
}
