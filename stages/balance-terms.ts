import { z } from 'zod';
import type { Stage } from '../schemas/stage.ts';
import { type FilterMode, filterModes } from '../schemas/verdicts.ts';
import { filterByPlan, type PlannedVerdicts } from './duplicates/planned-verdicts.ts';

/** Options of {@link balanceTerms} and of its plan. */
export const balanceOptionsSchema = z.strictObject({
  enabled: z.boolean().default(false),
  /** `drop` leaves rows out; `label` keeps them, and says in `labels` which it would have dropped. */
  mode: z.enum(filterModes).default('drop'),
  /** t of English, in rows: 170,000 in MetaCLIP 2, for billions of pairs; OpenAI CLIP's is 20,000. */
  englishThreshold: z.number().positive().default(170_000),
  /** Rows of a language in which a word or a pair of words stands, from which on it is a term. */
  termsMinRows: z.int().positive().default(20),
  /** Bits by which the words of a pair stand together more often than by chance, from which on the pair is a term. */
  termsMinInformation: z.number().min(0).default(3),
  /** What becomes of rows without a term: MetaCLIP drops them; here they have only words that are rare. */
  unmatched: z.enum(['keep', 'drop']).default('keep'),
});

/** Options of {@link balanceTerms}, with their defaults filled in. */
export type BalanceOptions = z.infer<typeof balanceOptionsSchema>;

/**
 * Drops, or labels, rows whose terms are frequent in their language, as a plan over the whole data set has drawn them:
 * what many rows are about gets fewer, what few are about stays.
 */
export function balanceTerms(verdictsOf: PlannedVerdicts, mode: FilterMode = 'drop'): Stage {
  return filterByPlan('balance-terms', verdictsOf, mode);
}
