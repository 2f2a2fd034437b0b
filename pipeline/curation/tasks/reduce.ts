import { join } from 'node:path';
import { planBands } from '../../../models/duplicates/bands.ts';
import { exactly, parquetOf, quoted } from '../../sql-text.ts';
import { openDatabase, relationOf } from '../duplicates/database.ts';
import { findNearPairs } from '../duplicates/near-pairs.ts';
import { evaluationPairs, openFingerprints, pairWithEvaluation, rankingSql } from '../duplicates/plan.ts';
import { reduceOptions } from '../duplicates/settings.ts';
import type { FrozenRun } from '../plan/plan-files.ts';
import type { PartitionTask } from '../plan/tasks.ts';
import type { TaskKind } from './context.ts';
import { factFiles, workLayout } from './layout.ts';

/** The files that the reduction reads. */
export function reduceFiles(run: FrozenRun) {
  const evaluation = run.tasks('admit').find((task) => 'evaluation' in task);
  return {
    ...factFiles(run.folder, run.plan.earlier?.facts ?? null),
    evaluation: evaluation === undefined ? null : workLayout(run.folder).output(evaluation),
    /** Relations: of rows for which another stands (id, rep_id), and of pairs. */
    // Earlier versions left a row for each, itself where no other stands for it.
    ranks: `(SELECT * FROM ${parquetOf(join(exactly(workLayout(run.folder).outputs('rank')), '*', 'ranks.parquet'))}
      WHERE rep_id <> id)`,
    files: (into: string) =>
      parquetOf(join(exactly(workLayout(run.folder).outputs('pairs')), '*', `${into}.parquet`)),
  };
}

/** Ranks the rows of one partition of the images' bytes: which of several is the best. */
export const rankRows: TaskKind<PartitionTask, null> = async (context, { share, of }, folder) => {
  const database = await openDatabase(folder);
  try {
    const part = of === 1 ? '' : `WHERE hash(sha256) % ${of} = ${share}`;
    const facts = `(SELECT * FROM ${relationOf(reduceFiles(context.run).facts)} ${part})`;
    await database.run(
      `COPY (${rankingSql(facts)}) TO ${quoted(join(folder, 'ranks.parquet'))} (FORMAT parquet)`,
    );
    return { result: null, rows: 0 };
  } finally {
    database.close();
  }
};

/** Finds the near pairs of one part of the search among all rows, and between them and the evaluation set. */
export const pairRows: TaskKind<PartitionTask, null> = async (context, task, folder) => {
  const { run, config, signal } = context;
  const files = reduceFiles(run);
  const { near, evaluation, partitionRows, fingerprints } = reduceOptions(config, files, signal);
  if (fingerprints === null) throw new Error('pairs were planned, and the recipe has none');
  const database = await openDatabase(folder);
  try {
    // Not a table: it would be of all rows, and a task has use for its own part of them.
    await openFingerprints(database, 'unique_fingerprints', fingerprints, files.ranks);
    const { band, share, of } = task;
    const options = (radius: number) => ({
      partitionRows,
      signal,
      // By the planned rows, so that all parts of the search go by the same bands.
      plan: planBands(radius, Math.max(1, task.rows)),
      part: { band, share, of },
    });
    const found: string[] = [];
    if (near !== null) {
      const comparison = { probe: 'unique_fingerprints', base: 'unique_fingerprints', into: 'pairs' };
      await findNearPairs(database, comparison, { ...near, ...options(near.radius) }, folder);
      found.push('pairs');
    }
    if (evaluation !== null) {
      await pairWithEvaluation(database, evaluation, options(evaluation.radius), folder);
      found.push(...evaluationPairs);
    }
    for (const table of found) {
      await database.run(`COPY ${table} TO ${quoted(join(folder, `${table}.parquet`))} (FORMAT parquet)`);
    }
    return { result: null, rows: 0 };
  } finally {
    database.close();
  }
};
