import { type DataType, Field, Float32, Int32, type RecordBatch, Struct, Utf8 } from 'apache-arrow';
import PQueue from 'p-queue';
import { z } from 'zod';
import type { RgbImage } from '../models/images.ts';
import { column, takeRows, withColumns } from '../schemas/batches.ts';
import { imageBytes, originOf, tracesOf } from '../schemas/provenance.ts';
import { rowTypes } from '../schemas/rows.ts';
import type { Stage, StageContext } from '../schemas/stage.ts';
import { applyVerdicts, filterModes } from '../schemas/verdicts.ts';
import { type ImageFacts, type ImageVerdict, judgeImage } from './images/judge-image.ts';
import { oneAhead } from './images/one-ahead.ts';

/** Options of {@link checkImages}. */
export const checkImagesOptionsSchema = z.strictObject({
  /** `drop` leaves unwanted images out; `label` keeps them, and says in `labels` what it would have dropped. */
  mode: z.enum(filterModes).default('drop'),
  /** The shorter side, in pixels, under which an image is dropped. */
  minSide: z.int().positive().default(32),
  /** The longer side over the shorter one, over which an image is dropped. */
  maxAspect: z.number().min(1).default(4),
  /** Width x height over which an image is quarantined without being decoded. */
  maxPixels: z.int().positive().default(50_000_000),
  /** Animated GIF, WebP and PNG: dropped, or judged and kept by their first frame. */
  animation: z.enum(['drop', 'first-frame']).default('drop'),
  /** The standard deviation of the pixels, in grey levels of 255, under which an image is blank; 0 lets all pass. */
  minDeviation: z.number().min(0).max(255).default(2),
  /** The entropy of the brightness, in bits, under which an image is nearly blank; 0 lets all pass. */
  minEntropy: z.number().min(0).max(8).default(0.1),
  /** Images decoded at the same time. */
  concurrency: z.int().positive().default(4),
});

/** Options of {@link checkImages}, with their defaults filled in. */
export type CheckImagesOptions = z.infer<typeof checkImagesOptionsSchema>;

/** A column that is measured on the pixels of every sound image, since they are decoded here anyway. */
export interface ImageMeasure {
  readonly column: string;
  readonly type: DataType;
  /** The column's value, of the image within 64 x 64 pixels. */
  of(image: RgbImage): unknown;
}

const stage = 'check-images';

const int = (name: string) => new Field(name, new Int32(), true);
const float = (name: string) => new Field(name, new Float32(), true);

/** The Arrow type of `image_stats`: what the header says, and statistics of the image within 64 x 64 pixels. */
export const imageStatsType = new Struct([
  int('bytes'),
  new Field('format', new Utf8(), true),
  int('channels'),
  int('frames'),
  float('mean'),
  float('deviation'),
  float('entropy'),
  float('sharpness'),
  float('chroma'),
]);

/**
 * Decodes every image: a missing, truncated, corrupt or unknown one, and one over the pixel limit, is quarantined; a
 * small, long, animated or blank one is dropped or labelled. `width` and `height` become what is seen, `image_stats`
 * what was measured, and each measure adds its column. The next batch is decoded while the last one is worked on.
 */
export function checkImages(options: CheckImagesOptions, measures: readonly ImageMeasure[] = []): Stage {
  return {
    name: stage,
    async *run(batches, context) {
      const queue = new PQueue({ concurrency: options.concurrency });
      const judge = (batch: RecordBatch) => {
        context.signal.throwIfAborted();
        const jobs = Array.from(
          { length: batch.numRows },
          (_, i) => () => judgeImage(imageBytes(batch, i), options, measures),
        );
        return queue.addAll(jobs);
      };
      const settled = oneAhead(batches, judge, (batch, verdicts) =>
        settleBatch(batch, verdicts, options, measures, context),
      );
      for await (const batch of settled) if (batch !== null) yield batch;
    },
  };
}

type SoundImage = Extract<ImageVerdict, { kind: 'keep' }>;

function settleBatch(
  batch: RecordBatch,
  verdicts: readonly ImageVerdict[],
  { mode }: CheckImagesOptions,
  measures: readonly ImageMeasure[],
  context: StageContext,
): RecordBatch | null {
  const kept: number[] = [];
  const found: SoundImage[] = [];
  const keys = column(batch, 'key');
  verdicts.forEach((verdict, i) => {
    if (verdict.kind === 'keep') {
      kept.push(i);
      found.push(verdict);
    } else if (verdict.kind === 'drop') {
      context.drop({ key: keys.get(i), stage, ...verdict.verdict, ...tracesOf(batch, i) });
    } else {
      const { reason, detail } = verdict;
      context.quarantine({ ...originOf(batch, i), stage, reason, detail });
    }
  });
  if (kept.length === 0) return null;
  const sound = kept.length === batch.numRows ? batch : takeRows(batch, kept);
  const judged = withFindings(sound, found, measures);
  if (mode === 'drop') return judged;
  const labels = found.map((image) => image.labels);
  return applyVerdicts(judged, labels, { stage, mode }, context);
}

function withFindings(
  batch: RecordBatch,
  found: readonly SoundImage[],
  measures: readonly ImageMeasure[],
): RecordBatch {
  const of = <K extends keyof ImageFacts>(name: K) => found.map(({ facts }) => facts[name]);
  const measured = measures.map(({ column: name, type }, k) => [
    name,
    { type, values: found.map((image) => image.measured[k] ?? null) },
  ]);
  return withColumns(batch, {
    width: { type: rowTypes.width, values: of('width') },
    height: { type: rowTypes.height, values: of('height') },
    image_stats: { type: imageStatsType, values: found.map(({ facts }) => facts) },
    ...Object.fromEntries(measured),
  });
}
