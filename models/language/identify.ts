import { z } from 'zod';
import { declaredLanguage } from './declared.ts';
import { askMembers, type Identifier, poolScores, scoreText } from './identifier.ts';
import { memberNames } from './member.ts';
import type { LanguageModel } from './model-file.ts';

/** The language of texts whose language cannot be told (BCP 47). */
export const undetermined = 'und';

/** Settings of {@link identify}. */
export const identifyOptionsSchema = z.strictObject({
  /** The identifiers that are asked beside the project's own. */
  members: z
    .array(z.enum(memberNames))
    .default([...memberNames])
    .transform((names) => memberNames.filter((name) => names.includes(name))),
  /** From this probability on by the project's own identifier, the others are not asked. */
  sureScore: z.number().min(0).max(1).default(0.98),
  /** How far a page's declared language is believed: its prior probability, the other languages sharing the rest. */
  declaredBelief: z.number().min(0).max(0.9999).default(0.85),
  /** How far the languages' shares of the web count as prior: 0 makes all languages equal, 1 counts them whole. */
  shareWeight: z.number().min(0).max(1).default(0.5),
  /** Below this probability the language is `und`. */
  minScore: z.number().min(0).max(1).default(0.3),
});

/** Settings of {@link identify}, defaults filled in. */
export type IdentifyOptions = z.infer<typeof identifyOptionsSchema>;

/** A language and its probability. */
export interface Identified {
  readonly language: string;
  readonly score: number;
}

/** What of the settings makes the prior. */
export type PriorOptions = Pick<IdentifyOptions, 'declaredBelief' | 'shareWeight'>;

/** Prior probabilities [languages] given the page's declared language (canonical, or null). */
export function languagePrior(
  { languages, shares }: Pick<LanguageModel, 'languages' | 'shares'>,
  declared: string | null,
  { declaredBelief, shareWeight }: PriorOptions,
): Float64Array {
  const uniform = 1 / languages.length;
  const prior = Float64Array.from(shares, (share) => shareWeight * share + (1 - shareWeight) * uniform);
  const index = declared === null ? -1 : languages.indexOf(declared);
  const own = prior[index];
  if (own === undefined) return prior;
  return prior.map((share, language) =>
    language === index ? declaredBelief : ((1 - declaredBelief) * share) / (1 - own),
  );
}

/**
 * Posterior probabilities [languages] of the language that the texts share: what the pool makes of them, all languages
 * being equal beforehand, times the prior. The members are asked where the n-grams alone are not sure. Null when no
 * text has a letter, or none of the languages is written in the texts' script.
 */
export function languagePosterior(
  identifier: Identifier,
  texts: readonly string[],
  declared: string | null,
  options: PriorOptions & Pick<IdentifyOptions, 'sureScore'>,
): Float64Array | null {
  // Read as one text, so that a name in Latin letters beside a Japanese text has no say.
  const text = texts.join('\n');
  const scored = scoreText(identifier, text);
  if (scored === null) return null;
  const { model, members, pool, ownPool } = identifier;
  const prior = languagePrior(model, declaredLanguage(declared, model.languages), options);
  const own = probabilities(poolScores(ownPool, scored), prior);
  if (members.length === 0 || (own[mostLikely(own)] as number) >= options.sureScore) return own;
  return probabilities(poolScores(pool, askMembers(members, text, scored)), prior);
}

/** Softmax of logits [n], at least one of them finite, times a prior [n]. */
function probabilities(logits: Float64Array, prior: Float64Array): Float64Array {
  const logs = logits.map((logit, l) => logit + Math.log(prior[l] ?? 0));
  const most = logs[mostLikely(logs)] as number;
  let total = 0;
  for (let l = 0; l < logs.length; l += 1) {
    logs[l] = Math.exp((logs[l] as number) - most);
    total += logs[l] as number;
  }
  for (let l = 0; l < logs.length; l += 1) logs[l] = (logs[l] as number) / total;
  return logs;
}

function mostLikely(values: Float64Array): number {
  let best = 0;
  for (let l = 1; l < values.length; l += 1) {
    if ((values[l] as number) > (values[best] as number)) best = l;
  }
  return best;
}

/**
 * The language that the texts of one page share, with its probability; `und`, with the probability of the
 * likeliest language, where that is below `minScore`, and with 0 where the texts have nothing to go by.
 */
export function identify(
  identifier: Identifier,
  texts: readonly string[],
  declared: string | null,
  options: IdentifyOptions,
): Identified {
  const posterior = languagePosterior(identifier, texts, declared, options);
  if (posterior === null) return { language: undetermined, score: 0 };
  const best = mostLikely(posterior);
  const score = posterior[best] as number;
  const found = identifier.model.languages[best] as string;
  return { language: score < options.minScore ? undetermined : found, score };
}
