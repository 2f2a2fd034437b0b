import { z } from 'zod';
import { trainingViewsOptionsSchema } from '../../stages/views/schedule.ts';

/** Options of serving a fine-tune that runs elsewhere; what is selected, and how, is said under `distill`. */
export const feedOptionsSchema = z.strictObject({
  /** Super-batches formed before anybody asks for them. */
  ahead: z.int().min(0).max(64).default(1),
  /** The side of decoded images where a client doesn't say one, in pixels. */
  side: z.int().positive().max(4096).default(256),
  /** The side of their patches, in pixels. */
  patch: z.int().positive().max(256).default(16),
  /** Images that are decoded at a time. */
  concurrency: z.int().positive().max(64).default(4),
  /** Images of more pixels are taken for broken. */
  maxPixels: z.int().positive().default(50_000_000),
  /** Steps between the states of the data's order, from which a stopped feed goes on without reading what was before. */
  stateEvery: z.int().positive().default(50),
  /** Bytes of a body of embeddings at the most. */
  maxBodyBytes: z
    .int()
    .positive()
    .default(512 * 1024 ** 2),
  /** Bytes of a learner's export at the most. */
  maxLearnerBytes: z
    .int()
    .positive()
    .default(4 * 1024 ** 3),
  /** Connections at a time. */
  connections: z.int().positive().default(64),
  /** Seconds after which a connection on which nothing moves is closed. */
  idleSeconds: z.number().positive().default(120),
  /** What is added to a selected batch for trainers of the whole recipe. */
  views: trainingViewsOptionsSchema.prefault({}),
});

/** Options of a feed, with the defaults filled in. */
export type FeedOptions = z.infer<typeof feedOptionsSchema>;
