import { readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { hashUniform } from '../../schemas/random.ts';

/** Where a text is from: CLDR's names and keywords of emoji, or the other packages that only train. */
export type TextKind = 'name' | 'keyword' | 'display' | 'map' | 'message' | 'interval' | 'dictionary';

/** One text of one language, and whether it is of an emoji that training never sees. */
export interface LabelledText {
  readonly language: string;
  readonly text: string;
  readonly kind: TextKind;
  readonly part: 'train' | 'calibrate' | 'measure';
}

const annotationsSchema = z.object({
  annotations: z
    .record(
      z.string(),
      z.object({ default: z.array(z.string()).optional(), tts: z.array(z.string()).optional() }),
    )
    .default({}),
});

const packages = [
  { name: 'cldr-annotations-full', folder: 'annotations' },
  { name: 'cldr-annotations-derived-full', folder: 'annotationsDerived' },
] as const;

/** Locales that write a language in letters that its pages don't use, full of another language's words. */
const leftOut = new Set(['hi-Latn']);

const require = createRequire(import.meta.url);

/** A file of an installed package. Throws, saying what to install, when the package is missing. */
export function packageFile(name: string, ...path: string[]): string {
  try {
    return join(dirname(require.resolve(`${name}/package.json`)), ...path);
  } catch {
    throw new Error(
      `the package ${name} is not installed: run \`npm install\` with development dependencies`,
    );
  }
}

const skinTone = /[\u{1F3FB}-\u{1F3FF}]/u;

/** What sets variants of one emoji apart: skin tones, hair, direction, gender, and what joins these. */
const variants = /[\u{1F3FB}-\u{1F3FF}]|[\u{1F9B0}-\u{1F9B3}]|\u{FE0F}|\u{200D}|\u{2640}|\u{2642}|\u{27A1}/gu;
const adults = /(?:\u{1F468}|\u{1F469}|\u{1F9D1})+/gu;
const children = /(?:\u{1F466}|\u{1F467}|\u{1F9D2})+/gu;

/** Flags and keycaps: their names are a word and a region's or a digit's name, which training knows from elsewhere. */
const composed = /[\u{1F1E6}-\u{1F1FF}]|[\u{E0020}-\u{E007F}]|\u{20E3}/u;

/**
 * Which part an emoji's texts belong to, by a hash of its code points without skin tone, hair, direction and gender:
 * 5% calibrate, 15% measure, the rest trains. All variants of one emoji fall together, since their names are near
 * identical. Flags and keycaps train.
 */
export function partOf(emoji: string): LabelledText['part'] {
  if (composed.test(emoji)) return 'train';
  const base = emoji.replace(variants, '').replace(adults, '\u{1F9D1}').replace(children, '\u{1F9D2}');
  const draw = hashUniform(base, 'held-out emoji');
  if (draw >= 0.2) return 'train';
  return draw < 0.05 ? 'calibrate' : 'measure';
}

/**
 * The names and keywords of emoji without skin tones in CLDR's annotations, each text once a language: held-out texts
 * are none that train their language too (see {@link withoutRepeats}). What other languages have in English, being
 * untranslated, is left out: texts of several words that are all English ones in CLDR.
 */
export function readCorpus(languages: readonly string[]): LabelledText[] {
  const english = new Set<string>();
  for (const { text } of annotatedTexts(new Set(['en']))) {
    for (const word of wordsOf(text).split(' ')) english.add(word);
  }
  const translated = [...annotatedTexts(new Set(languages))].filter(({ language, text }) => {
    const words = wordsOf(text).split(' ');
    return language === 'en' || words.length < 2 || !words.every((word) => english.has(word));
  });
  return withoutRepeats(translated);
}

/**
 * A text's words without regard to case, signs and order, cut at their accents and vowel signs, whose kind is not seen:
 * near-identical texts have the same.
 */
export function wordsOf(text: string): string {
  const words = text
    .normalize('NFKD')
    .toLowerCase()
    .match(/[\p{L}\p{N}\p{Mc}]+/gu) ?? [text];
  return [...new Set(words)].sort().join(' ');
}

/** Each text of a language once, in the earliest part (train, calibrate, measure) that has its words. */
export function withoutRepeats(texts: readonly LabelledText[]): LabelledText[] {
  const ids = texts.map(({ language, text }) => `${language}\u0000${wordsOf(text)}`);
  const corpus = new Map<string, LabelledText>();
  for (const part of ['train', 'calibrate', 'measure'] as const) {
    for (const [i, labelled] of texts.entries()) {
      const id = ids[i] as string;
      if (labelled.part === part && !corpus.has(id)) corpus.set(id, labelled);
    }
  }
  return [...corpus.values()];
}

/** The languages that CLDR has most emoji names in, over all their locales, sorted by code; ties go to the lower code. */
export function mostAnnotatedLanguages(count: number): string[] {
  const names = new Map<string, number>();
  for (const { language, kind } of annotatedTexts(null)) {
    if (kind === 'name') names.set(language, (names.get(language) ?? 0) + 1);
  }
  const ranked = [...names].sort(([a, m], [b, n]) => n - m || (a < b ? -1 : 1));
  return ranked
    .slice(0, count)
    .map(([language]) => language)
    .sort();
}

function* annotatedTexts(languages: ReadonlySet<string> | null): Generator<LabelledText> {
  for (const { name, folder } of packages) {
    const root = packageFile(name, folder);
    for (const locale of readdirSync(root).sort()) {
      const language = locale.split('-')[0] ?? locale;
      if (languages?.has(language) === false || leftOut.has(locale)) continue;
      const json: unknown = JSON.parse(readFileSync(join(root, locale, 'annotations.json'), 'utf8'));
      const { annotations } = annotationsSchema.parse((json as Record<string, unknown>)[folder]);
      for (const [emoji, { tts = [], default: keywords = [] }] of Object.entries(annotations)) {
        if (languages !== null && skinTone.test(emoji)) continue;
        const part = partOf(emoji);
        for (const text of tts) yield { language, text, kind: 'name', part };
        for (const text of keywords) yield { language, text, kind: 'keyword', part };
      }
    }
  }
}

/**
 * Names of regions, languages, currencies, months and weekdays, as the JavaScript engine's CLDR has them; those
 * that are English in another language (as untranslated ones are) are left out.
 */
export function readDisplayNames(languages: readonly string[]): Map<string, string[]> {
  const english = new Set(displayNames('en'));
  const names = new Map<string, string[]>();
  for (const language of languages) {
    if (Intl.DisplayNames.supportedLocalesOf([language]).length === 0) continue;
    const own = [...displayNames(language)];
    names.set(language, language === 'en' ? own : own.filter((name) => !english.has(name)));
  }
  return names;
}

const letters = Array.from({ length: 26 }, (_, i) => String.fromCharCode(97 + i));
const pairs = letters.flatMap((first) => letters.map((second) => first + second));

function* displayNames(language: string): Generator<string> {
  const codes = {
    region: pairs.map((pair) => pair.toUpperCase()),
    language: pairs,
    currency: Intl.supportedValuesOf('currency'),
  } as const;
  for (const type of ['region', 'language', 'currency'] as const) {
    const names = new Intl.DisplayNames([language], { type, fallback: 'none' });
    for (const code of codes[type]) {
      const name = names.of(code);
      if (name !== undefined && name !== code) yield name;
    }
  }
  for (let month = 0; month < 12; month += 1) {
    const date = new Date(Date.UTC(2024, month, month + 1));
    for (const style of [{ month: 'long' }, { weekday: 'long' }] as const) {
      yield new Intl.DateTimeFormat(language, { ...style, timeZone: 'UTC', calendar: 'gregory' }).format(
        date,
      );
    }
  }
}

const territoriesSchema = z.object({
  supplemental: z.object({
    territoryInfo: z.record(
      z.string(),
      z.object({
        _gdp: z.coerce.number(),
        languagePopulation: z
          .record(z.string(), z.object({ _populationPercent: z.coerce.number() }))
          .optional(),
      }),
    ),
  }),
});

/**
 * Share of each language [languages] by the economies (GDP) of those who speak it, from CLDR's territories: what
 * it has of the web, roughly. Sums to 1.
 */
export function readShares(languages: readonly string[]): number[] {
  const path = packageFile('cldr-core', 'supplemental', 'territoryInfo.json');
  const { supplemental } = territoriesSchema.parse(JSON.parse(readFileSync(path, 'utf8')));
  const sums = new Map<string, number>();
  for (const { _gdp, languagePopulation = {} } of Object.values(supplemental.territoryInfo)) {
    for (const [tag, { _populationPercent }] of Object.entries(languagePopulation)) {
      const primary = tag.split('_')[0] ?? tag;
      const language = !languages.includes(primary) && primary === 'nb' ? 'no' : primary;
      sums.set(language, (sums.get(language) ?? 0) + (_gdp * _populationPercent) / 100);
    }
  }
  const shares = languages.map((language) => sums.get(language) ?? 0);
  const total = shares.reduce((a, b) => a + b, 0);
  return shares.map((share) => Number((share / total).toFixed(6)));
}
