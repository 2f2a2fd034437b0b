import type { RgbImage } from './images.ts';

/** What the pixels of an image say of it, whatever it shows. */
export interface PixelStatistics {
  /** Mean luma (BT.601), 0 to 255: how bright it is. */
  readonly mean: number;
  /** The root of the channels' mean variance, in grey levels: 0 for one flat colour. */
  readonly deviation: number;
  /** Shannon entropy of the luma's 256 levels, in bits, 0 to 8. */
  readonly entropy: number;
  /**
   * Variance of the luma's Laplacian, small where it is blurred: Pech-Pacheco et al., "Diatom autofocusing in
   * brightfield microscopy" (2000). Comparable between images of a size only.
   */
  readonly sharpness: number;
  /** Mean difference of the largest and the smallest channel, 0 to 255: 0 for a grey image. */
  readonly chroma: number;
}

/** Measures an image in one pass over its pixels and one over its luma. */
export function pixelStatistics({ pixels, width, height }: RgbImage): PixelStatistics {
  const count = width * height;
  const luma = new Uint8Array(count);
  const levels = new Uint32Array(256);
  let [red, green, blue, squares, chroma, lumaSum] = [0, 0, 0, 0, 0, 0];
  for (let i = 0, at = 0; i < count; i += 1, at += 3) {
    const r = pixels[at] as number;
    const g = pixels[at + 1] as number;
    const b = pixels[at + 2] as number;
    red += r;
    green += g;
    blue += b;
    squares += r * r + g * g + b * b;
    chroma += Math.max(r, g, b) - Math.min(r, g, b);
    // 0.299, 0.587 and 0.114 of 2^16, rounded.
    const y = (19595 * r + 38470 * g + 7471 * b + 32768) >> 16;
    luma[i] = y;
    lumaSum += y;
    levels[y] = (levels[y] as number) + 1;
  }
  const means = red * red + green * green + blue * blue;
  return {
    mean: lumaSum / count,
    deviation: Math.sqrt(Math.max(0, (squares - means / count) / (3 * count))),
    entropy: entropyOf(levels, count),
    sharpness: laplacianVariance(luma, width, height),
    chroma: chroma / count,
  };
}

function entropyOf(levels: Uint32Array, count: number): number {
  let sum = 0;
  for (const level of levels) if (level > 0) sum += level * Math.log2(level);
  return Math.max(0, Math.log2(count) - sum / count);
}

function laplacianVariance(luma: Uint8Array, width: number, height: number): number {
  let [sum, squares] = [0, 0];
  for (let y = 1; y < height - 1; y += 1) {
    for (let x = 1, at = y * width + 1; x < width - 1; x += 1, at += 1) {
      const value =
        4 * (luma[at] as number) -
        (luma[at - 1] as number) -
        (luma[at + 1] as number) -
        (luma[at - width] as number) -
        (luma[at + width] as number);
      sum += value;
      squares += value * value;
    }
  }
  const count = (width - 2) * (height - 2);
  return width < 3 || height < 3 ? 0 : squares / count - (sum / count) ** 2;
}
