import type { RgbImage } from '../images.ts';
import { resampleRgb } from '../resample.ts';
import { type Size, targetSize } from './target-size.ts';

/** What patches are cut by. */
export interface PatchOptions {
  readonly patchSize: number;
  /** N: the patches of every sequence, pads included. */
  readonly sequenceLength: number;
}

/** Images as sequences of patches, padded to one length. */
export interface PatchBatch {
  readonly count: number;
  /** N. */
  readonly sequenceLength: number;
  /** [count, N, patchSize^2 * 3] in [-1, 1], each patch its rows of pixels; pads are 0. */
  readonly patches: Float32Array;
  /** [count, N], 1 a patch, 0 a pad. */
  readonly mask: Int32Array;
  /** [count, 2]: the height and width of each image in patches. */
  readonly shapes: Int32Array;
}

/** Starts a batch of pads alone. */
export function emptyPatches(count: number, { patchSize, sequenceLength }: PatchOptions): PatchBatch {
  return {
    count,
    sequenceLength,
    patches: new Float32Array(count * sequenceLength * patchSize * patchSize * 3),
    mask: new Int32Array(count * sequenceLength),
    shapes: new Int32Array(count * 2),
  };
}

/**
 * NaFlex's preprocessing of one image, written to a row of a batch: the largest size that the sequence holds, an
 * antialiased bilinear resize, patches in reading order, pads (SigLIP 2, arXiv 2502.14786, section 2.4.2).
 */
export function writePatches(batch: PatchBatch, row: number, image: RgbImage, options: PatchOptions): void {
  const { patchSize, sequenceLength } = options;
  const size = targetSize(image, patchSize, sequenceLength);
  writePixels(batch, row, resampleRgb(image, size), size, options);
}

/** Cuts an image whose sides are whole patches, [height, width, 3] in [-1, 1], into a row of a batch. */
export function writePixels(
  batch: PatchBatch,
  row: number,
  pixels: Float32Array,
  { height, width }: Size,
  { patchSize, sequenceLength }: PatchOptions,
): void {
  const [down, across] = [height / patchSize, width / patchSize];
  if (!Number.isInteger(down) || !Number.isInteger(across) || down * across > sequenceLength) {
    throw new Error(
      `${width} x ${height} pixels aren't at most ${sequenceLength} patches of ${patchSize} x ${patchSize}`,
    );
  }
  const line = patchSize * 3;
  const length = patchSize * line;
  for (let y = 0; y < height; y += 1) {
    const patchRow = Math.floor(y / patchSize);
    for (let column = 0; column < across; column += 1) {
      const patch = row * sequenceLength + patchRow * across + column;
      const from = (y * width + column * patchSize) * 3;
      batch.patches.set(pixels.subarray(from, from + line), patch * length + (y % patchSize) * line);
    }
  }
  batch.mask.fill(1, row * sequenceLength, row * sequenceLength + down * across);
  batch.shapes.set([down, across], row * 2);
}

/** The row and the column of each patch, [count, N] each; 0 at pads. */
export function coordinatesOf({ count, sequenceLength, mask, shapes }: PatchBatch): {
  readonly rows: Int32Array;
  readonly columns: Int32Array;
} {
  const [rows, columns] = [new Int32Array(mask.length), new Int32Array(mask.length)];
  for (let image = 0; image < count; image += 1) {
    const across = shapes[image * 2 + 1] as number;
    for (let i = 0; i < sequenceLength; i += 1) {
      const at = image * sequenceLength + i;
      if (mask[at] === 0) continue;
      rows[at] = Math.floor(i / across);
      columns[at] = i % across;
    }
  }
  return { rows, columns };
}
