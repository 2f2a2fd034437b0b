import { languages } from '../../../schemas/languages.ts';
import { createRandom, type Random } from '../../../schemas/random.ts';
import type { Style } from './art.ts';
import type { NamesByLanguage } from './names.ts';
import type { DefectRates, EmojiSourceOptions } from './options.ts';
import { altTextsOf, boilerplateText, sentenceOf, withEntities } from './texts.ts';

/** One picture of a row: which emoji, in which style, and what its row's language calls it. */
export interface PlannedPicture {
  readonly code: string;
  readonly style: Style;
  readonly name: string;
}

/** A defect that can be planted. */
export type Defect = keyof DefectRates;

/** One row of the pool, before anything is drawn: what it shows, what it says, and what is wrong with it. */
export interface PlannedRow {
  readonly key: string;
  readonly kind: 'single' | 'canvas';
  readonly pictures: readonly PlannedPicture[];
  /** The language of its alt-texts. */
  readonly language: string;
  readonly declaredLanguage: string;
  readonly altTexts: readonly string[];
  readonly pageTitle: string;
  readonly defects: readonly Defect[];
  /** The row whose image this one repeats. */
  readonly duplicateOf: number | null;
  /** The seed of its drawing; a duplicate's is its original's. */
  readonly drawing: string;
}

const imageDefects = [
  'exactDuplicates',
  'nearDuplicates',
  'truncated',
  'empty',
  'tiny',
  'extremeAspect',
  'bombs',
] as const satisfies readonly Defect[];

/** How many rows each language gets: English its share, every other a floor, what is left by Zipf's law. */
export function planLanguages(rows: number, englishShare: number, random: Random): string[] {
  const others = shuffled(
    languages.filter((language) => language !== 'en'),
    random,
  );
  const english = Math.round(rows * englishShare);
  const rest = rows - english;
  const floor = Math.min(8, Math.floor(rest / others.length));
  const weights = others.map((_, rank) => 1 / (rank + 1));
  const weight = weights.reduce((sum, value) => sum + value, 0);
  const spare = rest - floor * others.length;
  const list: string[] = new Array(english).fill('en');
  others.forEach((language, i) => {
    const share = floor + Math.floor((spare * (weights[i] ?? 0)) / weight);
    for (let n = 0; n < share; n += 1) list.push(language);
  });
  for (let i = 0; list.length < rows; i += 1) list.push(others[i % others.length] ?? 'en');
  return shuffled(list, random);
}

/** The emoji that a pool is drawn of, of those that every style has: all, or as many as asked for, by seed. */
export function chooseEmoji(
  codes: readonly string[],
  { emoji, seed }: Pick<EmojiSourceOptions, 'emoji' | 'seed'>,
): readonly string[] {
  return emoji === undefined
    ? codes
    : shuffled(codes, createRandom(`${seed}:emoji`))
        .slice(0, emoji)
        .sort();
}

/** Plans the pool: pure data, by seed. `codes` are the emoji that every training style has. */
export function planRows(
  options: EmojiSourceOptions,
  codes: readonly string[],
  names: NamesByLanguage,
): PlannedRow[] {
  const drawn = planLanguages(options.rows, options.englishShare, createRandom(`${options.seed}:languages`));
  const rows: PlannedRow[] = [];
  const sound: number[] = [];
  drawn.forEach((language, i) => {
    const random = createRandom(`${options.seed}:row:${i}`);
    const row = planRow(i, language, random, rows, sound, { options, codes, names });
    if (!row.defects.some((defect) => (imageDefects as readonly Defect[]).includes(defect))) sound.push(i);
    rows.push(row);
  });
  return rows;
}

interface Pool {
  readonly options: EmojiSourceOptions;
  readonly codes: readonly string[];
  readonly names: NamesByLanguage;
}

function planRow(
  index: number,
  language: string,
  random: Random,
  before: readonly PlannedRow[],
  sound: readonly number[],
  pool: Pool,
): PlannedRow {
  const { options, codes, names } = pool;
  const known = names.get(language) ?? new Map();
  const namesOf = (code: string) => known.get(code) ?? { name: '', keywords: [] };
  const pickCode = () => {
    for (let tries = 0; tries < 50; tries += 1) {
      const code = random.pick(codes);
      if (namesOf(code).name !== '') return code;
    }
    throw new Error(`CLDR names hardly any emoji in ${language}`);
  };
  const defects = drawDefects(options.defects, random, sound.length > 0);
  const isCopy = defects.includes('exactDuplicates') || defects.includes('nearDuplicates');
  const duplicateOf = isCopy ? random.pick(sound) : null;
  const original = duplicateOf === null ? undefined : before[duplicateOf];
  const kind = original?.kind ?? (random.uniform() < options.canvasShare ? 'canvas' : 'single');
  const style = random.pick(options.styles);
  const count = kind === 'canvas' ? 2 + random.integer(5) : 1;
  const chosen = original
    ? original.pictures.map(({ code, style: same }) => ({ code, style: same }))
    : distinct(count, pickCode).map((code) => ({
        code,
        style: kind === 'canvas' ? random.pick(options.styles) : style,
      }));
  const pictures = chosen.map(({ code, style: of }) => ({ code, style: of, name: namesOf(code).name }));
  const shown = defects.includes('mismatched')
    ? distinct(pictures.length, pickCode)
    : pictures.map(({ code }) => code);
  const title = namesOf(shown[0] ?? '').name;
  let texts =
    kind === 'canvas'
      ? [
          sentenceOf(
            shown.map((code) => namesOf(code).name).filter((name) => name !== ''),
            language,
          ),
        ]
      : altTextsOf(namesOf(shown[0] ?? ''), language, random);
  texts = texts.filter((text) => text !== '');
  if (defects.includes('entities')) texts = texts.map((text) => withEntities(text, random));
  if (defects.includes('boilerplate')) {
    texts = random.uniform() < 0.4 ? [boilerplateText(random)] : [...texts, boilerplateText(random)];
  }
  const declaredLanguage = defects.includes('wrongLanguage')
    ? random.pick(languages.filter((other) => other !== language))
    : language;
  return {
    key: `emoji-109-${String(index).padStart(7, '0')}`,
    kind,
    pictures,
    language,
    declaredLanguage,
    altTexts: texts.length > 0 ? texts.slice(0, 5) : [boilerplateText(random)],
    pageTitle: random.uniform() < 0.7 ? title : '',
    defects,
    duplicateOf,
    drawing: original?.drawing ?? `${options.seed}:drawing:${index}`,
  };
}

/** At most one defect of the image, and any of the texts and the declaration. */
function drawDefects(rates: DefectRates, random: Random, canCopy: boolean): Defect[] {
  const defects: Defect[] = [];
  let at = random.uniform();
  for (const defect of imageDefects) {
    if (at < rates[defect]) {
      if (canCopy || !defect.endsWith('Duplicates')) defects.push(defect);
      break;
    }
    at -= rates[defect];
  }
  for (const defect of ['mismatched', 'boilerplate', 'entities', 'wrongLanguage'] as const) {
    if (random.uniform() < rates[defect]) defects.push(defect);
  }
  return defects;
}

function distinct(count: number, draw: () => string): string[] {
  const found = new Set<string>();
  for (let tries = 0; found.size < count && tries < 100; tries += 1) found.add(draw());
  return [...found];
}

function shuffled<T>(items: readonly T[], random: Random): T[] {
  const list = [...items];
  for (let i = list.length - 1; i > 0; i -= 1) {
    const j = random.integer(i + 1);
    [list[i], list[j]] = [list[j] as T, list[i] as T];
  }
  return list;
}
