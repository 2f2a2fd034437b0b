import { type ImageHeader, readHeader } from '../../models/image-header.ts';
import { type PixelStatistics, pixelStatistics } from '../../models/image-statistics.ts';
import { decodeRgbWithin, type RgbImage, sniffFormat } from '../../models/images.ts';
import type { FilterMode, Verdict } from '../../schemas/verdicts.ts';

/** What makes an image unwanted. */
export interface ImageLimits {
  readonly mode: FilterMode;
  /** The shorter side, in pixels, at the least. */
  readonly minSide: number;
  /** The longer side over the shorter one, at the most. */
  readonly maxAspect: number;
  /** Width x height at the most: over it an image is bad data, and never decoded. */
  readonly maxPixels: number;
  /** Whether animated images are dropped, or judged and kept by their first frame. */
  readonly animation: 'drop' | 'first-frame';
  /** Grey levels, at the least, of {@link PixelStatistics.deviation}. */
  readonly minDeviation: number;
  /** Bits, at the least, of {@link PixelStatistics.entropy}. */
  readonly minEntropy: number;
}

/** What is known of a sound image once it is decoded. */
export interface ImageFacts extends ImageHeader, PixelStatistics {
  /** Length of the encoded image. */
  readonly bytes: number;
}

/** What was found of one image: wanted or not, it is sound unless it is quarantined. */
export type ImageVerdict =
  | {
      readonly kind: 'keep';
      readonly facts: ImageFacts;
      /** What a filter that only labels has against it. */
      readonly labels: readonly Verdict[];
      /** What each measure found, where there are measures. */
      readonly measured: readonly unknown[];
    }
  | { readonly kind: 'drop'; readonly verdict: Verdict }
  | { readonly kind: 'quarantine'; readonly reason: string; readonly detail: string };

/** Something measured on the pixels of an image within 64 x 64. */
export interface PixelMeasure {
  of(image: RgbImage): unknown;
}

/** The side that an image is decoded to when only its soundness is asked: every byte is still read. */
const probeSide = 64;

/**
 * Judges one encoded image by its header, then by its pixels. A filter that drops decodes nothing that its header
 * condemns; one that labels decodes all but what is over the pixel limit. Never throws.
 */
export async function judgeImage(
  bytes: Uint8Array,
  limits: ImageLimits,
  measures: readonly PixelMeasure[] = [],
): Promise<ImageVerdict> {
  if (bytes.length === 0) return { kind: 'quarantine', reason: 'empty-image', detail: 'no bytes' };
  if (sniffFormat(bytes) === null) {
    const start = Buffer.from(bytes.subarray(0, 8)).toString('hex');
    const detail = `not JPEG, PNG, WebP or GIF: begins ${start}`;
    return { kind: 'quarantine', reason: 'unknown-format', detail };
  }
  let isHeaderRead = false;
  try {
    const header = await readHeader(bytes);
    isHeaderRead = true;
    if (header.width * header.height > limits.maxPixels) return pixelLimit(header, limits);
    const byHeader = judgeHeader(header, limits);
    if (limits.mode === 'drop' && byHeader[0] !== undefined) return { kind: 'drop', verdict: byHeader[0] };
    const image = await decodeRgbWithin(bytes, probeSide, limits.maxPixels);
    const statistics = pixelStatistics(image);
    const labels = [...byHeader, ...judgePixels(statistics, limits)];
    if (limits.mode === 'drop' && labels[0] !== undefined) return { kind: 'drop', verdict: labels[0] };
    const facts = { bytes: bytes.length, ...header, ...statistics };
    return { kind: 'keep', facts, labels, measured: measures.map((measure) => measure.of(image)) };
  } catch (error) {
    // A frame may be larger than its file's header says; the decoder refuses it before it allocates it.
    if (/^Input image exceeds pixel limit/u.test(String((error as Error)?.message))) {
      return {
        kind: 'quarantine',
        reason: 'pixel-limit',
        detail: `a frame is over ${limits.maxPixels} pixels`,
      };
    }
    // What libvips says is no part of it: its messages may be of another image that is decoded at the same time.
    const what = isHeaderRead ? 'its pixels' : 'its header';
    const detail = `cut short or corrupt: ${what} can't be decoded`;
    return { kind: 'quarantine', reason: 'undecodable-image', detail };
  }
}

/** What an image's size and frames have against it. */
export function judgeHeader(
  header: Omit<ImageHeader, 'format' | 'channels'>,
  limits: ImageLimits,
): Verdict[] {
  const verdicts: Verdict[] = [];
  const side = Math.min(header.width, header.height);
  if (side < limits.minSide) {
    verdicts.push({ reason: 'too-small', value: `${side} px`, threshold: `${limits.minSide} px` });
  }
  const aspect = Math.max(header.width, header.height) / side;
  if (aspect > limits.maxAspect) {
    verdicts.push({ reason: 'aspect', value: aspect.toFixed(2), threshold: `${limits.maxAspect}` });
  }
  if (limits.animation === 'drop' && header.frames > 1) {
    verdicts.push({ reason: 'animated', value: `${header.frames} frames`, threshold: '1 frame' });
  }
  return verdicts;
}

/** What an image's pixels have against it: one reason at the most. */
export function judgePixels(
  { deviation, entropy }: Pick<PixelStatistics, 'deviation' | 'entropy'>,
  { minDeviation, minEntropy }: Pick<ImageLimits, 'minDeviation' | 'minEntropy'>,
): Verdict[] {
  if (deviation < minDeviation) {
    const value = `deviation ${deviation.toFixed(2)}`;
    return [{ reason: 'blank', value, threshold: `deviation ${minDeviation}` }];
  }
  if (entropy < minEntropy) {
    const value = `entropy ${entropy.toFixed(3)} bits`;
    return [{ reason: 'near-blank', value, threshold: `entropy ${minEntropy} bits` }];
  }
  return [];
}

function pixelLimit({ width, height }: ImageHeader, { maxPixels }: ImageLimits): ImageVerdict {
  const detail = `${width} x ${height} is over ${maxPixels} pixels`;
  return { kind: 'quarantine', reason: 'pixel-limit', detail };
}
