import { z } from 'zod';
import type { ImageLayout } from '../../stages/views/schedule.ts';
import type { FeedOptions } from './options.ts';
import { Refusal } from './refusal.ts';
import type { Rank } from './slices.ts';

const whole = z
  .string()
  .regex(/^\d{1,10}$/, 'a whole number, 0 or more, is expected')
  .transform(Number);
const count = whole.refine((value) => value > 0, { message: 'a whole number over 0 is expected' });
const number = z
  .string()
  .regex(/^[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?$/i, 'a number is expected')
  .transform(Number)
  .refine(Number.isFinite, { message: 'a finite number is expected' });

const rank = { rank: whole.default(0), world: count.default(1) };
const image = {
  image: z.enum(['encoded', 'pixels', 'patches', 'naflex', 'none', 'scheduled']).default('encoded'),
  side: count.optional(),
  patch: count.optional(),
  length: count.optional(),
  teacher: z.enum(['0', '1']).default('1'),
};

/** What each endpoint is asked with. */
export const requestSchemas = {
  superBatch: z.strictObject({ step: whole, ...rank, ...image }),
  selection: z.strictObject({ step: whole, ...rank, scale: number.optional(), bias: number.optional() }),
  batches: z.strictObject({ step: whole, count: count.default(1), ...rank, ...image }),
  learner: z.strictObject({ step: whole, scale: number.optional(), bias: number.optional() }),
} as const;

/** Reads a request's query. Throws a {@link Refusal} that names the parameter. */
export function readQuery<S extends z.ZodType>(schema: S, query: unknown): z.infer<S> {
  const parsed = schema.safeParse(query);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  if (issue?.code === 'unrecognized_keys')
    throw new Refusal(400, `unknown parameter ${issue.keys.join(', ')}`);
  const name = issue?.path.join('.') ?? 'the query';
  const isMissing = issue?.code === 'invalid_type';
  throw new Refusal(400, isMissing ? `${name} is missing` : `${name}: ${issue?.message}`);
}

/** The trainer that asks. Throws a {@link Refusal} when there is none of that rank. */
export function rankOf({ rank: of, world }: Rank): Rank {
  if (of >= world) throw new Refusal(400, `rank ${of} of a world of ${world}: ranks are 0 to ${world - 1}`);
  if (world > 4096) throw new Refusal(400, `world: ${world} trainers are too many: 4096 at the most`);
  return { rank: of, world };
}

const mostSide = 4096;
const mostLength = 4096;

/** The layout that a client asks for; `scheduled` is what the recipe's schedule has at the step, or `pixels`. */
export function layoutOf(
  query: {
    readonly image: 'encoded' | 'pixels' | 'patches' | 'naflex' | 'none' | 'scheduled';
    readonly side?: number | undefined;
    readonly patch?: number | undefined;
    readonly length?: number | undefined;
  },
  { side: usualSide, patch: usualPatch }: Pick<FeedOptions, 'side' | 'patch'>,
  scheduled: ImageLayout | null,
): ImageLayout {
  const { image: kind, side = usualSide, patch = usualPatch, length = 256 } = query;
  if (side > mostSide) throw new Refusal(400, `side: ${side} pixels are too many: ${mostSide} at the most`);
  if (patch > 256) throw new Refusal(400, `patch: ${patch} pixels are too many: 256 at the most`);
  if (length > mostLength)
    throw new Refusal(400, `length: ${length} patches are too many: ${mostLength} at the most`);
  if (kind === 'encoded' || kind === 'none') return { kind };
  if (kind === 'naflex') return { kind, length, patch };
  if (kind === 'scheduled') return scheduled ?? { kind: 'pixels', side };
  if (kind === 'patches' && side % patch !== 0) {
    throw new Refusal(400, `patch: ${side} pixels don't divide into patches of ${patch}`);
  }
  return kind === 'patches' ? { kind, side, patch } : { kind, side };
}
