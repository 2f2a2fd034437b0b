import type { DataType, RecordBatch } from 'apache-arrow';
import PQueue from 'p-queue';
import { z } from 'zod';
import { decodeRgbWithin, type RgbImage, readHeader, sniffFormat } from '../models/images.ts';
import { column, takeRows, withColumns } from '../schemas/batches.ts';
import { imageBytes, originOf } from '../schemas/provenance.ts';
import { rowTypes } from '../schemas/rows.ts';
import type { Stage } from '../schemas/stage.ts';

/** Options of {@link checkImages}. */
export const checkImagesOptionsSchema = z.strictObject({
  /** The shorter side, in pixels, under which an image is dropped. */
  minSide: z.int().positive().default(32),
  /** The longer side over the shorter one, over which an image is dropped. */
  maxAspect: z.number().min(1).default(4),
  /** Width x height over which an image is quarantined without being decoded. */
  maxPixels: z.int().positive().default(50_000_000),
  /** Images decoded at the same time. */
  concurrency: z.int().positive().default(4),
});

/** Options of {@link checkImages}, with their defaults filled in. */
export type CheckImagesOptions = z.infer<typeof checkImagesOptionsSchema>;

/** What was found of one image. */
export type ImageVerdict =
  | {
      readonly kind: 'keep';
      readonly width: number;
      readonly height: number;
      /** What each measure found, where there are measures. */
      readonly measured?: readonly unknown[];
    }
  | { readonly kind: 'drop'; readonly reason: 'too-small' | 'aspect'; readonly value: string }
  | { readonly kind: 'quarantine'; readonly reason: string; readonly detail: string };

/** A column that is measured on the pixels of every sound image, since they are decoded here anyway. */
export interface ImageMeasure {
  readonly column: string;
  readonly type: DataType;
  /** The column's value, of the image within 64 x 64 pixels. */
  of(image: RgbImage): unknown;
}

const stage = 'check-images';
/** The side that an image is decoded to when only its soundness is asked: every byte is still read. */
const probeSide = 64;

/**
 * Decodes every image: a missing, truncated, corrupt or unknown one, and one over the pixel limit, is quarantined;
 * a small or long one is dropped. `width` and `height` become what the decoder says, and each measure adds its column.
 */
export function checkImages(options: CheckImagesOptions, measures: readonly ImageMeasure[] = []): Stage {
  return {
    name: stage,
    async *run(batches, context) {
      const queue = new PQueue({ concurrency: options.concurrency });
      for await (const batch of batches) {
        context.signal.throwIfAborted();
        const verdicts = await queue.addAll(
          Array.from(
            { length: batch.numRows },
            (_, i) => () => judgeImage(imageBytes(batch, i), options, measures),
          ),
        );
        const kept: number[] = [];
        const found: SoundImage[] = [];
        verdicts.forEach((verdict, i) => {
          if (verdict.kind === 'keep') {
            kept.push(i);
            found.push(verdict);
          } else if (verdict.kind === 'drop') {
            const key = column(batch, 'key').get(i);
            context.drop({ key, stage, reason: verdict.reason, value: verdict.value });
          } else {
            const { reason, detail } = verdict;
            context.quarantine({ ...originOf(batch, i), stage, reason, detail });
          }
        });
        if (kept.length > 0) yield withFindings(takeRows(batch, kept), found, measures);
      }
    },
  };
}

/** Judges one encoded image by its header, then by decoding it. Never throws. */
export async function judgeImage(
  bytes: Uint8Array,
  options: CheckImagesOptions,
  measures: readonly ImageMeasure[] = [],
): Promise<ImageVerdict> {
  if (bytes.length === 0) return { kind: 'quarantine', reason: 'empty-image', detail: 'no bytes' };
  if (sniffFormat(bytes) === null) {
    const start = Buffer.from(bytes.subarray(0, 8)).toString('hex');
    return {
      kind: 'quarantine',
      reason: 'unknown-format',
      detail: `not JPEG, PNG, WebP or GIF: begins ${start}`,
    };
  }
  try {
    const { width, height } = await readHeader(bytes);
    const verdict = judgeSize(width, height, options);
    if (verdict.kind !== 'keep') return verdict;
    const image = await decodeRgbWithin(bytes, probeSide, options.maxPixels);
    if (measures.length === 0) return verdict;
    return { ...verdict, measured: measures.map((measure) => measure.of(image)) };
  } catch (error) {
    return { kind: 'quarantine', reason: 'undecodable-image', detail: decodingDetail(error) };
  }
}

function decodingDetail(error: unknown): string {
  const said = error instanceof Error ? error.message.trim().replace(/\s+/g, ' ') : String(error);
  // Some of libvips' loaders fail without a word, most often where the file ends too early.
  return /^unknown error$/i.test(said) ? 'cut short or corrupt: the decoder says no more' : said;
}

/** Judges an image by its width and height in pixels. */
export function judgeSize(width: number, height: number, options: CheckImagesOptions): ImageVerdict {
  if (width * height > options.maxPixels) {
    const detail = `${width} x ${height} is over ${options.maxPixels} pixels`;
    return { kind: 'quarantine', reason: 'pixel-limit', detail };
  }
  const side = Math.min(width, height);
  if (side < options.minSide) return { kind: 'drop', reason: 'too-small', value: `${side} px` };
  const aspect = Math.max(width, height) / side;
  if (aspect > options.maxAspect) return { kind: 'drop', reason: 'aspect', value: aspect.toFixed(2) };
  return { kind: 'keep', width, height };
}

type SoundImage = Extract<ImageVerdict, { kind: 'keep' }>;

function withFindings(
  batch: RecordBatch,
  found: readonly SoundImage[],
  measures: readonly ImageMeasure[],
): RecordBatch {
  const measured = measures.map(({ column: name, type }, k) => [
    name,
    { type, values: found.map((image) => image.measured?.[k] ?? null) },
  ]);
  return withColumns(batch, {
    width: { type: rowTypes.width, values: found.map((image) => image.width) },
    height: { type: rowTypes.height, values: found.map((image) => image.height) },
    ...Object.fromEntries(measured),
  });
}
