import { z } from 'zod';
import type { Stage } from '../schemas/stage.ts';
import { type FilterMode, filterModes, type Verdict } from '../schemas/verdicts.ts';
import { nearnessSchema } from './duplicates/nearness.ts';
import { filterByPlan } from './duplicates/planned-verdicts.ts';

/** Options of {@link deduplicate} and of its plan. */
export const deduplicateOptionsSchema = z.strictObject({
  /** `drop` leaves duplicates out; `label` keeps them, and says in `labels` what it would have dropped. */
  mode: z.enum(filterModes).default('drop'),
  /** Whether near duplicates are looked for, beside exact ones. */
  near: z.boolean().default(true),
  ...nearnessSchema.shape,
  /** Rows that DuckDB joins at a time when it looks for near hashes: a few hundred bytes of memory each. */
  partitionRows: z.int().positive().default(4_000_000),
});

/** Options of {@link deduplicate}, with their defaults filled in. */
export type DeduplicateOptions = z.infer<typeof deduplicateOptionsSchema>;

/** A row that repeats another one, which is kept in its place. */
export interface Duplicate extends Verdict {
  readonly reason: 'exact-duplicate' | 'near-duplicate';
  /** The key of the row that is kept: the name of the group. */
  readonly kept: string;
}

/** Which rows of a row group are duplicates. */
export type DuplicatesOf = (shard: string, rowGroup: number) => Promise<ReadonlyMap<number, Duplicate>>;

/** Drops, or labels, the rows that a plan over the whole data set calls duplicates. */
export function deduplicate(duplicatesOf: DuplicatesOf, mode: FilterMode = 'drop'): Stage {
  return filterByPlan('deduplicate', duplicatesOf, mode);
}
