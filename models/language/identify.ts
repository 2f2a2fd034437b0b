import { z } from 'zod';
import { declaredLanguage } from './declared.ts';
import { readFeatures, type TextFeatures } from './features.ts';
import type { LanguageModel } from './model-file.ts';

/** The language of texts whose language cannot be told (BCP 47). */
export const undetermined = 'und';

/** Settings of {@link identify}. */
export const identifyOptionsSchema = z.strictObject({
  /** How far a page's declared language is believed: its prior probability, the other languages sharing the rest. */
  declaredBelief: z.number().min(0).max(0.9999).default(0.85),
  /** How far the languages' shares of the web count as prior: 0 makes all languages equal, 1 counts them whole. */
  shareWeight: z.number().min(0).max(1).default(0.5),
  /** Below this probability the language is `und`. */
  minScore: z.number().min(0).max(1).default(0.5),
});

/** Settings of {@link identify}, defaults filled in. */
export type IdentifyOptions = z.infer<typeof identifyOptionsSchema>;

/** A language and its probability. */
export interface Identified {
  readonly language: string;
  readonly score: number;
}

/**
 * Log-likelihoods [languages] of a text under each language's n-grams (natural logarithm); -Infinity for a
 * language that is not written in the text's script, 0 for all when the text has no letter.
 */
export function scoreLanguages(model: LanguageModel, text: string): Float32Array {
  return scoreFeatures(model, readFeatures(text));
}

function scoreFeatures(model: LanguageModel, { hashes, script }: TextFeatures): Float32Array {
  const { table, floor, step } = model;
  const languages = model.languages.length;
  const scores = new Float32Array(languages);
  if (script < 0) return scores;
  const codes = new Uint32Array(languages);
  const mask = model.buckets - 1;
  for (let i = 0; i < hashes.length; i += 1) {
    const row = ((hashes[i] as number) & mask) * languages;
    for (let language = 0; language < languages; language += 1) {
      codes[language] = (codes[language] as number) + (table[row + language] as number);
    }
  }
  return scores.map((_, language) =>
    model.scripts[language]?.includes(script) === true
      ? hashes.length * floor + step * (codes[language] as number)
      : Number.NEGATIVE_INFINITY,
  );
}

/** Prior probabilities [languages] given the page's declared language (canonical, or null). */
export function languagePrior(
  model: LanguageModel,
  declared: string | null,
  { declaredBelief, shareWeight }: IdentifyOptions,
): Float64Array {
  const uniform = 1 / model.languages.length;
  const prior = Float64Array.from(model.shares, (share) => shareWeight * share + (1 - shareWeight) * uniform);
  const index = declared === null ? -1 : model.languages.indexOf(declared);
  const own = prior[index];
  if (own === undefined) return prior;
  return prior.map((share, language) =>
    language === index ? declaredBelief : ((1 - declaredBelief) * share) / (1 - own),
  );
}

/**
 * Posterior probabilities [languages] of the language that the texts share: their log-likelihood,
 * tempered (n-grams overlap, so that naive Bayes counts its evidence many times over), times the prior. Null
 * when no text has a letter, or none of the languages is written in the texts' scripts.
 */
export function languagePosterior(
  model: LanguageModel,
  texts: readonly string[],
  declared: string | null,
  options: IdentifyOptions,
): Float64Array | null {
  // Read as one text, so that a name in Latin letters beside a Japanese text has no say.
  const features = readFeatures(texts.join('\n'));
  if (features.script < 0) return null;
  const prior = languagePrior(model, declaredLanguage(declared, model.languages), options);
  const temper = model.temper.scale * features.hashes.length ** -model.temper.exponent;
  const scores = Float64Array.from(scoreFeatures(model, features));
  const logs = scores.map((score, language) => temper * score + Math.log(prior[language] ?? 0));
  const most = logs.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
  if (most === Number.NEGATIVE_INFINITY) return null;
  const odds = logs.map((log) => Math.exp(log - most));
  const total = odds.reduce((a, b) => a + b, 0);
  return odds.map((odd) => odd / total);
}

/**
 * The language that the texts of one page share, with its probability; `und`, with the probability of the
 * likeliest language, where that is below `minScore`, and with 0 where the texts have nothing to go by.
 */
export function identify(
  model: LanguageModel,
  texts: readonly string[],
  declared: string | null,
  options: IdentifyOptions,
): Identified {
  const posterior = languagePosterior(model, texts, declared, options);
  if (posterior === null) return { language: undetermined, score: 0 };
  let best = 0;
  for (let language = 1; language < posterior.length; language += 1) {
    if ((posterior[language] as number) > (posterior[best] as number)) best = language;
  }
  const score = posterior[best] as number;
  return { language: score < options.minScore ? undetermined : (model.languages[best] as string), score };
}
