import { decode } from 'html-entities';

const inlineTag =
  /<\/?(?:a|abbr|b|bdi|bdo|em|font|i|mark|s|small|span|strong|sub|sup|u|wbr)(?:\s[^<>]*)?>/giu;
const scriptElement = /<(script|style)\b[^<>]*>[^<]*<\/\1\s*>/giu;
const anyTag = /<(?:[/!?]?\p{L}|!--)[^<>]*>/gu;
const control = /[\p{Cc}\p{Zl}\p{Zp}]/gu;

// Soft hyphens, zero-width spaces, byte-order marks, direction marks, Hangul fillers, private-use and lone surrogates.
const invisible =
  /\u034F|[\u00AD\u061C\u115F\u1160\u180E\u200B\u200E\u200F\u202A-\u202E\u2060-\u206F\u3164\uFEFF\uFFA0\uFFF9-\uFFFC\p{Co}\p{Cs}]/gu;
/** Tag characters spell the flag of a region after a black flag; anywhere else they hide text. */
const junkTags = /(?<![\u{1F3F4}\u{E0020}-\u{E007F}])[\u{E0000}-\u{E007F}]+/gu;

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
const leftOver = /[([{<]\s?[)\]}>]|^[\s|·•–—:;,-]+|(?<![\s|·•–—:;,-])[\s|·•–—:;,-]+$/gu;
const whiteSpace = /\s+/gu;

/** Every pattern that a text of a page meets while it is cleaned, for whoever wants to know what it costs. */
export const cleaningPatterns: readonly RegExp[] = [
  inlineTag,
  scriptElement,
  anyTag,
  control,
  invisible,
  junkTags,
  junkJoiner,
  url,
  email,
  leftOver,
  whiteSpace,
];

/**
 * One text as it should be read: entities decoded, tags, addresses and invisible characters gone, white space
 * collapsed, in Unicode's composed form (NFC). Linear in the text's length.
 */
export function cleanText(text: string): string {
  const decoded = decodeEntities(text);
  const untagged = decoded.includes('<')
    ? decoded.replace(scriptElement, ' ').replace(inlineTag, '').replace(anyTag, ' ')
    : decoded;
  const plain = withoutInvisible(untagged);
  // White space first: a run of it between two signs is otherwise looked through from each of them.
  const spaced = plain.replace(whiteSpace, ' ');
  const withoutUrls = /[./]/u.test(spaced) ? spaced.replace(url, ' ') : spaced;
  const withoutAddresses = withoutUrls.includes('@') ? withoutUrls.replace(email, ' ') : withoutUrls;
  const tidy =
    withoutAddresses === spaced
      ? spaced
      : withoutAddresses.replace(whiteSpace, ' ').replace(leftOver, ' ').trim().replace(leftOver, '');
  return collapsed(tidy);
}

/** A text with nothing taken out but what can't be seen: for one that is kept although cleaning leaves nothing of it. */
export function tidyText(text: string): string {
  return collapsed(withoutInvisible(text));
}

function withoutInvisible(text: string): string {
  const visible = text.replace(control, ' ').replace(invisible, '').replace(junkTags, '');
  // Composed first: a mark may belong to a script that joins, and the letter that it makes with another may not.
  return visible.normalize('NFC').replace(junkJoiner, '');
}

function collapsed(text: string): string {
  return text.normalize('NFC').replace(whiteSpace, ' ').trim();
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
