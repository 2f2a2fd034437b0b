import type { HeldTensor } from '../../models/executor.ts';
import type { PairModel } from '../../models/selection/pair-model.ts';
import { type Selection, selectBatch } from '../../models/selection/select-batch.ts';
import type { Parameters } from '../../models/towers.ts';
import type { Trainer } from '../../models/trainer.ts';
import type { Random } from '../../schemas/random.ts';
import type { SuperBatch } from '../../schemas/super-batch.ts';
import type { TeacherFacts } from '../../stages/read-curated.ts';
import type { DistillOptions } from './options.ts';
import { type PairTerms, pairTerms } from './pair-terms.ts';
import type { Scorer } from './scorer.ts';

/** What batches are chosen with. */
export interface ChooserOptions {
  readonly options: DistillOptions;
  readonly superBatches: AsyncGenerator<SuperBatch>;
  /** The learner as it scores. */
  readonly scorer: Scorer;
  readonly teacher: TeacherFacts | null;
  readonly random: Random;
  /** Where a run that was stopped goes on; then the super-batches begin with the one that was in use, if one was. */
  readonly resume?: ChooserState | undefined;
}

/** A learner in training, as a chooser asks it. */
type Learner = Pick<Trainer, 'weights' | 'parameters' | 'logits'>;

/** What it is before a step. */
type LearnerNow = ReturnType<Trainer['logits']> & { readonly weights: Parameters | HeldTensor };

/** The pairs of one step. */
export interface ChosenBatch {
  readonly superBatch: SuperBatch;
  /** Whether no step before chose from this super-batch. */
  readonly isFresh: boolean;
  /** Indices into the super-batch, [b]. */
  readonly indices: Uint32Array;
  /** Why each was chosen; null when they were drawn uniformly. */
  readonly selection: Selection | null;
  /** What own scores are made of, of every pair of the super-batch; null as the selection is. */
  readonly terms: PairTerms | null;
}

/** What continues a chooser: how far it is in the super-batches, and the scored one in use. */
export interface ChooserState {
  /** Super-batches taken, the one in use included. */
  readonly taken: number;
  /** The super-batch in use, or scored for the next step. */
  readonly inUse: {
    readonly uses: number;
    /** What no step has chosen yet: indices into the super-batch. */
    readonly open: Uint32Array;
    readonly learner: PairModel | null;
  } | null;
}

/** Super-batches to skip for a run that goes on from a state. */
export function superBatchesDone({ taken, inUse }: ChooserState): number {
  return inUse === null ? taken : taken - 1;
}

/** Chooses the batch of each step. */
export interface Chooser {
  /** The batch of the next step of this learner; with `last` nothing is scored ahead. */
  choose(trainer: Learner, last: boolean): Promise<ChosenBatch>;
  /** Waits for what is being scored. */
  settle(): Promise<void>;
  /** What continues it, between two steps. */
  state(): Promise<ChooserState>;
}

/** A super-batch as both models see it, and what is left of it. */
interface Scored {
  readonly superBatch: SuperBatch;
  readonly learner: PairModel | null;
  readonly teacher: PairModel | null;
  readonly terms: PairTerms;
  open: Uint32Array;
  uses: number;
}

/**
 * Chooses each step's batch by the recipe's method (ACID, arXiv 2411.18674, section 3): uniformly, or jointly from a
 * super-batch that the learner has scored. With `scoring.reuse` over 1 a scored super-batch serves so many steps, each
 * choosing from what the ones before left. With `scoring.overlap` the next super-batch is scored by the weights from
 * before a step while that step is taken, so that its scores are one step old; the first one's are not. With `strata`
 * English and the rest are chosen apart, at their share of the mix. Throws when the super-batches end.
 */
export function createChooser(chooser: ChooserOptions): Chooser {
  const { options, superBatches, random, resume } = chooser;
  const { reuse, overlap } = options.scoring;
  let taken = resume ? superBatchesDone(resume) : 0;
  let left = resume?.inUse ?? null;
  let scored: Scored | null = null;
  let ahead: Promise<Scored> | null = null;
  const next = async () => {
    const { value, done } = await superBatches.next();
    if (done) throw new Error('the super-batches ended');
    taken += 1;
    return value;
  };
  // A thread of its own has an executor of its own, to which weights go as values.
  const now = async (trainer: Learner): Promise<LearnerNow> => ({
    ...trainer.logits(),
    weights: overlap ? await trainer.parameters() : trainer.weights(),
  });
  const scoredNext = async (trainer: Learner) => {
    if (left === null) return scoreSuperBatch(chooser, await next(), await now(trainer));
    const { learner, open, uses } = left;
    left = null;
    const superBatch = await next();
    const teacher = teacherOf(chooser, superBatch);
    return { superBatch, learner, teacher, terms: pairTerms(learner, teacher), open, uses };
  };
  return {
    async choose(trainer, last) {
      if (options.method === 'uniform') {
        const superBatch = await next();
        const indices = drawUniformly(superBatch.keys.length, options.batch, random);
        return { superBatch, isFresh: true, indices, selection: null, terms: null };
      }
      if (scored === null || scored.uses === reuse) {
        scored = await (ahead ?? scoredNext(trainer));
        ahead = null;
      }
      if (overlap && !last && scored.uses + 1 === reuse) {
        // Drawn before it is waited for: what follows blocks this thread.
        const superBatch = await next();
        ahead = scoreSuperBatch(chooser, superBatch, await now(trainer));
        ahead.catch(() => {});
      }
      const selection = await selectFrom(chooser, scored);
      const { superBatch, terms } = scored;
      scored.uses += 1;
      scored.open = without(scored.open, selection.indices, superBatch.keys.length);
      return { superBatch, isFresh: scored.uses === 1, indices: selection.indices, selection, terms };
    },
    async settle() {
      await ahead;
    },
    async state() {
      if (left) return { taken: taken + 1, inUse: left };
      const current = ahead ? await ahead : scored;
      const inUse = current && current.uses < reuse ? current : null;
      return { taken, inUse: inUse && { uses: inUse.uses, open: inUse.open, learner: inUse.learner } };
    },
  };
}

