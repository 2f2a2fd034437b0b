/**
 * Scripts that the identifier tells apart. Hiragana and Katakana are one (`Kana`): a text that has them is
 * Japanese, whatever Chinese characters it has beside.
 */
export const scripts = [
  'Latin',
  'Cyrillic',
  'Greek',
  'Armenian',
  'Hebrew',
  'Arabic',
  'Syriac',
  'Thaana',
  'Nko',
  'Devanagari',
  'Bengali',
  'Gurmukhi',
  'Gujarati',
  'Oriya',
  'Tamil',
  'Telugu',
  'Kannada',
  'Malayalam',
  'Sinhala',
  'Thai',
  'Lao',
  'Tibetan',
  'Myanmar',
  'Georgian',
  'Hangul',
  'Ethiopic',
  'Cherokee',
  'Khmer',
  'Mongolian',
  'Kana',
  'Han',
  'Tifinagh',
  'Other',
] as const;

/** The name of one of the {@link scripts}. */
export type Script = (typeof scripts)[number];

const letter = /[\p{L}\p{M}]/u;
const tests = scripts.map((script) => {
  if (script === 'Other') return letter;
  if (script === 'Kana') return /[\p{Script=Hiragana}\p{Script=Katakana}ー]/u;
  return new RegExp(String.raw`\p{Script=${script}}`, 'u');
});

const unseen = 255;
const cache = new Uint8Array(0x110000).fill(unseen);

/** No letter and no mark: what {@link scriptOf} gives for digits, signs, emoji and white space. */
export const noScript = 254;

/** A mark that takes the script of the letter before it, as accents do. */
export const inherited = 253;

/** The index in {@link scripts} of a code point's script, {@link inherited} or {@link noScript}. */
export function scriptOf(codePoint: number): number {
  const known = cache[codePoint] ?? noScript;
  if (known !== unseen) return known;
  const found = findScript(String.fromCodePoint(codePoint));
  cache[codePoint] = found;
  return found;
}

function findScript(character: string): number {
  if (character !== 'ー' && !letter.test(character)) return noScript;
  if (/\p{Script=Inherited}/u.test(character)) return inherited;
  return tests.findIndex((test) => test.test(character));
}

/** How much a letter says of a text's script: Latin names stand in texts of every script, a Han character is a word. */
const weights = Float32Array.from(scripts, (script) => {
  if (script === 'Latin') return 0.5;
  if (script === 'Kana') return 4;
  return script === 'Han' || script === 'Hangul' ? 2 : 1;
});

/** Counts of letters [scripts] to the index of the script that the text is written in; -1 without a letter. */
export function mainScript(counts: ArrayLike<number>): number {
  let main = -1;
  let most = 0;
  for (let script = 0; script < scripts.length; script += 1) {
    const weight = (counts[script] ?? 0) * (weights[script] ?? 1);
    if (weight > most) {
      most = weight;
      main = script;
    }
  }
  return main;
}
