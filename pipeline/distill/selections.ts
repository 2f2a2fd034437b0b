import { join } from 'node:path';
import { Float32, Int32, type RecordBatch, Utf8 } from 'apache-arrow';
import { batchOf } from '../../schemas/batches.ts';
import type { ChosenBatch } from './choose-batch.ts';
import type { DistillOptions } from './options.ts';
import { type PairTerms, selfScoreOf } from './pair-terms.ts';
import { openStepLog } from './step-log.ts';

/** The record of what a run was offered and what it selected: which pair, at which step, and why. */
export interface SelectionLog {
  /** Adds a step's batch; one that was drawn uniformly has no reasons, and is left out. */
  add(step: number, chosen: ChosenBatch): Promise<void>;
  /** Puts what was added on the disk: a run that goes on from here keeps it. */
  keep(): Promise<void>;
  /** Writes `selections.parquet` and `offers.parquet` of what was kept, or nothing where no pair was selected. */
  write(folder: string): Promise<void>;
  close(): Promise<void>;
}

const termTypes = {
  /** The learner's loss of the pair by itself. */
  learner_loss: new Float32(),
  /** The teacher's. */
  teacher_loss: new Float32(),
} as const;

const types = {
  step: new Int32(),
  /** The pair's place in the selected batch. */
  position: new Int32(),
  chunk: new Int32(),
  /** The pair's place in the super-batch. */
  index: new Int32(),
  key: new Utf8(),
  language: new Utf8(),
  /** s_ii: the pair's own score. */
  self_score: new Float32(),
  /** Its score given the pairs selected before its chunk. */
  logit: new Float32(),
  ...termTypes,
} as const;

/**
 * Opens the records in `folder`. A run that goes on from a step lets go of what was recorded there or later: it comes
 * again. The pairs of each super-batch are recorded once, when it is first chosen from, and only if the recipe asks.
 */
export async function openSelectionLog(
  folder: string,
  step: number,
  options: Pick<DistillOptions, 'recordOffers' | 'method'>,
): Promise<SelectionLog> {
  const selections = await openStepLog(join(folder, 'selections'), step);
  const offers = options.recordOffers ? await openStepLog(join(folder, 'offers'), step) : null;
  return {
    async add(step, chosen) {
      if (chosen.selection === null) return;
      await selections.add(step, selectionRows(step, chosen));
      if (chosen.isFresh) await offers?.add(step, offerRows(step, chosen, options.method));
    },
    async keep() {
      await selections.keep();
      await offers?.keep();
    },
    async write(to) {
      await selections.write(join(to, 'selections.parquet'));
      await offers?.write(join(to, 'offers.parquet'));
    },
    async close() {
      await selections.close();
      await offers?.close();
    },
  };
}

/** A step's selected pairs as the columns of `selections.parquet`, in the order in which they were selected. */
export function selectionRows(
  step: number,
  {
    superBatch,
    selection,
    terms,
  }: Pick<ChosenBatch, 'selection' | 'terms'> & {
    readonly superBatch: Pick<ChosenBatch['superBatch'], 'keys' | 'languages'>;
  },
): RecordBatch {
  if (selection === null) throw new Error('uniform batches are not selected');
  const indices = Array.from(selection.indices);
  return batchOf({
    step: { type: types.step, values: indices.map(() => step) },
    position: { type: types.position, values: indices.map((_, i) => i) },
    chunk: { type: types.chunk, values: Array.from(selection.chunks) },
    index: { type: types.index, values: indices },
    key: { type: types.key, values: indices.map((i) => superBatch.keys[i] ?? '') },
    language: { type: types.language, values: indices.map((i) => superBatch.languages[i] ?? '') },
    self_score: { type: types.self_score, values: Array.from(selection.selfScores) },
    logit: { type: types.logit, values: Array.from(selection.logits) },
    ...termColumns(terms, indices),
  });
}

function offerRows(step: number, { superBatch, terms }: ChosenBatch, method: DistillOptions['method']) {
  const indices = superBatch.keys.map((_, i) => i);
  const scores = indices.map((i) => terms && selfScoreOf(terms, method, i));
  return batchOf({
    step: { type: types.step, values: indices.map(() => step) },
    index: { type: types.index, values: indices },
    key: { type: types.key, values: [...superBatch.keys] },
    self_score: { type: types.self_score, values: scores },
    ...termColumns(terms, indices),
  });
}

function termColumns(terms: PairTerms | null, indices: readonly number[]) {
  const values = (of: Float64Array | null | undefined) => indices.map((i) => of?.[i] ?? null);
  return {
    learner_loss: { type: termTypes.learner_loss, values: values(terms?.learner) },
    teacher_loss: { type: termTypes.teacher_loss, values: values(terms?.teacher) },
  };
}
