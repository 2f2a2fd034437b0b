import { z } from 'zod';
import type { Stage } from '../schemas/stage.ts';
import { type FilterMode, filterModes } from '../schemas/verdicts.ts';
import { nearnessSchema } from './duplicates/nearness.ts';
import { filterByPlan, type PlannedVerdicts } from './duplicates/planned-verdicts.ts';

/** Options of {@link decontaminate} and of its plan, but for the evaluation set's files. */
export const decontaminateOptionsSchema = z.strictObject({
  /** `drop` keeps contaminated rows out; `label` keeps them, and says in `labels` what it would have dropped. */
  mode: z.enum(filterModes).default('drop'),
  /** The column of an evaluation row's name; a row of shards without it is named by its place. */
  key: z.string().min(1).default('key'),
  /** The column of its image: encoded bytes, or a struct with them. */
  image: z.string().min(1).default('image'),
  ...nearnessSchema.shape,
});

/** Options of {@link decontaminate}, with their defaults filled in. */
export type DecontaminateOptions = z.infer<typeof decontaminateOptionsSchema>;

/**
 * Drops, or labels, the rows whose images a plan over the whole data set found in, or near, an evaluation set: a model that
 * trained on them could not be judged by it. The value names the evaluation's row.
 */
export function decontaminate(contaminatedOf: PlannedVerdicts, mode: FilterMode = 'drop'): Stage {
  return filterByPlan('decontaminate', contaminatedOf, mode);
}
