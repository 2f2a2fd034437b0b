import type { RecordBatch, Vector } from 'apache-arrow';
import PQueue from 'p-queue';
import { z } from 'zod';
import { decodeRgbWithin } from '../models/images.ts';
import { column, withColumns } from '../schemas/batches.ts';
import { imageBytes } from '../schemas/provenance.ts';
import { curatedTypes } from '../schemas/rows.ts';
import type { Stage } from '../schemas/stage.ts';
import type { Detection, Detector } from './regions/detector.ts';
import { genericWordsOptionsSchema } from './regions/find-generic-words.ts';
import { type IsGeneric, isKnownGeneric } from './regions/generic-words.ts';
import { ngramOptionsSchema, ngramQueries } from './regions/ngram-queries.ts';
import { owlDetectorOptionsSchema } from './regions/owl-detector.ts';

/** Options of {@link labelRegions} and of the built-in detector. */
export const labelRegionsOptionsSchema = z.strictObject({
  /** A region is kept at this score or over it (OWL-ST: 0.1). */
  minScore: z.number().min(0).max(1).default(0.1),
  /** An image's regions are kept when one has this score or more (OWL-ST: 0.3). */
  minBestScore: z.number().min(0).max(1).default(0.3),
  ngrams: ngramOptionsSchema.prefault({}),
  /** A fixed label set that every image is asked for beside its own n-grams: a list, or a file with one a line. */
  categories: z.union([z.string().min(1), z.array(z.string().min(1))]).default([]),
  /** What the scores of categories are multiplied by (OWL-ST: 0.3). */
  categoryScale: z.number().positive().max(1).default(0.3),
  /** Sides of the built-in detector's windows, as fractions of the image's shorter side. */
  scales: z
    .array(z.number().positive().max(1))
    .nonempty()
    .default([0.9, 0.75, 0.6, 0.5, 0.42, 0.35, 0.29, 0.24, 0.2]),
  /** The step between windows, as a fraction of their side. */
  stride: z.number().positive().max(1).default(0.12),
  /** Boxes scored an image at the most, the whole image aside. */
  windows: z.int().positive().default(12),
  /** What is shown around a box, as a fraction of its longer side. */
  context: z.number().min(0).max(1).default(0.05),
  /**
   * Added to the teacher's logits before they are read as probabilities. A teacher's bias holds the chances of its
   * training, one match in a batch; among an image's few dozen queries a match is likelier.
   */
  logitShift: z.number().default(0),
  /** Boxes that overlap a better one by this or more (intersection over union) are left out. */
  overlap: z.number().min(0).max(1).default(0.4),
  /** Boxes of which this or more lies in a better one, or the other way round, are left out. */
  part: z.number().min(0).max(1).default(0.7),
  /** What a query loses, in logits, that shares a word with one that another box of the image was given. */
  sharedWord: z.number().min(0).default(2),
  /** The longer side, in pixels, at which the built-in detector looks at images. */
  side: z.int().positive().default(160),
  /** Embedded queries that are held for later images. */
  cachedQueries: z.int().positive().default(50_000),
  /** How generic words are found from the data, beside those of the built-in lists; a teacher is needed. */
  genericWords: genericWordsOptionsSchema.prefault({}),
  owl: owlDetectorOptionsSchema.prefault({}),
  concurrency: z.int().positive().default(4),
});

/** Options of {@link labelRegions}, with their defaults filled in. */
export type LabelRegionsOptions = z.infer<typeof labelRegionsOptionsSchema>;

/**
 * Adds `regions`: n-grams of the alt-texts scored against the image by a detector, as OWL-ST annotates (Scaling
 * Open-Vocabulary Object Detection, section 3.1). Loses no row.
 */
export function labelRegions(
  detector: Detector,
  options: LabelRegionsOptions,
  maxPixels: number,
  isGeneric: IsGeneric = isKnownGeneric,
): Stage {
  return {
    name: 'label-regions',
    async *run(batches, context) {
      const queue = new PQueue({ concurrency: options.concurrency });
      for await (const batch of batches) {
        context.signal.throwIfAborted();
        const images = await queue.addAll(
          Array.from(
            { length: batch.numRows },
            (_, i) => () => decodeRgbWithin(imageBytes(batch, i), detector.side, maxPixels),
          ),
        );
        const found = await detector.detect(images, queriesOf(batch, options, isGeneric));
        const values = found.map((detections) => keepRegions(detections, options));
        yield withColumns(batch, { regions: { type: curatedTypes.regions, values } });
      }
    },
  };
}

/** The detections over the thresholds: none when the best is under `minBestScore`. */
export function keepRegions(
  detections: readonly Detection[],
  options: Pick<LabelRegionsOptions, 'minScore' | 'minBestScore'>,
): Detection[] {
  const best = detections.reduce((most, { score }) => Math.max(most, score), 0);
  if (best < options.minBestScore) return [];
  return detections.filter(({ score }) => score >= options.minScore);
}

function queriesOf(batch: RecordBatch, options: LabelRegionsOptions, isGeneric: IsGeneric): string[][] {
  const [texts, languages] = [column(batch, 'alt_texts'), column(batch, 'language')];
  return Array.from({ length: batch.numRows }, (_, i) => {
    const list = [...((texts.get(i) as Vector | null) ?? [])] as string[];
    return ngramQueries(list, languages.get(i), options.ngrams, isGeneric);
  });
}
