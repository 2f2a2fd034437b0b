import type { Random } from '../../schemas/random.ts';
import { addPickedLosses, ownLosses, type PairModel } from './pair-losses.ts';

/** What a pair is wanted for (JEST, section 2): hard for the learner, easy for the reference, or both. */
export type SelectionMethod = 'learnability' | 'hard' | 'easy-reference';

/** How a batch is selected from a super-batch. */
export interface SelectionOptions {
  /** b: pairs selected. */
  readonly batch: number;
  /** N: chunks they are selected in; the last takes the remainder. */
  readonly chunks: number;
  readonly method: SelectionMethod;
  /** `gumbel` draws with probability proportional to exp(logit); `greedy` takes the highest. */
  readonly sampling: 'gumbel' | 'greedy';
}

/** The pairs selected, in the order they were. */
export interface Selection {
  /** Indices into the super-batch, [b]. */
  readonly indices: Uint32Array;
  /** The chunk in which each was selected, [b]. */
  readonly chunks: Uint32Array;
  /** Each one's own score s_ii, [b]. */
  readonly selfScores: Float64Array;
  /** Each one's conditional score when it was selected, [b]. */
  readonly logits: Float64Array;
}

/**
 * Joint example selection (JEST, algorithm 1, arXiv 2406.17711; ACID, 2411.18674): chunk by chunk, each pair scored
 * by its own score plus its scores with the pairs already selected. A score is the learner's loss (hard), the
 * teacher's with its sign turned (easy-reference), or the difference (learnability). Ties go to the lower index.
 * `teacher` may be null for the hard ones. Throws when b is over B, the models' sizes differ, a teacher is missing, or
 * an embedding isn't a finite number.
 */
export function selectBatch(
  learner: PairModel,
  teacher: PairModel | null,
  options: SelectionOptions,
  random: Random,
): Selection {
  const models = modelsOf(learner, teacher, options.method);
  const count = countOf(learner, 'learner');
  if (teacher && countOf(teacher, 'teacher') !== count) {
    throw new Error(`the learner embeds ${count} pairs, and the teacher ${countOf(teacher, 'teacher')}`);
  }
  if (options.batch > count) throw new Error(`cannot select ${options.batch} of ${count} pairs`);
  const self = new Float64Array(count);
  for (const { model, sign } of models) {
    ownLosses(model).forEach((loss, i) => {
      self[i] = (self[i] ?? 0) + sign * loss;
    });
  }
  const bad = self.findIndex((score) => !Number.isFinite(score));
  if (bad >= 0) throw new Error(`pair ${bad} has no finite score: its embeddings hold NaN or infinity`);

  const logits = Float64Array.from(self);
  const picked: number[] = [];
  const result = emptySelection(options.batch);
  const taken = new Uint8Array(count);
  chunkSizes(options.batch, options.chunks).forEach((size, chunk) => {
    const fresh = highest(noisy(logits, options.sampling, random), taken, size);
    for (const index of fresh) {
      result.indices[picked.length] = index;
      result.chunks[picked.length] = chunk;
      result.selfScores[picked.length] = self[index] ?? 0;
      result.logits[picked.length] = logits[index] ?? 0;
      picked.push(index);
      taken[index] = 1;
    }
    // After the last chunk nobody asks for the conditional scores.
    if (picked.length < options.batch) {
      for (const { model, sign } of models) addPickedLosses(model, fresh, sign, logits);
    }
  });
  return result;
}

/** The sizes of the chunks of a batch of b: floor(b / N) each, the remainder in the last; never an empty one. */
export function chunkSizes(batch: number, chunks: number): number[] {
  const count = Math.min(chunks, batch);
  if (count === 0) return [];
  const size = Math.floor(batch / count);
  return Array.from({ length: count }, (_, i) => (i === count - 1 ? batch - size * (count - 1) : size));
}

function modelsOf(learner: PairModel, teacher: PairModel | null, method: SelectionMethod) {
  const fromLearner = { model: learner, sign: 1 };
  if (method === 'hard') return [fromLearner];
  if (teacher === null) throw new Error(`selection by ${method} needs a teacher's embeddings`);
  const fromTeacher = { model: teacher, sign: -1 };
  return method === 'easy-reference' ? [fromTeacher] : [fromLearner, fromTeacher];
}

function countOf(model: PairModel, name: string): number {
  const { images, texts, dimension } = model;
  if (images.length !== texts.length || images.length % dimension !== 0) {
    throw new Error(
      `the ${name}'s images and texts are ${images.length} and ${texts.length} numbers, not rows of ${dimension}`,
    );
  }
  return images.length / dimension;
}

function emptySelection(batch: number): Selection {
  return {
    indices: new Uint32Array(batch),
    chunks: new Uint32Array(batch),
    selfScores: new Float64Array(batch),
    logits: new Float64Array(batch),
  };
}

/** Gumbel noise on logits makes their top k a draw without replacement, p proportional to exp(logit). */
function noisy(logits: Float64Array, sampling: 'gumbel' | 'greedy', random: Random): Float64Array {
  if (sampling === 'greedy') return logits;
  return logits.map((logit) => logit - Math.log(-Math.log1p(-random.uniform())));
}

/** The indices of the k highest that aren't taken, best first, ties to the lower index. */
function highest(values: Float64Array, taken: Uint8Array, k: number): number[] {
  const open: number[] = [];
  for (let i = 0; i < values.length; i += 1) if (!taken[i]) open.push(i);
  open.sort((a, b) => (values[b] ?? 0) - (values[a] ?? 0) || a - b);
  return open.slice(0, k);
}
