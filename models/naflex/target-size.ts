/** A height and a width, in pixels or in patches. */
export interface Size {
  readonly height: number;
  readonly width: number;
}

/**
 * The size to which NaFlex resizes an image, in pixels: both sides whole patches, at least one, the patches at most
 * `maxPatches`, the shape as near the image's as that allows (SigLIP 2, arXiv 2502.14786, section 2.4.2). The ratio is
 * found by halving [1e-6, 100] until it is known to 1e-5, and its lower bound counts, as in big_vision: a search for
 * the exact ratio would at times fit one patch more. Throws when an argument isn't a whole number over 0.
 */
export function targetSize({ height, width }: Size, patchSize: number, maxPatches: number): Size {
  for (const value of [height, width, patchSize, maxPatches]) {
    if (!Number.isInteger(value) || value < 1) {
      throw new Error(
        `an image of ${width} x ${height} can't be cut to ${maxPatches} patches of ${patchSize}`,
      );
    }
  }
  const scaled = (length: number, ratio: number) =>
    Math.max(patchSize, patchSize * Math.ceil((length * ratio) / patchSize));
  let [low, high] = [1e-6, 100];
  while (high - low >= 1e-5) {
    const ratio = (low + high) / 2;
    const patches = (scaled(height, ratio) / patchSize) * (scaled(width, ratio) / patchSize);
    if (patches <= maxPatches) low = ratio;
    else high = ratio;
  }
  return { height: scaled(height, low), width: scaled(width, low) };
}
