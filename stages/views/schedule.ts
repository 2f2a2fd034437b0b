import { z } from 'zod';
import { hasBegun, planLength } from './plan-views.ts';

const share = z.number().min(0).max(1);
const span = (from: number, to: number) =>
  z
    .tuple([z.number().positive(), z.number().positive()])
    .refine(([low, high]) => low <= high, { message: 'the first must not be over the second' })
    .default([from, to]);

/** What views are added to a batch, and from which share of the training on. */
export const trainingViewsOptionsSchema = z.strictObject({
  /** Targets of LocCa's decoder, where curation made them (`locca.enabled`). */
  locca: z
    .strictObject({
      from: share.default(0),
      /** The probability that a caption is predicted in parallel. */
      parallel: share.default(0.5),
    })
    .optional(),
  /** Crops for a student and its teacher (SigLIP 2, section 2.2). */
  selfDistillation: z
    .strictObject({
      from: share.default(0.8),
      globals: z.int().positive().max(16).default(1),
      locals: z.int().min(0).max(64).default(8),
      /** The side of a global crop and of a local one, in pixels. */
      globalSide: z.int().positive().max(2048).default(256),
      localSide: z.int().positive().max(2048).default(96),
      globalArea: span(0.4, 1),
      localArea: span(0.05, 0.4),
      aspect: span(3 / 4, 4 / 3),
      flip: share.default(0.5),
      /** What the loss weighs, before the model's own factor: carried along for the trainer. */
      weight: z.number().min(0).default(1),
    })
    .optional(),
  /** Which patches of the first global crop, or of the image where there is none, are masked (SigLIP 2, section 2.2). */
  maskedPrediction: z
    .strictObject({
      from: share.default(0.8),
      share: share.default(0.5),
      /** The side of a patch, in pixels. */
      patch: z.int().positive().max(256).default(16),
      weight: z.number().min(0).default(0.25),
    })
    .optional(),
  /** A larger image for the end of the training. */
  resolution: z.strictObject({ from: share.default(0.95), side: z.int().positive().max(4096) }).optional(),
  /** Images in their own shape, of a sequence length drawn for each batch; crops and masks end where it begins. */
  naflex: z
    .strictObject({
      from: share.default(0.9),
      lengths: z.array(z.int().positive().max(4096)).nonempty().default([128, 256, 576, 784, 1024]),
      patch: z.int().positive().max(256).default(16),
    })
    .optional(),
});

/** What views are added, with the defaults filled in. */
export type TrainingViewsOptions = z.infer<typeof trainingViewsOptionsSchema>;

/** How an image is laid out for a trainer. */
export type ImageLayout =
  | { readonly kind: 'none' }
  | { readonly kind: 'encoded' }
  /** [side, side, 3], 0 to 255. */
  | { readonly kind: 'pixels'; readonly side: number }
  /** [n, patch * patch * 3], 0 to 255: the patches of a square image, in reading order. */
  | { readonly kind: 'patches'; readonly side: number; readonly patch: number }
  /** [length, patch * patch * 3] in [-1, 1], of the image in its own shape, with each one's place. */
  | { readonly kind: 'naflex'; readonly length: number; readonly patch: number };

/** What a step's batch has beside its pairs. */
export interface StepViews {
  /** What the schedule makes of the image; null where it leaves it as the client asked for it. */
  readonly image: ImageLayout | null;
  readonly locca: TrainingViewsOptions['locca'] | null;
  readonly selfDistillation: NonNullable<TrainingViewsOptions['selfDistillation']> | null;
  readonly maskedPrediction: NonNullable<TrainingViewsOptions['maskedPrediction']> | null;
}

/** Which views a step has: by default crops and masks from 80% on, NaFlex from 90%, another resolution from 95%. */
export function viewsAt(
  options: TrainingViewsOptions,
  { seed, step, steps }: { readonly seed: number; readonly step: number; readonly steps: number },
): StepViews {
  const on = <T extends { readonly from: number }>(part: T | undefined): T | null =>
    part !== undefined && hasBegun(part.from, step, steps) ? part : null;
  const naflex = on(options.naflex);
  const resolution = on(options.resolution);
  const length = naflex && planLength(seed, step, naflex.lengths);
  return {
    image:
      naflex && length
        ? { kind: 'naflex', length, patch: naflex.patch }
        : resolution && { kind: 'pixels', side: resolution.side },
    locca: on(options.locca),
    selfDistillation: naflex ? null : on(options.selfDistillation),
    maskedPrediction: naflex ? null : on(options.maskedPrediction),
  };
}
