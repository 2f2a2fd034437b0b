import { z } from 'zod';
import { column, takeRows } from '../schemas/batches.ts';
import type { Stage } from '../schemas/stage.ts';
import { type MixPlan, mixDraw } from './mix/plan.ts';

const stage = 'mix-languages';

/** Options of {@link mixLanguages} and of its plan. */
export const mixOptionsSchema = z.strictObject({
  /** The share of English rows asked for: SigLIP 2's mix is 0.9. */
  english: z.number().min(0).max(1).default(0.9),
  /**
   * How the rest is shared among its languages: `natural` as they come, `uniform` alike, `temperature` by
   * count^(1 / temperature).
   */
  rest: z.enum(['natural', 'uniform', 'temperature']).default('natural'),
  temperature: z.number().min(1).default(2),
  /** Rows kept at the most; as many as the shares allow when absent. */
  rows: z.int().positive().optional(),
});

/** Options of {@link mixLanguages}, with their defaults filled in. */
export type MixOptions = z.infer<typeof mixOptionsSchema>;

/**
 * Applies a plan of the mix: a row is kept when the draw of its key is at or under its language's threshold. Any
 * order of the rows, and any split of the work, keeps the same ones.
 */
export function mixLanguages(plan: MixPlan, seed: number): Stage {
  return {
    name: stage,
    async *run(batches, context) {
      for await (const batch of batches) {
        context.signal.throwIfAborted();
        const [keys, languages] = [column(batch, 'key'), column(batch, 'language')];
        const kept: number[] = [];
        for (let i = 0; i < batch.numRows; i += 1) {
          const [key, language]: [string, string] = [keys.get(i), languages.get(i)];
          const planned = plan.languages[language];
          if (planned !== undefined && mixDraw(key, seed) <= planned.threshold) kept.push(i);
          else if (planned === undefined) {
            context.drop({ key, stage, reason: 'unknown-language', value: language });
          } else {
            const value = `${language}: ${planned.quota} of ${planned.available}`;
            context.drop({ key, stage, reason: 'over-share', value });
          }
        }
        if (kept.length > 0) yield kept.length === batch.numRows ? batch : takeRows(batch, kept);
      }
    },
  };
}
