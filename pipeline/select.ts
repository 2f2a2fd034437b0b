import type { PairModel, SelectionLoss } from '../models/selection/pair-model.ts';
import { precisionFor, type SelectionMethod, selectBatch } from '../models/selection/select-batch.ts';
import type { Precision } from '../models/selection/tile-graph.ts';
import { createRandom } from '../schemas/random.ts';
import { UsageError } from './errors.ts';
import { checkRows, type Embeddings } from './select/embeddings.ts';
import { readEmbeddings } from './select/read-embeddings.ts';
import { checkOutput, type SelectedRow, selectedRows, writeSelection } from './select/write-selection.ts';

/** What `assay select` is asked for. */
export interface SelectRequest {
  readonly input: string;
  readonly batch: number;
  readonly chunks: number;
  readonly sampling: 'gumbel' | 'greedy';
  readonly seed: number;
  readonly method: SelectionMethod;
  readonly loss: SelectionLoss;
  readonly learnerScale: number;
  readonly learnerBias: number;
  readonly teacherScale: number;
  readonly teacherBias: number;
  readonly normalize: boolean;
  readonly out: string | null;
}

/** A model that scored, as a report names it; null where the method needs none. */
export interface ScoringModel {
  readonly dimension: number;
  readonly scale: number;
  /** Null under the softmax, in which a bias cancels. */
  readonly bias: number | null;
}

/** The report of a selection. */
export interface SelectReport {
  readonly input: string;
  readonly out: string | null;
  /** B. */
  readonly rows: number;
  /** b. */
  readonly batch: number;
  readonly filterRatio: number;
  readonly chunks: number;
  readonly method: SelectionMethod;
  readonly loss: SelectionLoss;
  readonly sampling: 'gumbel' | 'greedy';
  readonly seed: number;
  readonly normalized: boolean;
  readonly precision: Precision;
  readonly learner: ScoringModel | null;
  readonly teacher: ScoringModel | null;
  /** Means over the selected pairs. */
  readonly meanSelfScore: number;
  readonly meanLogit: number;
  readonly seconds: { readonly read: number; readonly select: number };
}

/** Selects a batch from a file of embeddings. Throws a usage error where the request or the file is wrong. */
export async function select(
  request: SelectRequest,
  signal?: AbortSignal,
): Promise<{ report: SelectReport; selected: SelectedRow[] }> {
  const { input, batch, chunks, method, loss, sampling, seed, out } = request;
  if (out !== null) checkOutput(out);
  const started = performance.now();
  const names = [
    ...(method === 'easy-reference' ? [] : ['learner']),
    ...(method === 'hard' ? [] : ['teacher']),
  ];
  const embeddings = await readEmbeddings(
    input,
    names.flatMap((name) => [`${name}_image`, `${name}_text`]),
  );
  if (batch > embeddings.rows) {
    throw new UsageError(`--batch ${batch}: ${input} has only ${embeddings.rows} rows to select from`);
  }
  checkRows(embeddings, request.normalize);
  const models = {
    learner: names.includes('learner')
      ? modelOf(request, embeddings, 'learner', request.learnerScale, request.learnerBias)
      : null,
    teacher: names.includes('teacher')
      ? modelOf(request, embeddings, 'teacher', request.teacherScale, request.teacherBias)
      : null,
  };
  const read = performance.now();
  const options = { batch, chunks, method, loss, sampling, signal };
  const selection = await selectBatch(models.learner, models.teacher, options, createRandom(seed));
  const ended = performance.now();
  const selected = selectedRows(selection, embeddings.keys);
  if (out !== null) await writeSelection(out, selected);
  const facts = (model: PairModel | null) =>
    model && {
      dimension: model.dimension,
      scale: model.scale,
      bias: loss === 'softmax' ? null : model.bias,
    };
  return {
    selected,
    report: {
      input,
      out,
      rows: embeddings.rows,
      batch,
      filterRatio: 1 - batch / embeddings.rows,
      chunks: Math.min(chunks, batch),
      method,
      loss,
      sampling,
      seed,
      normalized: request.normalize,
      precision: precisionFor(embeddings.rows),
      learner: facts(models.learner),
      teacher: facts(models.teacher),
      meanSelfScore: mean(selection.selfScores),
      meanLogit: mean(selection.logits),
      seconds: { read: (read - started) / 1000, select: (ended - read) / 1000 },
    },
  };
}

function modelOf(
  { input }: SelectRequest,
  { matrices }: Embeddings,
  name: 'learner' | 'teacher',
  scale: number,
  bias: number,
): PairModel {
  const [images, texts] = [matrices.get(`${name}_image`), matrices.get(`${name}_text`)];
  if (!images || !texts) throw new Error(`the ${name}'s columns were not read`);
  if (images.dimension !== texts.dimension || images.dimension === 0) {
    throw new UsageError(
      `${input}: ${name}_image has lists of ${images.dimension} numbers and ${name}_text of ${texts.dimension}: ` +
        'a model embeds both in the same dimension',
    );
  }
  return { images: images.values, texts: texts.values, dimension: images.dimension, scale, bias };
}

function mean(values: Float64Array): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
