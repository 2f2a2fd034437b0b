import type { Embedder } from '../../models/embedder.ts';
import { normalizePixels } from '../../models/pixels.ts';
import type { PairModel } from '../../models/selection/pair-model.ts';
import { type Selection, selectBatch } from '../../models/selection/select-batch.ts';
import type { Trainer } from '../../models/trainer.ts';
import type { Random } from '../../schemas/random.ts';
import type { SuperBatch } from '../../schemas/super-batch.ts';
import type { TeacherFacts } from '../../stages/read-curated.ts';
import type { DistillOptions } from './options.ts';

/** What batches are chosen with. */
export interface ChooserOptions {
  readonly options: DistillOptions;
  readonly superBatches: AsyncGenerator<SuperBatch>;
  /** The learner as it scores; its weights are replaced for every super-batch. */
  readonly embedder: Embedder;
  readonly teacher: TeacherFacts | null;
  readonly random: Random;
  readonly signal: AbortSignal;
}

/** What a learner is at a step: its weights and its logits' scale and bias. */
type LearnerNow = Pick<Trainer, 'weights' | 'logits'>;

/** The pairs of one step. */
export interface ChosenBatch {
  readonly superBatch: SuperBatch;
  /** Indices into the super-batch, [b]. */
  readonly indices: Uint32Array;
  /** Why each was chosen; null when they were drawn uniformly. */
  readonly selection: Selection | null;
}

/** A super-batch as both models see it, and what is left of it. */
interface Scored {
  readonly superBatch: SuperBatch;
  readonly learner: PairModel | null;
  readonly teacher: PairModel | null;
  open: Uint32Array;
  uses: number;
}

/**
 * Chooses each step's batch by the recipe's method (ACID, arXiv 2411.18674, section 3): uniformly, or jointly from a
 * super-batch that the learner has scored. With `scoring.reuse` over 1 a scored super-batch serves so many steps, each
 * choosing from what the ones before left. With `strata` English and the rest are chosen apart, at their share of the
 * mix. Throws when the super-batches end.
 */
export function createChooser(chooser: ChooserOptions): (learner: LearnerNow) => Promise<ChosenBatch> {
  const { options, superBatches, random } = chooser;
  let scored: Scored | null = null;
  const next = async () => {
    const { value, done } = await superBatches.next();
    if (done) throw new Error('the super-batches ended');
    return value;
  };
  return async (trainer) => {
    if (options.method === 'uniform') {
      const superBatch = await next();
      const indices = drawUniformly(superBatch.keys.length, options.batch, random);
      return { superBatch, indices, selection: null };
    }
    if (scored === null || scored.uses === options.scoring.reuse) {
      scored = await scoreSuperBatch(chooser, await next(), trainer);
    }
    const selection = await selectFrom(chooser, scored);
    const { superBatch } = scored;
    scored.uses += 1;
    scored.open = without(scored.open, selection.indices, superBatch.keys.length);
    return { superBatch, indices: selection.indices, selection };
  };
}

async function scoreSuperBatch(
  { options, embedder, teacher }: ChooserOptions,
  superBatch: SuperBatch,
  trainer: LearnerNow,
): Promise<Scored> {
  const count = superBatch.keys.length;
  let learner: PairModel | null = null;
  // Easy-reference asks the teacher alone, whose embeddings came with the rows.
  if (options.method !== 'easy-reference') {
    await embedder.update(trainer.weights());
    learner = {
      images: await embedder.embedImages(normalizePixels(superBatch.pixels), count),
      texts: await embedder.embedTexts(superBatch.texts),
      dimension: options.learner.embeddingDim,
      ...trainer.logits(),
    };
  }
  const reference = teacher && {
    images: superBatch.teacherImages,
    texts: superBatch.teacherTexts,
    ...teacher,
  };
  const open = Uint32Array.from({ length: count }, (_, i) => i);
  return { superBatch, learner, teacher: reference, open, uses: 0 };
}

async function selectFrom(
  { options, random, signal }: ChooserOptions,
  { superBatch, learner, teacher, open }: Scored,
): Promise<Selection> {
  const selections: Selection[] = [];
  for (const { rows, batch } of strataOf(open, superBatch.languages, options)) {
    const part = (model: PairModel | null) => model && rowsOf(model, rows);
    const selection = await selectBatch(
      part(learner),
      part(teacher),
      { ...options, method: methodOf(options), batch, signal },
      random,
    );
    selections.push({ ...selection, indices: selection.indices.map((i) => rows[i] as number) });
  }
  return joinSelections(selections);
}

/**
 * The open pairs by stratum, and how many are chosen of each: all together, or English and the rest apart. Where one
 * has too few pairs the other makes up for it.
 */
export function strataOf(
  open: Uint32Array,
  languages: readonly string[],
  { batch, strata, english }: Pick<DistillOptions, 'batch' | 'strata' | 'english'>,
): { readonly rows: Uint32Array; readonly batch: number }[] {
  if (strata === 'none') return [{ rows: open, batch }];
  const inEnglish = open.filter((i) => languages[i] === 'en');
  const rest = open.filter((i) => languages[i] !== 'en');
  const wanted = Math.max(Math.round(batch * english), batch - rest.length);
  const fromEnglish = Math.min(wanted, inEnglish.length);
  return [
    { rows: inEnglish, batch: fromEnglish },
    { rows: rest, batch: batch - fromEnglish },
  ].filter((stratum) => stratum.batch > 0);
}

function methodOf({ method }: DistillOptions): Exclude<DistillOptions['method'], 'uniform'> {
  if (method === 'uniform') throw new Error('uniform batches are not selected');
  return method;
}

function rowsOf(model: PairModel, rows: Uint32Array): PairModel {
  const { dimension: d } = model;
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
