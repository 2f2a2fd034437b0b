import { type EldTable, readEldTable } from './eld-table.ts';
import { type Member, memberCharacters, ourName } from './member.ts';

/** eld gives s = x / (x + 25) of a mean x of its n-grams' scores: the pool takes x / 25. */
const [scale, cap] = [25, 0.999];

/** What languages that eld does not know score: the pool's biases set them right. */
const unknown = 1;

/** What every score of the table is less than meant. */
const lowest = 53;

/** Bytes after which a text ends with its word, and with its character. */
const [cutAfter, enforceCutAfter] = [350, 380];

/** Characters of an n-gram, how far apart they begin, and of a word, at most. */
const [size, stride, mostOfWord] = [4, 3, 70];

/**
 * eld, the efficient language detector (Nito T.M., Apache-2.0), with its large table: 60 languages. Scores are of its
 * n-grams. The table is the package's; what reads it here gives what the package would, without its objects.
 */
export async function loadEld(languages: readonly string[]): Promise<Member> {
  const table = await readEldTable();
  const index = Int16Array.from(table.languages, (name) => languages.indexOf(ourName(name)));
  const ours = new Set(index);
  const knows = languages.map((_, l) => ours.has(l));
  const sums = new Float64Array(table.languages.length);
  const scaled = (sum: number, ngrams: number) => sum / ngrams / (sum / ngrams + scale);
  return {
    name: 'eld',
    knows,
    score(text, scores) {
      for (let l = 0; l < scores.length; l += 1) scores[l] = knows[l] === true ? 0 : unknown;
      const ngrams = sumScores(table, text, sums);
      for (let e = 0; e < sums.length; e += 1) {
        const l = index[e] as number;
        const sum = sums[e] as number;
        if (sum === 0 || l < 0) continue;
        const bounded = Math.min(scaled(sum, ngrams), cap);
        scores[l] = bounded / (1 - bounded);
      }
    },
    find(text) {
      const ngrams = sumScores(table, text, sums);
      let best = 0;
      for (let e = 1; e < sums.length; e += 1) if ((sums[e] as number) > (sums[best] as number)) best = e;
      const most = sums[best] as number;
      if (most === 0) return { language: 'und', score: 0 };
      return { language: ourName(table.languages[best] as string), score: scaled(most, ngrams) };
    },
  };
}

/** Sums the scores of a text's n-grams, each once, for every language, and gives how many n-grams there are. */
function sumScores(table: EldTable, text: string, sums: Float64Array): number {
  const { places, starts, owners, scores } = table;
  const ngrams = new Set<string>();
  for (const word of wordsOf(table, text)) addNgrams(word, ngrams);
  sums.fill(0);
  for (const ngram of ngrams) {
    const place = places.get(ngram);
    if (place === undefined) continue;
    for (let at = starts[place] as number; at < (starts[place + 1] as number); at += 1) {
      const owner = owners[at] as number;
      sums[owner] = (sums[owner] as number) + (scores[at] as number) + lowest;
    }
  }
  return ngrams.size;
}

function addNgrams(word: string, ngrams: Set<string>): void {
  const length = Math.min(word.length, mostOfWord);
  let from = 0;
  for (; from + size < length; from += stride) {
    ngrams.add((from === 0 ? ' ' : '') + word.substring(from, from + size));
  }
  // The last one ends with the word, however far into the one before; three bytes are one with both ends.
  ngrams.add(`${from === 0 ? ' ' : ''}${word.substring(length === 3 ? 0 : length - size)} `);
}

/** A text's words, lower-case, a character for each byte of their UTF-8. */
function wordsOf({ separators, dictionary }: EldTable, text: string): string[] {
  const form = text.slice(0, memberCharacters).replace(separators, ' ').trim().toLowerCase();
  const words: string[] = [];
  const byte = (value: number) => dictionary[value] ?? '';
  let [word, bytes] = ['', 0];
  for (let i = 0; i < form.length && bytes <= enforceCutAfter; i += 1) {
    let code = form.charCodeAt(i);
    if (code < 0x80) {
      bytes += 1;
      if (code !== 0x20) word += form[i];
      else {
        if (word !== '') words.push(word);
        word = '';
        if (bytes - 1 > cutAfter) break;
      }
    } else if (code < 0x800) {
      word += byte(0xc0 | (code >> 6)) + byte(0x80 | (code & 0x3f));
      bytes += 2;
    } else if (code < 0xd800 || code >= 0xe000) {
      word += byte(0xe0 | (code >> 12)) + byte(0x80 | ((code >> 6) & 0x3f)) + byte(0x80 | (code & 0x3f));
      bytes += 3;
    } else {
      i += 1;
      code = 0x10000 + (((code & 0x3ff) << 10) | (form.charCodeAt(i) & 0x3ff));
      word += byte(0xf0 | (code >> 18)) + byte(0x80 | ((code >> 12) & 0x3f));
      word += byte(0x80 | ((code >> 6) & 0x3f)) + byte(0x80 | (code & 0x3f));
      bytes += 4;
    }
  }
  if (word !== '') words.push(word);
  return words;
}
