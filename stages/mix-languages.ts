import { z } from 'zod';
import { column } from '../schemas/batches.ts';
import type { Stage } from '../schemas/stage.ts';
import { applyVerdicts, type FilterMode, filterModes, type Verdict } from '../schemas/verdicts.ts';
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
  /** Rows of a language at the most, by its tag (`en`, `de`); what it may not take goes to the others. */
  caps: z.record(z.string(), z.int().min(0)).default({}),
  /** Rows of any language at the most that `caps` doesn't name, English among them. */
  maxPerLanguage: z.int().positive().optional(),
  /** `drop` leaves out what is over a share; `label` keeps it, and says in `labels` what would have been dropped. */
  mode: z.enum(filterModes).default('drop'),
});

/** Options of {@link mixLanguages}, with their defaults filled in. */
export type MixOptions = z.infer<typeof mixOptionsSchema>;

/**
 * Applies a plan of the mix: a row is kept when the draw of its key is at or under its language's threshold. Any
 * order of the rows, and any split of the work, keeps the same ones.
 */
export function mixLanguages(plan: MixPlan, seed: number, mode: FilterMode = 'drop'): Stage {
  return {
    name: stage,
    async *run(batches, context) {
      for await (const batch of batches) {
        context.signal.throwIfAborted();
        const [keys, languages] = [column(batch, 'key'), column(batch, 'language')];
        const verdicts: (Verdict | undefined)[] = [];
        for (let i = 0; i < batch.numRows; i += 1)
          verdicts.push(verdictOf(plan, seed, keys.get(i), languages.get(i)));
        const kept = applyVerdicts(batch, verdicts, { stage, mode }, context);
        if (kept !== null) yield kept;
      }
    },
  };
}

function verdictOf(plan: MixPlan, seed: number, key: string, language: string): Verdict | undefined {
  const planned = plan.languages[language];
  if (planned === undefined) return { reason: 'unknown-language', value: language };
  const { quota, available, threshold } = planned;
  const draw = mixDraw(key, seed);
  if (draw <= threshold) return undefined;
  const of = `${language}: ${quota} of ${available}`;
  // A language that is given nothing has no draw that would have been kept.
  if (quota === 0) return { reason: 'over-share', value: of };
  return {
    reason: 'over-share',
    value: `draw ${draw.toFixed(4)}, ${of}`,
    threshold: threshold.toFixed(4),
  };
}
