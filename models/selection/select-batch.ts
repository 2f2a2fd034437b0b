import { setImmediate } from 'node:timers/promises';
import type { Random } from '../../schemas/random.ts';
import { duplicateRows, equalizeDuplicates } from './duplicates.ts';
import { ownPairs, ownScore, type PairModel, pairsOf, type SelectionLoss } from './pair-model.ts';
import { createRowOrder, type RowOrder, type Rows } from './row-order.ts';
import { createRunningScores, type RunningScores } from './running-scores.ts';
import type { Precision } from './tile-graph.ts';
import { createTileSums } from './tile-sums.ts';
import { chunkSizes, highest, withGumbelNoise } from './top-k.ts';

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
  /** The loss that scores pairs; the sigmoid's by default. */
  readonly loss?: SelectionLoss | undefined;
  /** Of the products and their reductions; float64 up to 4,096 pairs and float32 above by default. */
  readonly precision?: Precision | undefined;
  /** Threads of the products; the machine's cores by default. */
  readonly threads?: number | undefined;
  /** Checked before every chunk. */
  readonly signal?: AbortSignal | undefined;
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

/** Pairs up to which float64 is the default: what is small enough to be exact at little cost. */
const exactPairs = 4096;

/** The precision of a selection from B pairs, unless told. */
export function precisionFor(count: number): Precision {
  return count <= exactPairs ? 'float64' : 'float32';
}

/**
 * Joint example selection (JEST, algorithm 1, arXiv 2406.17711; ACID, 2411.18674): chunk by chunk, each pair scored
 * by its own score plus its scores with the pairs already selected. A score is the learner's loss (hard), the
 * teacher's with its sign turned (easy-reference), or the difference (learnability). Ties go to the lower index, and
 * equal pairs score equally. No B x B matrix is made: each chunk adds its pairs' losses to running sums, in tiles.
 *
 * A model that the method doesn't use may be null. The models' rows are moved about while it runs, and are back in
 * place when it ends, also when it throws: let nothing else read them meanwhile. Throws when b is over B, the models'
 * sizes differ, a model is missing, an embedding isn't a finite number, or the signal is aborted.
 */
export async function selectBatch(
  learner: PairModel | null,
  teacher: PairModel | null,
  options: SelectionOptions,
  random: Random,
): Promise<Selection> {
  const { batch, loss = 'sigmoid', threads, signal } = options;
  const count = countOf(learner, teacher);
  if (batch > count) throw new Error(`cannot select ${batch} of ${count} pairs`);
  const models = modelsOf(learner, teacher, options.method).map(({ model, name, sign }) => {
    return { model, sign, similarities: ownPairs(model, name), running: createRunningScores(count, loss) };
  });
  const selfScores = new Float64Array(count);
  for (const { model, sign, similarities } of models) {
    for (let i = 0; i < count; i += 1) {
      selfScores[i] = (selfScores[i] as number) + sign * ownScore(loss, model, similarities[i] as number);
    }
  }
  const matrices = models.flatMap(({ model }) => rowsOf(model));
  const duplicates = duplicateRows(selfScores, matrices);
  const logits = Float64Array.from(selfScores);
  const taken = new Uint8Array(count);
  const result = emptySelection(batch);
  const order = createRowOrder(count, matrices);
  const precision = options.precision ?? precisionFor(count);
  const scoring = models.map(({ model, running, sign }) => {
    return { running, sign, tiles: createTileSums(model, order, { loss, precision, threads }) };
  });
  let position = 0;
  try {
    for (const [chunk, size] of chunkSizes(batch, options.chunks).entries()) {
      // Products keep the thread busy: here signals and timers get their turn.
      await setImmediate();
      signal?.throwIfAborted();
      const keys = options.sampling === 'greedy' ? logits : withGumbelNoise(logits, random);
      const picked = highest(keys, taken, size);
      for (const index of picked) {
        result.indices[position] = index;
        result.chunks[position] = chunk;
        result.selfScores[position] = selfScores[index] as number;
        result.logits[position] = logits[index] as number;
        taken[index] = 1;
        position += 1;
      }
      // After the last chunk nobody asks for the conditional scores.
      if (position === batch) break;
      order.pick(picked);
      for (const { running, tiles } of scoring) {
        for await (const tile of tiles(picked.length)) running.add(tile, order.rows);
      }
      updateLogits(logits, selfScores, scoring, order);
      equalizeDuplicates(logits, duplicates, taken);
    }
  } finally {
    order.restore();
  }
  return result;
}

/**
 * Makes the logits of all open pairs their own scores plus their running scores under each model. Throws when one
 * isn't a finite number.
 */
function updateLogits(
  logits: Float64Array,
  selfScores: Float64Array,
  models: readonly { readonly running: RunningScores; readonly sign: number }[],
  order: RowOrder,
): void {
  const { rows } = order;
  const open = order.open();
  logits.set(selfScores);
  for (const { running, sign } of models) running.addTo(logits, sign, rows, open);
  for (let place = 0; place < open; place += 1) {
    const i = rows[place] as number;
    if (Number.isFinite(logits[i])) continue;
    throw new Error(
      `the conditional score of pair ${i} is ${logits[i]}: the scale or the embeddings are too large`,
    );
  }
}

function modelsOf(learner: PairModel | null, teacher: PairModel | null, method: SelectionMethod) {
  const need = (model: PairModel | null, name: string) => {
    if (model === null) throw new Error(`selection by ${method} needs a ${name}'s embeddings`);
    return model;
  };
  const fromLearner = () => ({ model: need(learner, 'learner'), name: 'learner', sign: 1 });
  const fromTeacher = () => ({ model: need(teacher, 'teacher'), name: 'teacher', sign: -1 });
  if (method === 'hard') return [fromLearner()];
  return method === 'easy-reference' ? [fromTeacher()] : [fromLearner(), fromTeacher()];
}

function countOf(learner: PairModel | null, teacher: PairModel | null): number {
  const learnerPairs = learner && pairsOf(learner, 'learner');
  const teacherPairs = teacher && pairsOf(teacher, 'teacher');
  if (learnerPairs !== null && teacherPairs !== null && learnerPairs !== teacherPairs) {
    throw new Error(`the learner embeds ${learnerPairs} pairs, and the teacher ${teacherPairs}`);
  }
  return learnerPairs ?? teacherPairs ?? 0;
}

function rowsOf({ images, texts, dimension }: PairModel): Rows[] {
  return [
    { values: images, dimension },
    { values: texts, dimension },
  ];
}

function emptySelection(batch: number): Selection {
  return {
    indices: new Uint32Array(batch),
    chunks: new Uint32Array(batch),
    selfScores: new Float64Array(batch),
    logits: new Float64Array(batch),
  };
}
