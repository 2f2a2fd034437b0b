import { loadEld } from './eld.ts';
import { loadFastText } from './fasttext.ts';
import type { Member, MemberName } from './member.ts';
import { type LanguageModel, loadLanguageModel, type Pool } from './model-file.ts';
import { createNgramScorer, languagesByScript, type NgramScorer } from './ngrams.ts';
import { placeOf, weightAt } from './pool-weights.ts';
import { readWords, type TextWords } from './read-words.ts';

/** The project's own identifier and the members that are pooled with it, loaded. */
export interface Identifier {
  readonly model: LanguageModel;
  readonly members: readonly Member[];
  /** The pool of the n-grams and the members. */
  readonly pool: Pool;
  /** The pool of the n-grams alone. */
  readonly ownPool: Pool;
  /** Indices of the languages written in each script, [scripts]. */
  readonly candidates: readonly Int32Array[];
  readonly scorer: NgramScorer;
}

/** What is made of one text, before it is pooled. */
export interface TextScores {
  readonly letters: number;
  /** Indices of the languages that are written in the text's script; the others are none of it. */
  readonly candidates: Int32Array;
  /** Scores [1 or 1 + members, languages], the n-grams' first. */
  readonly scores: readonly Float64Array[];
}

const loaders: Readonly<Record<MemberName, (languages: readonly string[]) => Member | Promise<Member>>> = {
  fasttext: loadFastText,
  eld: loadEld,
};

/** Loads members, in the order of their names' list, for these languages. */
export async function loadMembers(
  names: readonly MemberName[],
  languages: readonly string[],
): Promise<Member[]> {
  return Promise.all(names.map((name) => loaders[name](languages)));
}

const loaded = new Map<string, Promise<Identifier>>();

/**
 * Loads the identifier: a model file, by default the program's own, which is read once a process, and members. Throws
 * when the file is no whole model, or holds no pool for these members.
 */
export async function loadIdentifier(names: readonly MemberName[], path?: string): Promise<Identifier> {
  if (path !== undefined) return readIdentifier(names, path);
  const known = loaded.get(names.join());
  if (known !== undefined) return known;
  const loading = readIdentifier(names);
  loaded.set(names.join(), loading);
  loading.catch(() => loaded.delete(names.join()));
  return loading;
}

async function readIdentifier(names: readonly MemberName[], path?: string): Promise<Identifier> {
  const model = await loadLanguageModel(path);
  return identifierOf(model, await loadMembers(names, model.languages));
}

/** The identifier of a model and members. Throws when the model holds no pool for them. */
export function identifierOf(model: LanguageModel, members: readonly Member[]): Identifier {
  const poolOf = (names: readonly string[]): Pool => {
    const found = model.pools.find((one) => one.members.join() === names.join());
    if (found !== undefined) return found;
    const held = model.pools.map((one) => one.members.join(' and ') || 'none').join('; ');
    throw new Error(
      `the language model has no pool for the members ${names.join(', ') || 'none'}: it has ${held}`,
    );
  };
  return {
    model,
    members,
    pool: poolOf(members.map(({ name }) => name)),
    ownPool: poolOf([]),
    candidates: languagesByScript(model.scripts),
    scorer: createNgramScorer(model),
  };
}

/** What of an identifier scores n-grams. */
export type NgramPart = Pick<Identifier, 'candidates' | 'scorer'> & {
  readonly model: Pick<LanguageModel, 'languages'>;
};

/** Scores a text by its n-grams. Null when it has no letter, or those of a script that no language is written in. */
export function scoreText(identifier: NgramPart, text: string): TextScores | null {
  return scoreWords(identifier, readWords(text));
}

/** Scores a text's words as {@link scoreText} does, into an array [languages] where one is given. */
export function scoreWords(
  { model, candidates: byScript, scorer }: NgramPart,
  words: TextWords,
  own: Float64Array = new Float64Array(model.languages.length),
): TextScores | null {
  const candidates = byScript[words.script];
  if (candidates === undefined || candidates.length === 0) return null;
  scorer.score(words, candidates, own);
  return { letters: words.letters, candidates, scores: [own] };
}

/** Adds the members' scores of a text to those of its n-grams. */
export function askMembers(members: readonly Member[], text: string, scored: TextScores): TextScores {
  const width = scored.scores[0]?.length ?? 0;
  const asked = members.map((member) => {
    const scores = new Float64Array(width);
    member.score(text, scores);
    return scores;
  });
  return { ...scored, scores: [...scored.scores, ...asked] };
}

/**
 * Logits [languages] of a text: a bias of each language, and the scores times their weights, which depend on the
 * length of the text and on the language; -Infinity for languages that are not written in the text's script. They are
 * written to `logits` where that is given.
 */
export function poolScores(
  pool: Pool,
  { letters, candidates, scores }: TextScores,
  logits: Float64Array = new Float64Array(pool.biases.length),
): Float64Array {
  const place = placeOf(letters);
  const { biases } = pool;
  logits.fill(Number.NEGATIVE_INFINITY);
  for (let j = 0; j < candidates.length; j += 1) {
    const l = candidates[j] as number;
    logits[l] = biases[l] as number;
  }
  for (let m = 0; m < scores.length; m += 1) {
    const own = scores[m] as Float64Array;
    const weight = weightAt(pool.weights[m] ?? [], place);
    const deviations = pool.deviations[m] ?? [];
    for (let j = 0; j < candidates.length; j += 1) {
      const l = candidates[j] as number;
      logits[l] = (logits[l] as number) + (weight + (deviations[l] ?? 0)) * (own[l] as number);
    }
  }
  return logits;
}
