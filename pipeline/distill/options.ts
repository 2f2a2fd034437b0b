import { z } from 'zod';
import { augmentationSchema } from '../../models/augment-pixels.ts';
import { naflexSequenceLengths } from '../../models/naflex/sequence-lengths.ts';
import { towersConfigSchema } from '../../models/towers/config.ts';

/** How a pair of towers is trained: Adam, warm-up, cosine (SigLIP 2, section 3). */
export const trainingOptionsSchema = z.strictObject({
  steps: z.int().positive(),
  learningRate: z.number().positive().default(1e-3),
  warmup: z.int().min(0).default(20),
  weightDecay: z.number().min(0).default(0),
  clipNorm: z.number().positive().default(1),
  beta1: z.number().min(0).lt(1).default(0.9),
  beta2: z.number().min(0).lt(1).default(0.95),
  /** exp(t) at the start. */
  logitScale: z.number().positive().default(10),
  /** The bias at the start: about -log of the batch; SigLIP's -10 is for batches of 32,768. */
  logitBias: z.number().default(-10),
});

/** How towers are trained, with the defaults filled in. */
export type TrainingOptions = z.infer<typeof trainingOptionsSchema>;

/** A super-batch size by step, in the order of the steps, from step 0. */
const superBatchScheduleSchema = z
  .array(z.strictObject({ step: z.int().min(0), size: z.int().positive() }))
  .nonempty()
  .refine(
    (parts) => parts.every(({ step }, i) => (i === 0 ? step === 0 : step > (parts[i - 1]?.step ?? 0))),
    {
      message: 'the steps must grow, from 0',
    },
  );

/** How the learner scores super-batches for less. */
const scoringOptionsSchema = z.strictObject({
  /**
   * Over 1, images are scored at 1 / pool of their side, and half of every batch is trained at that size so that the
   * learner can (Flexi-JEST: arXiv 2406.17711, section 3.3). The patches of a side must divide by it.
   */
  imagePool: z.literal([1, 2, 4]).default(1),
  /** Steps that choose from one scored super-batch. */
  reuse: z.int().positive().default(1),
  /**
   * Whether the next super-batch is scored in a thread of its own while a step is trained, by the weights from before
   * that step: its scores are then one step old. Each of the two gets half of the threads. Off unless told.
   */
  overlap: z.boolean().optional(),
});

/** NaFlex: a sequence length a super-batch, drawn evenly by the run's seed. */
const naflexOptionsSchema = z.strictObject({
  /** N: patches of an image at the most, pads included. */
  sequenceLengths: z
    .array(z.int().positive().max(4096))
    .nonempty()
    .default([...naflexSequenceLengths]),
});

/** The size of the super-batch of a step. */
export function superBatchAt(superBatch: DistillOptions['superBatch'], step: number): number {
  if (typeof superBatch === 'number') return superBatch;
  return superBatch.findLast((part) => part.step <= step)?.size ?? superBatch[0]?.size ?? 0;
}

