import { LRUCache } from 'lru-cache';
import { z } from 'zod';
import { declaredLanguage } from './declared.ts';
import {
  askMembers,
  type Identifier,
  poolScores,
  scoreText,
  scoreWords,
  type TextScores,
} from './identifier.ts';
import { memberNames } from './member.ts';
import type { LanguageModel, Pool } from './model-file.ts';
import { readAsciiWords, readWords } from './read-words.ts';

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
  const text = joined(texts);
  const scored = scoreText(identifier, text);
  if (scored === null) return null;
  const { members, pool, ownPool } = identifier;
  const logPrior = rememberPriors(identifier, options)(declared);
  const own = judge(ownPool, scored, logPrior);
  if (own.score >= options.sureScore || members.length === 0) return probabilities(own);
  return probabilities(judge(pool, askMembers(members, text, scored), logPrior));
}

/** Read as one text, so that a name in Latin letters beside a Japanese text has no say. */
function joined(texts: readonly string[]): string {
  return texts.join('\n');
}

/** What a pool and a prior make of a text's scores. */
interface Judgement {
  /** Index of the likeliest language, the first one of equals. */
  readonly best: number;
  /** Its probability. */
  readonly score: number;
  /** Logarithms [languages] of what is in proportion to the probabilities. */
  readonly logs: Float64Array;
}

/** What is e^-x of the likeliest language for a larger x is nothing beside it in a machine's numbers. */
const negligible = 60;

function judge(pool: Pool, scored: TextScores, logPrior: Float64Array, into?: Float64Array): Judgement {
  const { candidates } = scored;
  const logs = poolScores(pool, scored, into);
  let best = candidates[0] as number;
  for (let j = 0; j < candidates.length; j += 1) {
    const l = candidates[j] as number;
    logs[l] = (logs[l] as number) + (logPrior[l] as number);
    if ((logs[l] as number) > (logs[best] as number)) best = l;
  }
  const most = logs[best] as number;
  let total = 0;
  for (let j = 0; j < candidates.length; j += 1) {
    const below = most - (logs[candidates[j] as number] as number);
    if (below < negligible) total += Math.exp(-below);
  }
  return { best, score: 1 / total, logs };
}

function probabilities({ best, score, logs }: Judgement): Float64Array {
  const most = logs[best] as number;
  return logs.map((log) => Math.exp(log - most) * score);
}

/** Finds languages, one page after another, and remembers what it can use again. */
export interface LanguageFinder {
  /**
   * The language that the texts of one page share, with its probability; `und`, with the probability of the
   * likeliest language, where that is below `minScore`, and with 0 where the texts have nothing to go by.
   */
  find(texts: readonly string[], declared: string | null): Identified;
  /** The same of the one text that a page has: bytes `from` up to `to` of UTF-8. */
  findBytes(bytes: Uint8Array, from: number, to: number, declared: string | null): Identified;
}

/** Answers that are remembered of texts that are not clear: captions such as "Logo" stand on a million pages. */
const [mostAnswers, mostCharacters] = [2 ** 14, 120];

/** Makes what finds languages by an identifier and settings. */
export function createLanguageFinder(identifier: Identifier, options: IdentifyOptions): LanguageFinder {
  const { model, members, pool, ownPool } = identifier;
  const { sureScore, minScore } = options;
  const nothing: Identified = { language: undetermined, score: 0 };
  const priorOf = rememberPriors(identifier, options);
  // Used again for every text.
  const [ownScores, logits] = [
    new Float64Array(model.languages.length),
    new Float64Array(model.languages.length),
  ];
  const unclear = new LRUCache<string, Identified>({ max: mostAnswers });
  const answerOf = ({ best, score }: Judgement): Identified => {
    const found = model.languages[best] as string;
    return { language: score < minScore ? undetermined : found, score };
  };
  const findAsked = (text: string, declared: string | null, scored: TextScores): Identified => {
    const asked = askMembers(members, text, scored);
    return answerOf(judge(pool, asked, priorOf(declared), logits));
  };
  const findUnclear = (text: string, declared: string | null, scored: TextScores): Identified => {
    if (text.length > mostCharacters) return findAsked(text, declared, scored);
    const name = `${declared ?? ''}\n${text}`;
    const known = unclear.get(name);
    if (known !== undefined) return known;
    const found = findAsked(text, declared, scored);
    unclear.set(name, found);
    return found;
  };
  const findScored = (scored: TextScores | null, declared: string | null, text: () => string): Identified => {
    if (scored === null) return nothing;
    const own = judge(ownPool, scored, priorOf(declared), logits);
    if (own.score >= sureScore || members.length === 0) return answerOf(own);
    return findUnclear(text(), declared, scored);
  };
  const findText = (text: string, declared: string | null) =>
    findScored(scoreWords(identifier, readWords(text), ownScores), declared, () => text);
  return {
    find: (texts, declared) => findText(joined(texts), declared),
    findBytes(bytes, from, to, declared) {
      const text = () => Buffer.from(bytes.buffer, bytes.byteOffset + from, to - from).toString();
      const words = readAsciiWords(bytes, from, to);
      return words === null
        ? findText(text(), declared)
        : findScored(scoreWords(identifier, words, ownScores), declared, text);
    },
  };
}

/**
 * The language that the texts of one page share, as a {@link LanguageFinder} finds it that has seen no page before.
 */
export function identify(
  identifier: Identifier,
  texts: readonly string[],
  declared: string | null,
  options: IdentifyOptions,
): Identified {
  return createLanguageFinder(identifier, options).find(texts, declared);
}

/** Logarithms of prior probabilities [languages] by what a page declares. */
type LogPrior = (declared: string | null) => Float64Array;

/** Declarations that are remembered: pages declare a few hundred, and now and then anything at all. */
const mostDeclared = 4096;

function rememberPriors({ model }: Identifier, options: PriorOptions): LogPrior {
  const byLanguage = new Map<string | null, Float64Array>();
  const byDeclared = new Map<string | null, Float64Array>();
  return (declared) => {
    const known = byDeclared.get(declared);
    if (known !== undefined) return known;
    const language = declaredLanguage(declared, model.languages);
    const found = byLanguage.get(language) ?? languagePrior(model, language, options).map(Math.log);
    byLanguage.set(language, found);
    if (byDeclared.size >= mostDeclared) byDeclared.clear();
    byDeclared.set(declared, found);
    return found;
  };
}
