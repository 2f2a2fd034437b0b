import { z } from 'zod';
import type { Random } from '../schemas/random.ts';

/** How far training images are changed, so that a model learns what they show and not what they are. */
export const augmentationSchema = z.strictObject({
  /** The crop's side is drawn from 1 - zoom to 1 + zoom / 2 of the image's; what is beyond an edge repeats it. */
  zoom: z.number().min(0).lt(1).default(0),
  /** Each colour channel is scaled by up to this, either way, and moved by as much of half its range. */
  colour: z.number().min(0).max(1).default(0),
});

/** How far training images are changed, with the defaults filled in. */
export type Augmentation = z.infer<typeof augmentationSchema>;

/**
 * Crops, scales and tints images at random: 8-bit [B, side, side, 3] to floats in [-1, 1] of the same shape, sampled
 * bilinearly. Without any change asked for it is `normalizePixels`, and nothing is drawn from `random`.
 */
export function augmentPixels(
  pixels: Uint8Array,
  side: number,
  { zoom, colour }: Augmentation,
  random: Random,
): Float32Array {
  const length = side * side * 3;
  const result = new Float32Array(pixels.length);
  const [columns, rows] = [createTaps(side), createTaps(side)];
  for (let at = 0; at < pixels.length; at += length) {
    const crop = zoom > 0 ? side * (1 - zoom + 1.5 * zoom * random.uniform()) : side;
    for (const taps of [columns, rows]) {
      setTaps(taps, side, zoom > 0 ? (side - crop) * random.uniform() : 0, crop / side);
    }
    const tint = () => (colour > 0 ? (2 * random.uniform() - 1) * colour : 0);
    const gains = [1 + tint(), 1 + tint(), 1 + tint()];
    const moves = [tint(), tint(), tint()];
    for (let y = 0; y < side; y += 1) {
      const [top, bottom] = [at + (rows.low[y] ?? 0) * side * 3, at + (rows.high[y] ?? 0) * side * 3];
      const down = rows.weight[y] ?? 0;
      for (let x = 0; x < side; x += 1) {
        const [left, right] = [(columns.low[x] ?? 0) * 3, (columns.high[x] ?? 0) * 3];
        const across = columns.weight[x] ?? 0;
        for (let c = 0; c < 3; c += 1) {
          const above = mix(pixels[top + left + c] ?? 0, pixels[top + right + c] ?? 0, across);
          const below = mix(pixels[bottom + left + c] ?? 0, pixels[bottom + right + c] ?? 0, across);
          const value = mix(above, below, down) / 127.5 - 1;
          const tinted = value * (gains[c] ?? 1) + (moves[c] ?? 0);
          result[at + (y * side + x) * 3 + c] = Math.min(1, Math.max(-1, tinted));
        }
      }
    }
  }
  return result;
}

/** For each target pixel along an axis the two source pixels it lies between, and how near it is to the second. */
interface Taps {
  readonly low: Int32Array;
  readonly high: Int32Array;
  readonly weight: Float32Array;
}

function createTaps(side: number): Taps {
  return { low: new Int32Array(side), high: new Int32Array(side), weight: new Float32Array(side) };
}

function setTaps({ low, high, weight }: Taps, side: number, start: number, scale: number): void {
  for (let i = 0; i < side; i += 1) {
    // Pixel centres lie at halves.
    const source = Math.min(side - 1, Math.max(0, start + (i + 0.5) * scale - 0.5));
    low[i] = Math.floor(source);
    high[i] = Math.min(side - 1, Math.floor(source) + 1);
    weight[i] = source - Math.floor(source);
  }
}

function mix(a: number, b: number, weight: number): number {
  return a + (b - a) * weight;
}
