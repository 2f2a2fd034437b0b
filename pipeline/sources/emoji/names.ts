import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { languages } from '../../../schemas/languages.ts';
import { codeOf, packageFolder } from './art.ts';

/** What CLDR calls one emoji in one language. */
export interface EmojiNames {
  readonly name: string;
  readonly keywords: readonly string[];
}

/** CLDR's names by language, then by emoji code. */
export type NamesByLanguage = ReadonlyMap<string, ReadonlyMap<string, EmojiNames>>;

interface Annotation {
  readonly default?: readonly string[];
  readonly tts?: readonly string[];
}

const skinTone = /[\u{1F3FB}-\u{1F3FF}]/u;

/** Reads CLDR's names and keywords in the 109 languages, skin tones left out. */
export function readNames(): NamesByLanguage {
  const base = join(packageFolder('cldr-annotations-full'), 'annotations');
  const derived = join(packageFolder('cldr-annotations-derived-full'), 'annotationsDerived');
  return new Map(
    languages.map((language) => {
      const names = new Map<string, EmojiNames>();
      for (const [folder, part] of [
        [base, 'annotations'],
        [derived, 'annotationsDerived'],
      ] as const) {
        for (const [emoji, annotation] of Object.entries(annotationsOf(join(folder, language), part))) {
          const [name] = annotation.tts ?? [];
          if (name && !skinTone.test(emoji)) {
            names.set(codeOf(emoji), { name, keywords: annotation.default ?? [] });
          }
        }
      }
      return [language, names] as const;
    }),
  );
}

function annotationsOf(folder: string, part: string): Record<string, Annotation> {
  try {
    const file = JSON.parse(readFileSync(join(folder, 'annotations.json'), 'utf8'));
    return file[part].annotations;
  } catch (error) {
    // A language may have no derived names.
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return {};
    throw error;
  }
}
