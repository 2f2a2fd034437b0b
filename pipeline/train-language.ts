import { writeFile } from 'node:fs/promises';
import { readFeatures } from '../models/language/features.ts';
import { identify, identifyOptionsSchema, languagePosterior } from '../models/language/identify.ts';
import { encodeLanguageModel, type LanguageModel } from '../models/language/model-file.ts';
import { scripts } from '../models/language/scripts.ts';
import { hashUniform } from '../schemas/random.ts';
import {
  type LabelledText,
  mostAnnotatedLanguages,
  readCorpus,
  readDisplayNames,
  readShares,
} from './train-language-corpus.ts';

const buckets = 2 ** 17;

/** n-grams that every language's corpus is scaled to, so that unseen ones cost the same in all languages. */
const corpusGrams = 200_000;

/** Counts are raised to this power: a word that many emoji share says less than its count. */
const countPower = 0.7;

/** What an n-gram never seen in a language counts for. */
const unseenCount = 0.01;

/** A language writes in a script that has at least this share of its corpus's texts. */
const scriptShare = 0.01;

/** What held-out texts measured. */
export interface LanguageFigures {
  readonly texts: number;
  /** Share of English texts found to be English. */
  readonly englishRecall: number;
  /** Share of the other languages' texts found to be English. */
  readonly englishFalsePositives: number;
  /** Share of texts whose language is found, a mean over languages. */
  readonly macroTop1: number;
  /** Share of texts that are left `und`. */
  readonly undetermined: number;
  /** Mean probability given, less the share of right ones, over the texts given a language: above 0 is overconfident. */
  readonly overconfidence: number;
}

/** How {@link measureLanguageModel} is to declare languages: not at all, or rightly but for a share of the texts. */
export interface MeasureOptions {
  /** Share of texts whose declared language is another one, drawn by hash; null declares nothing. */
  readonly wrongDeclarations: number | null;
  readonly minScore: number;
  readonly shareWeight: number;
}

/**
 * Teaches the language identifier from CLDR's emoji names and keywords and from names of regions, languages and
 * currencies, and writes it to a file. One emoji in five is held out: a quarter of these calibrate the
 * probabilities, and {@link measureLanguageModel} measures on the others. The languages are by default the 109 that
 * have most names. Throws when CLDR's packages are missing.
 */
export async function trainLanguageModel(
  out: string,
  codes: readonly string[] = mostAnnotatedLanguages(109),
): Promise<LanguageModel> {
  const model = teach(codes, readCorpus(codes));
  await writeFile(out, encodeLanguageModel(model));
  return model;
}

/** Teaches a model from a corpus: its `train` texts are counted, its `calibrate` texts temper it. */
export function teach(codes: readonly string[], corpus: readonly LabelledText[]): LanguageModel {
  const width = codes.length;
  const indices = new Map(codes.map((code, index) => [code, index]));
  const counts = new Float32Array(buckets * width);
  const written = codes.map(() => new Float64Array(scripts.length));
  const count = (language: string, text: string): void => {
    const index = indices.get(language) ?? 0;
    const { hashes, script } = readFeatures(text);
    const tally = written[index];
    if (script >= 0 && tally !== undefined) tally[script] = (tally[script] ?? 0) + 1;
    for (const hash of hashes) {
      const at = (hash % buckets) * width + index;
      counts[at] = (counts[at] as number) + 1;
    }
  };
  for (const { language, text, part } of corpus) if (part === 'train') count(language, text);
  for (const [language, names] of readDisplayNames(codes)) for (const name of names) count(language, name);
  const model = {
    version: 1 as const,
    languages: [...codes],
    buckets,
    ...quantise(counts, width),
    temper: { scale: 1, exponent: 0 },
    shares: readShares(codes),
    scripts: written.map(writtenScripts),
  };
  return { ...model, temper: calibrate(model, corpus) };
}

function writtenScripts(tally: Float64Array): number[] {
  const total = tally.reduce((a, b) => a + b, 0);
  return [...tally.keys()].filter((script) => (tally[script] ?? 0) > scriptShare * total);
}