async function scoreSuperBatch(
  chooser: ChooserOptions,
  superBatch: SuperBatch,
  { weights, scale, bias }: LearnerNow,
): Promise<Scored> {
  const { options, scorer } = chooser;
  let learner: PairModel | null = null;
  // Easy-reference asks the teacher alone, whose embeddings came with the rows.
  if (options.method !== 'easy-reference') {
    learner = {
      ...(await scorer.score(superBatch, weights)),
      dimension: options.learner.embeddingDim,
      scale,
      bias,
    };
  }
  const open = Uint32Array.from({ length: superBatch.keys.length }, (_, i) => i);
  const teacher = teacherOf(chooser, superBatch);
  return { superBatch, learner, teacher, terms: pairTerms(learner, teacher), open, uses: 0 };
}

function teacherOf({ teacher }: ChooserOptions, superBatch: SuperBatch): PairModel | null {
  return teacher && { images: superBatch.teacherImages, texts: superBatch.teacherTexts, ...teacher };
}

/** What of a recipe decides how a batch is selected from a scored super-batch. */
export type SelectingOptions = Pick<
  DistillOptions,
  'batch' | 'chunks' | 'method' | 'sampling' | 'strata' | 'english'
> & { readonly threads?: number | undefined };

/** Selects a batch from the open pairs of a scored super-batch, by stratum. Throws as {@link selectBatch} does. */
export async function selectFrom(
  { options, random }: { readonly options: SelectingOptions; readonly random: Random },
  {
    superBatch,
    learner,
    teacher,
    open,
  }: Pick<Scored, 'learner' | 'teacher' | 'open'> & { readonly superBatch: Pick<SuperBatch, 'languages'> },
): Promise<Selection> {
  const selections: Selection[] = [];
  for (const { rows, batch } of strataOf(open, superBatch.languages, options)) {
    const part = (model: PairModel | null) => model && rowsOf(model, rows);
    const selection = await selectBatch(
      part(learner),
      part(teacher),
      { ...options, method: methodOf(options), batch },
      random,
    );
    selections.push({ ...selection, indices: selection.indices.map((i) => rows[i] as number) });
  }
  return joinSelections(selections);
}

/**
 * The open pairs by stratum, and how many are chosen of each: all together, or English and the rest apart, at the share
 * of the mix or, where that is null, the open pairs' own. Where one has too few pairs the other makes up for it.
 */
export function strataOf(
  open: Uint32Array,
  languages: readonly string[],
  { batch, strata, english }: Pick<DistillOptions, 'batch' | 'strata' | 'english'>,
): { readonly rows: Uint32Array; readonly batch: number }[] {
  if (strata === 'none') return [{ rows: open, batch }];
  const inEnglish = open.filter((i) => languages[i] === 'en');
  const rest = open.filter((i) => languages[i] !== 'en');
  const share = english ?? inEnglish.length / open.length;
  const wanted = Math.max(Math.round(batch * share), batch - rest.length);
  const fromEnglish = Math.min(wanted, inEnglish.length);
  return [
    { rows: inEnglish, batch: fromEnglish },
    { rows: rest, batch: batch - fromEnglish },
  ].filter((stratum) => stratum.batch > 0);
}

function methodOf({ method }: SelectingOptions): Exclude<DistillOptions['method'], 'uniform'> {
  if (method === 'uniform') throw new Error('uniform batches are not selected');
  return method;
}

function rowsOf(model: PairModel, rows: Uint32Array): PairModel {
  const { dimension: d } = model;
  // All of them, in their order: the selection puts back what it moves.
  if (rows.length * d === model.images.length) return model;
  const gather = (values: Float32Array) => {
    const gathered = new Float32Array(rows.length * d);
    rows.forEach((row, i) => {
      gathered.set(values.subarray(row * d, (row + 1) * d), i * d);
    });
    return gathered;
  };
  return { ...model, images: gather(model.images), texts: gather(model.texts) };
}

function joinSelections(selections: readonly Selection[]): Selection {
  const [first] = selections;
  if (selections.length === 1 && first) return first;
  const all = <K extends keyof Selection>(key: K) => selections.flatMap((selection) => [...selection[key]]);
  return {
    indices: Uint32Array.from(all('indices')),
    chunks: Uint32Array.from(all('chunks')),
    selfScores: Float64Array.from(all('selfScores')),
    logits: Float64Array.from(all('logits')),
  };
}

function without(open: Uint32Array, taken: Uint32Array, count: number): Uint32Array {
  const gone = new Uint8Array(count);
  for (const index of taken) gone[index] = 1;
  return open.filter((index) => gone[index] === 0);
}

/** b of B indices, uniformly without replacement (a partial Fisher-Yates shuffle). */
export function drawUniformly(count: number, batch: number, random: Random): Uint32Array {
  const indices = Uint32Array.from({ length: count }, (_, i) => i);
  for (let i = 0; i < batch; i += 1) {
    const j = i + random.integer(count - i);
    [indices[i], indices[j]] = [indices[j] as number, indices[i] as number];
  }
  return indices.slice(0, batch);
}
