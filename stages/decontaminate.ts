import type { Stage } from '../schemas/stage.ts';
import { filterByPlan, type PlannedVerdicts } from './duplicates/planned-verdicts.ts';

/**
 * Drops the rows whose images a plan over the whole data set found in, or near, an evaluation set: a model that
 * trained on them could not be judged by it. The value names the evaluation's row.
 */
export function decontaminate(contaminatedOf: PlannedVerdicts): Stage {
  return filterByPlan('decontaminate', contaminatedOf, 'drop');
}