/** Smoothed log-probabilities of counts [buckets, width] as codes: 0 for the unseen, 255 for the likeliest of all. */
function quantise(counts: Float32Array, width: number): Pick<LanguageModel, 'table' | 'floor' | 'step'> {
  const totals = new Float64Array(width);
  for (let i = 0; i < counts.length; i += 1) {
    counts[i] = (counts[i] as number) ** countPower;
    totals[i % width] = (totals[i % width] as number) + (counts[i] as number);
  }
  let most = 0;
  for (let i = 0; i < counts.length; i += 1) {
    const scaled = (corpusGrams * (counts[i] as number)) / (totals[i % width] as number);
    counts[i] = Math.log1p(scaled / unseenCount);
    most = Math.max(most, counts[i] as number);
  }
  const step = most / 255;
  const table = Uint8Array.from(counts, (gain) => Math.round(gain / step));
  return { table, step, floor: Math.log(unseenCount / (corpusGrams + unseenCount * buckets)) };
}

/** The tempering that makes the held-out texts of the corpus likeliest, all languages being equal beforehand. */
function calibrate(model: LanguageModel, corpus: readonly LabelledText[]): LanguageModel['temper'] {
  const texts = corpus.filter(({ part }, i) => part === 'calibrate' && i % 4 === 0);
  let best = { temper: model.temper, loss: Number.POSITIVE_INFINITY };
  for (const exponent of [0, 0.2, 0.4, 0.6]) {
    for (const scale of [0.15, 0.2, 0.3, 0.4, 0.5, 0.7, 1, 1.5, 2]) {
      const loss = negativeLogLikelihood({ ...model, temper: { scale, exponent } }, texts);
      if (loss < best.loss) best = { temper: { scale, exponent }, loss };
    }
  }
  return best.temper;
}

function negativeLogLikelihood(model: LanguageModel, texts: readonly LabelledText[]): number {
  const options = { ...identifyOptionsSchema.parse({}), shareWeight: 0 };
  let loss = 0;
  for (const { text, language } of texts) {
    const posterior = languagePosterior(model, [text], null, options);
    // A text in a script that its language seldom uses is lost whatever the tempering: bounded, it counts alike.
    if (posterior !== null)
      loss -= Math.log(Math.max(posterior[model.languages.indexOf(language)] ?? 0, 1e-6));
  }
  return loss / texts.length;
}

/** Measures a model on held-out emoji's names or keywords, `und` counting as not found. */
export function measureLanguageModel(
  model: LanguageModel,
  texts: readonly LabelledText[],
  { wrongDeclarations, ...settings }: MeasureOptions,
): LanguageFigures {
  const options = { ...identifyOptionsSchema.parse({}), ...settings };
  const all = new Map(model.languages.map((language) => [language, { texts: 0, right: 0, english: 0 }]));
  const given = { texts: 0, score: 0, right: 0 };
  for (const { text, language } of texts) {
    const declared = wrongDeclarations === null ? null : declare(model, text, language, wrongDeclarations);
    const found = identify(model, [text], declared, options);
    const tally = all.get(language);
    if (tally === undefined) continue;
    tally.texts += 1;
    if (found.language === language) tally.right += 1;
    if (found.language === 'en') tally.english += 1;
    if (found.language === 'und') continue;
    given.texts += 1;
    given.score += found.score;
    if (found.language === language) given.right += 1;
  }
  const english = all.get('en') ?? { texts: 0, right: 0, english: 0 };
  const others = [...all.values()].filter((tally) => tally !== english && tally.texts > 0);
  const measured = [...all.values()].filter((tally) => tally.texts > 0);
  const sum = (numbers: readonly number[]) => numbers.reduce((a, b) => a + b, 0);
  return {
    texts: texts.length,
    englishRecall: english.right / english.texts,
    englishFalsePositives:
      sum(others.map((tally) => tally.english)) / sum(others.map((tally) => tally.texts)),
    macroTop1: sum(measured.map((tally) => tally.right / tally.texts)) / measured.length,
    undetermined: 1 - given.texts / texts.length,
    overconfidence: (given.score - given.right) / given.texts,
  };
}

/** The language that a page of this text declares: its own, or, for a share of the pages, English or any other. */
function declare(model: LanguageModel, text: string, language: string, wrong: number): string {
  if (hashUniform(text, `wrong ${language}`) >= wrong) return language;
  // Pages in any language say `en` when nobody set it.
  if (language !== 'en' && hashUniform(text, 'left at en') < 0.5) return 'en';
  const others = model.languages.filter((other) => other !== language);
  return others[Math.floor(hashUniform(text, 'declared') * others.length)] ?? 'en';
}
