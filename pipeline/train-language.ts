import { writeFile } from 'node:fs/promises';
import { loadMembers } from '../models/language/identifier.ts';
import { type Member, memberNames } from '../models/language/member.ts';
import { encodeLanguageModel, type LanguageModel, type Pool } from '../models/language/model-file.ts';
import { languagesByScript } from '../models/language/ngrams.ts';
import {
  type LabelledText,
  mostAnnotatedLanguages,
  readCorpus,
  readShares,
} from './train-language/corpus.ts';
import { fitPool, type PoolOptions, poolOptions, poolSamples } from './train-language/pool.ts';
import { measuredWords, readShortTexts } from './train-language/sources.ts';
import { type TableOptions, tableOptions, teachTable } from './train-language/table.ts';

/** How a model is taught. */
export interface TeachOptions {
  readonly table: TableOptions;
  readonly pool: PoolOptions;
}

/**
 * Teaches the language identifier and writes it to a file: its own n-grams from CLDR's emoji names and keywords, from
 * names of regions, languages and currencies, and from {@link readShortTexts}; and how the other members are pooled
 * with them, from texts that are kept from the n-grams. One emoji in five is held out: a quarter of these help to fit
 * the pool, and the others are seen by neither. The languages are by default the 109 that have most names. Throws
 * when a package that the texts are from is missing.
 */
export async function trainLanguageModel(
  out: string,
  codes: readonly string[] = mostAnnotatedLanguages(109),
): Promise<LanguageModel> {
  const model = teach(codes, readTrainingTexts(codes), await loadMembers(memberNames, codes));
  await writeFile(out, encodeLanguageModel(model));
  return model;
}

/** All texts that are known of the languages: those of part `measure` teach nothing. */
export function readTrainingTexts(codes: readonly string[]): LabelledText[] {
  const corpus = readCorpus(codes);
  return [...corpus, ...readShortTexts(codes, measuredWords(corpus))];
}

/** Teaches a model: the `train` texts teach the n-grams, the `calibrate` texts a pool for each choice of members. */
export function teach(
  codes: readonly string[],
  texts: readonly LabelledText[],
  members: readonly Member[],
  options: TeachOptions = { table: tableOptions, pool: poolOptions },
): LanguageModel {
  const { table, written } = teachTable(
    codes,
    texts.filter(({ part }) => part === 'train'),
    options.table,
  );
  const model = {
    version: 2 as const,
    languages: [...codes],
    buckets: options.table.buckets,
    ...quantise(table),
    exponent: options.table.exponent,
    shares: readShares(codes),
    scripts: written.map((list) => [...list]),
    pools: [],
  };
  const identifier = { model, members };
  const samples = poolSamples(identifier, languagesByScript(model.scripts), texts, options.pool);
  return { ...model, pools: fitPools(members, samples, options.pool) };
}

/** A pool for each choice of members, the n-grams being in all. */
function fitPools(
  members: readonly Member[],
  samples: Parameters<typeof fitPool>[2],
  options: PoolOptions,
): Pool[] {
  return Array.from({ length: 2 ** members.length }, (_, choice) => {
    const chosen = [...members.keys()].filter((m) => ((choice >> m) & 1) === 1);
    const names = chosen.map((m) => (members[m] as Member).name);
    return fitPool(names, [0, ...chosen.map((m) => m + 1)], samples, options);
  });
}

/** Scores as codes: 127 for the largest of all, either way. */
function quantise(table: Float32Array): Pick<LanguageModel, 'table' | 'step'> {
  let most = 0;
  for (const score of table) most = Math.max(most, Math.abs(score));
  const step = most / 127;
  return { table: Int8Array.from(table, (score) => Math.round(score / step)), step };
}
