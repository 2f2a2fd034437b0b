import type { DuckDBConnection } from '@duckdb/node-api';
import { z } from 'zod';
import { openRun } from '../../pipeline/inspect/open-run.ts';

/** What the notebooks of a run ask. */
export interface NotebookData {
  readonly connection: DuckDBConnection;
  close(): Promise<void>;
}

const learnersSchema = z
  .array(
    z.looseObject({
      name: z.string(),
      curve: z.array(
        z.looseObject({
          step: z.number(),
          loss: z.number(),
          evaluation: z.looseObject({ recallAt1: z.number(), zeroShot: z.number() }),
        }),
      ),
    }),
  )
  .catch([]);

/**
 * Opens a run for its notebooks: the views of `assay inspect`, and the table `evaluations` (learner, step, loss,
 * recall_at_1, zero_shot), the points of the learning curves. Throws a UsageError when the folder holds no run.
 */
export async function openNotebookData(folder: string): Promise<NotebookData> {
  const run = await openRun(folder);
  try {
    await run.query(`CREATE TEMP TABLE evaluations
      (learner VARCHAR, step INTEGER, loss DOUBLE, recall_at_1 DOUBLE, zero_shot DOUBLE)`);
    for (const { name, curve } of learnersSchema.parse(run.parts.distilled?.report.learners)) {
      for (const { step, loss, evaluation } of curve) {
        const { recallAt1, zeroShot } = evaluation;
        const values = { name, step, loss, recallAt1, zeroShot };
        await run.query(
          'INSERT INTO evaluations VALUES ($name, $step, $loss, $recallAt1, $zeroShot)',
          values,
        );
      }
    }
    return { connection: run.connection, close: run.close };
  } catch (error) {
    await run.close();
    throw error;
  }
}