/** Options of distillation: the learner, the super-batches, the selection, the training. */
export const distillOptionsSchema = z.strictObject({
  learner: towersConfigSchema.prefault({
    imageSize: 32,
    patchSize: 8,
    width: 96,
    depth: 3,
    heads: 3,
    embeddingDim: 64,
    textWidth: 96,
    textDepth: 2,
    textHeads: 3,
  }),
  /**
   * B: candidates of a super-batch. A list is a schedule of the filter ratio: from each `step` on, super-batches of
   * its `size`; the first is of step 0.
   */
  superBatch: z.union([z.int().positive(), superBatchScheduleSchema]).default(512),
  /** b: pairs selected of them; the filter ratio is 1 - b / B. */
  batch: z.int().positive().default(128),
  /** N: chunks in which a batch is selected (JEST, algorithm 1); 1 selects each pair by itself, not jointly. */
  chunks: z.int().positive().default(16),
  /** `easy-reference` is I-ACID and `learnability` H-ACID (ACID, section 3); `uniform` draws without scoring. */
  method: z.enum(['learnability', 'hard', 'easy-reference', 'uniform']).default('learnability'),
  /**
   * The weight of explicit softmax distillation beside the sigmoid loss; 0 is none. With `learnability` it is ACED
   * (ACID, section 3).
   */
  distillation: z.number().min(0).default(0),
  /** `language` selects English and the rest apart, so that the mix holds in every batch. */
  strata: z.enum(['none', 'language']).default('none'),
  scoring: scoringOptionsSchema.prefault({}),
  /** Images of their own shapes, as patches, in place of squares (SigLIP 2, section 2.4.2). */
  naflex: naflexOptionsSchema.optional(),
  /** Whether a second learner is trained on uniform batches, without distillation, to compare with. */
  baseline: z.boolean().default(true),
  /** Whether every pair of every super-batch is recorded in `offers.parquet`, with its losses: B / b times the selections. */
  recordOffers: z.boolean().default(true),
  sampling: z.enum(['gumbel', 'greedy']).default('gumbel'),
  /** The share of English in every super-batch; null takes the rows as they come. */
  english: z.number().min(0).max(1).nullable().default(0.9),
  /** Rows held at a time to shuffle the shards' order. */
  shuffleRows: z.int().positive().default(8192),
  training: trainingOptionsSchema.prefault({ steps: 300 }),
  /** Steps between evaluations of the learning curves. */
  evaluateEvery: z.int().positive().default(50),
  /** Steps between checkpoints, from which a run that was stopped or killed goes on. */
  checkpointEvery: z.int().positive().default(50),
});

/** Options of distillation, with the defaults filled in. */
export type DistillOptions = z.infer<typeof distillOptionsSchema>;

/** The second stage of a teacher: fine-tuned on the curated high-quality part (SigLIP 2, section 3.4). */
export const fineTuneOptionsSchema = z.strictObject({
  steps: z.int().positive().default(500),
  /** The peak of its own warm-up and cosine; Adam's memory begins anew. */
  learningRate: z.number().positive().default(1e-4),
  warmup: z.int().min(0).default(20),
  /**
   * The share of rows that is kept where no curated folder is given: in each language those whose image and text are
   * the most alike to the teacher of the first stage.
   */
  quality: z.number().gt(0).max(1).default(0.5),
});

/** Options of a teacher's second stage, with the defaults filled in. */
export type FineTuneOptions = z.infer<typeof fineTuneOptionsSchema>;

/** Options of training a teacher on curated shards. */
export const teachOptionsSchema = z.strictObject({
  towers: towersConfigSchema.prefault({
    imageSize: 32,
    patchSize: 8,
    width: 192,
    depth: 4,
    heads: 6,
    embeddingDim: 128,
    textWidth: 160,
    textDepth: 3,
    textHeads: 5,
  }),
  batch: z.int().positive().default(256),
  /** The share of English in every batch; null takes the rows as they come. */
  english: z.number().min(0).max(1).nullable().default(null),
  shuffleRows: z.int().positive().default(8192),
  augment: augmentationSchema.prefault({}),
  training: trainingOptionsSchema.prefault({ steps: 4000 }),
  /** The second stage; without it, and without `--fine-tune`, there is one. */
  fineTune: fineTuneOptionsSchema.optional(),
  /** Steps between checkpoints, from which a stopped run goes on. */
  checkpointEvery: z.int().positive().default(500),
});

/** Options of training a teacher, with the defaults filled in. */
export type TeachOptions = z.infer<typeof teachOptionsSchema>;

/** What learners are evaluated on: never seen in training. */
export const evaluationOptionsSchema = z.strictObject({
  /** Parquet with `key`, `image`, and `names` list<struct{language, name}>. */
  shards: z
    .union([z.string().min(1), z.array(z.string().min(1)).nonempty()])
    .transform((paths) => (typeof paths === 'string' ? [paths] : paths)),
  /** Images at the most. */
  images: z.int().positive().default(600),
});

/** What learners are evaluated on, with the defaults filled in. */
export type EvaluationOptions = z.infer<typeof evaluationOptionsSchema>;
