import { join } from 'node:path';
import type { RecordBatch } from 'apache-arrow';
import { selectColumns } from '../../schemas/batches.ts';
import { fingerprintMeasure } from '../../stages/duplicates/fingerprint-column.ts';
import type { Config } from '../config.ts';
import type { ReduceOptions } from '../reduce.ts';
import { type EvaluationSetFacts, readEvaluationSet } from './evaluation-set.ts';

/** Whether a recipe compares images by how they look, and not by their bytes alone. */
export function findsNear(config: Pick<Config, 'deduplicate' | 'decontaminate'>): boolean {
  return config.deduplicate.near || config.decontaminate !== undefined;
}

/** The files of a run's folder that the first pass leaves for the reduction. */
export function workFiles(folder: string) {
  const file = (name: string) => join(folder, 'work', `${name}.parquet`);
  return {
    // One file of each a task of the first pass.
    facts: join(folder, 'work', 'admitted', '*', 'facts.parquet'),
    fingerprints: join(folder, 'work', 'admitted', '*', 'fingerprints.parquet'),
    terms: join(folder, 'work', 'admitted', '*', 'terms.parquet'),
    texts: join(folder, 'work', 'admitted', '*', 'texts.parquet'),
    evaluation: { facts: file('evaluation'), fingerprints: file('evaluation-fingerprints') },
  };
}

/** The batch without what only the reduction reads. */
export function withoutMeasures(batch: RecordBatch): RecordBatch {
  const names = batch.schema.names.map(String).filter((name) => name !== fingerprintMeasure.column);
  return selectColumns(batch, names);
}

/** Reads a recipe's evaluation set into the run's work files; null when the recipe names none. */
export async function readEvaluation(
  config: Config,
  shards: readonly string[],
  folder: string,
  signal: AbortSignal,
): Promise<EvaluationSetFacts | null> {
  if (config.decontaminate === undefined) return null;
  const { concurrency, maxPixels } = config.images;
  const options = { ...config.decontaminate, concurrency, maxPixels };
  return readEvaluationSet(shards, options, workFiles(folder).evaluation, signal);
}

/** What a recipe asks of the reduction. */
export function reduceOptions(config: Config, folder: string, signal: AbortSignal): ReduceOptions {
  const { near, mode, radius, colours, partitionRows } = config.deduplicate;
  const files = workFiles(folder);
  return {
    fingerprints: findsNear(config) ? files.fingerprints : null,
    near: near ? { radius, colours } : null,
    partitionRows,
    evaluation: config.decontaminate
      ? {
          ...config.decontaminate,
          ...files.evaluation,
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
