import { join } from 'node:path';
import type { RecordBatch } from 'apache-arrow';
import { selectColumns } from '../../../schemas/batches.ts';
import { fingerprintMeasure } from '../../../stages/duplicates/fingerprint-column.ts';
import type { Config } from '../../config.ts';
import type { ReduceOptions } from '../reduce.ts';
import type { RowFiles } from './database.ts';
import { type EvaluationSetFacts, readEvaluationSet } from './evaluation-set.ts';

/** Whether a recipe compares images by how they look, and not by their bytes alone. */
export function findsNear(config: Pick<Config, 'deduplicate' | 'decontaminate'>): boolean {
  return config.deduplicate.near || config.decontaminate !== undefined;
}

/** The files of an evaluation set, in the folder of the task that reads it. */
export function evaluationFiles(folder: string) {
  return {
    facts: join(folder, 'evaluation.parquet'),
    fingerprints: join(folder, 'evaluation-fingerprints.parquet'),
  };
}

/** The batch without what only the reduction reads. */
export function withoutMeasures(batch: RecordBatch): RecordBatch {
  const names = batch.schema.names.map(String).filter((name) => name !== fingerprintMeasure.column);
  return selectColumns(batch, names);
}

/** Reads a recipe's evaluation set into files of a folder. */
export async function readEvaluation(
  config: Config,
  shards: readonly string[],
  folder: string,
  signal: AbortSignal,
): Promise<EvaluationSetFacts> {
  if (config.decontaminate === undefined) throw new Error('the recipe has no evaluation set');
  const { concurrency, maxPixels } = config.images;
  const options = { ...config.decontaminate, concurrency, maxPixels };
  return readEvaluationSet(shards, options, evaluationFiles(folder), signal);
}

/** The files that the reduction reads: those of the first pass, and the folder of the evaluation set's. */
export interface ReduceFiles {
  readonly fingerprints: RowFiles;
  readonly terms: RowFiles;
  readonly texts: RowFiles;
  readonly evaluation: string | null;
}

/** What a recipe asks of the reduction. */
export function reduceOptions(config: Config, files: ReduceFiles, signal: AbortSignal): ReduceOptions {
  const { near, mode, radius, colours, partitionRows } = config.deduplicate;
  return {
    fingerprints: findsNear(config) ? files.fingerprints : null,
    near: near ? { radius, colours } : null,
    partitionRows,
    evaluation:
      config.decontaminate && files.evaluation !== null
        ? {
            ...config.decontaminate,
            ...evaluationFiles(files.evaluation),
            dropsRows: config.decontaminate.mode === 'drop',
          }
        : null,
    balance: config.balance.enabled ? { ...config.balance, terms: files.terms } : null,
    boilerplate: config.boilerplate.enabled
      ? { ...config.boilerplate, texts: files.texts, dropsRows: config.boilerplate.mode === 'drop' }
      : null,
    signal,
    dropsDuplicates: mode === 'drop',
    scores: config.scores ?? null,
  };
}
