import { readFile } from 'node:fs/promises';
import { createPlaces, type Places } from './ngram-places.ts';

/** eld's n-grams as columns: as objects, as its package has them, they are hundreds of megabytes to look through. */
export interface EldTable {
  /** Names of the languages, [languages]. */
  readonly languages: readonly string[];
  /** Place of each n-gram: its scores stand from `starts[place]` up to `starts[place + 1]`. */
  readonly places: Places;
  readonly starts: Uint32Array;
  /** Index of a score's language, and the score. */
  readonly owners: Uint8Array;
  readonly scores: Uint8Array;
  /** What parts a text into words. */
  readonly separators: RegExp;
  /** The character that stands for each byte. */
  readonly dictionary: readonly string[];
}

const fault = (what: string) => new Error(`the package eld is not as it was: ${what}; install it anew`);

/** Reads the table of the package's large model. Throws when it isn't laid out as expected. */
export async function readEldTable(): Promise<EldTable> {
  const entry = import.meta.resolve('eld/large');
  const url = (path: string) => new URL(`../${path}`, entry);
  const [source, { separators }, { dictionary }] = await Promise.all([
    readFile(url('ngrams/large.js'), 'utf8'),
    import(url('regexPatterns.js').href) as Promise<{ separators: RegExp }>,
    import(url('dictionary.js').href) as Promise<{ dictionary: readonly string[] }>,
  ]);
  return { ...parseEldTable(source), separators, dictionary };
}

const languageNames = /languages:\{([^}]*)\}/u;
const key = String.raw`(?:'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)"|([^\s'":{},]+))`;

/** Parses a table's source: `languages:{0:'am',...},...,ngrams:{'abcd':{0:12,...},...}`. Throws when it is another. */
export function parseEldTable(source: string): Omit<EldTable, 'separators' | 'dictionary'> {
  const names = [...(languageNames.exec(source)?.[1] ?? '').matchAll(/(\d+):'([a-z]+)'/gu)];
  const languages = names.map(([, index, name = ''], i) => {
    if (Number(index) !== i) throw fault(`language ${i} is number ${index}`);
    return name;
  });
  const ngrams: string[] = [];
  const starts: number[] = [0];
  const owners: number[] = [];
  const scores: number[] = [];
  const ngram = new RegExp(String.raw`${key}:\{([\d:,]*)\}([,}])`, 'uy');
  const begin = 'ngrams:{';
  ngram.lastIndex = source.indexOf(begin) + begin.length;
  for (let last = ','; last === ','; ) {
    const at = ngram.lastIndex;
    const found = ngram.exec(source);
    if (found === null) throw fault(`no n-gram at character ${at} of its table`);
    const [, single, double, bare, entries = '', end = ''] = found;
    for (const entry of entries === '' ? [] : entries.split(',')) {
      const [owner = Number.NaN, score = Number.NaN] = entry.split(':').map(Number);
      if (!(owner < languages.length && score < 256)) throw fault(`an n-gram has ${entry}`);
      owners.push(owner);
      scores.push(score);
    }
    const name = single ?? double ?? bare ?? '';
    ngrams.push(name.includes('\\') ? name.replace(/\\(.)/gu, '$1') : name);
    starts.push(owners.length);
    last = end;
  }
  return {
    languages,
    places: createPlaces(ngrams),
    starts: Uint32Array.from(starts),
    owners: Uint8Array.from(owners),
    scores: Uint8Array.from(scores),
  };
}
