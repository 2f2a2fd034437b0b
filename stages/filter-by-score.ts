import { z } from 'zod';
import { column } from '../schemas/batches.ts';
import type { Stage } from '../schemas/stage.ts';
import { applyVerdicts, type FilterMode, filterModes, type Verdict } from '../schemas/verdicts.ts';

const stage = 'filter-by-score';

/** Options of {@link filterByScore} and of its plan. */
export const filterByScoreOptionsSchema = z
  .strictObject({
    /** The share of rows that stays, the best over the whole data set (DataComp's `clip_score`: 0.3). */
    keep: z.number().gt(0).max(1).optional(),
    /** The least similarity of a row that stays (LAION-2B: 0.28, of CLIP B/32). */
    minimum: z.number().min(-1).max(1).optional(),
    /** `drop` leaves the others out; `label` keeps them, and says in `labels` what it would have dropped. */
    mode: z.enum(filterModes).default('drop'),
  })
  .refine(({ keep, minimum }) => keep !== undefined || minimum !== undefined, {
    message: 'keep (a share of rows) or minimum (a similarity) is expected',
  });

/** Options of {@link filterByScore}, with their defaults filled in. */
export type FilterByScoreOptions = z.infer<typeof filterByScoreOptionsSchema>;

/**
 * Drops, or labels, the rows whose `text_score` is under a threshold: DataComp's filter by CLIP score (Gadre et al., 2023,
 * section 4.3). The threshold of a share is a figure of the whole data set: whoever runs the stage has it.
 */
export function filterByScore(threshold: number, mode: FilterMode): Stage {
  return {
    name: stage,
    async *run(batches, context) {
      for await (const batch of batches) {
        context.signal.throwIfAborted();
        const scores = column(batch, 'text_score');
        const verdicts = Array.from({ length: batch.numRows }, (_, i) =>
          scoreVerdict(scores.get(i) as number, threshold),
        );
        const kept = applyVerdicts(batch, verdicts, { stage, mode }, context);
        if (kept !== null) yield kept;
      }
    },
  };
}

/** What is said of a score under the threshold; nothing of one at or over it. What is no number is under it. */
export function scoreVerdict(score: number, threshold: number): Verdict | undefined {
  if (score >= threshold) return undefined;
  return { reason: 'low-score', value: score.toFixed(6), threshold: threshold.toFixed(6) };
}

/** Where the best share of `count` rows ends: the place, from 0, of the threshold among the scores, best first; DataComp's `int(share * n)`. */
export function thresholdPlace(count: number, share: number): number {
  return Math.floor(share * count);
}
