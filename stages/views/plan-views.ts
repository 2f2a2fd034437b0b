import { createRandom, hashUniform } from '../../schemas/random.ts';

/** What a step's views of a row are drawn by: the same three give the same views, whoever asks, in whatever order. */
export interface ViewSeed {
  readonly seed: number;
  readonly step: number;
  readonly key: string;
}

/** A crop of an image: its box as fractions (ymin, xmin, ymax, xmax), and whether it is mirrored. */
export interface Crop {
  readonly box: readonly [number, number, number, number];
  readonly flip: boolean;
}

/** How crops of one kind are drawn. */
export interface CropOptions {
  readonly count: number;
  /** The share of the image's area, from and to. */
  readonly area: readonly [number, number];
  /** The ratio of width to height, in pixels, from and to; drawn evenly by its logarithm. */
  readonly aspect: readonly [number, number];
  /** The probability of a mirrored crop. */
  readonly flip: number;
}

const textOf = ({ seed, step, key }: ViewSeed, what: string) => `${seed}:${what}:${step}\u0000${key}`;
const attempts = 10;

/**
 * Random resized crops, as self-distillation takes them (DINO, arXiv 2104.14294, section 3.1; SILC, 2310.13355): area
 * and shape are drawn, and drawn again where the image is too narrow for them; the tenth time a shape that fits serves.
 * Every box lies in the image.
 */
export function planCrops(
  of: ViewSeed,
  kind: 'global' | 'local',
  image: { readonly width: number; readonly height: number },
  { count, area, aspect, flip }: CropOptions,
): Crop[] {
  const random = createRandom(textOf(of, kind));
  const between = ([from, to]: readonly [number, number]) => from + (to - from) * random.uniform();
  const shape = image.width / image.height;
  return Array.from({ length: count }, () => {
    let [width, height] = [1, 1];
    for (let attempt = 1; attempt <= attempts; attempt += 1) {
      const share = between(area);
      const ratio = Math.exp(between([Math.log(aspect[0]), Math.log(aspect[1])]));
      // As fractions of the image's sides, a crop of this shape in pixels.
      width = Math.sqrt((share * ratio) / shape);
      height = Math.sqrt((share * shape) / ratio);
      if (width <= 1 && height <= 1) break;
      if (attempt === attempts) [width, height] = [Math.min(1, width), Math.min(1, height)];
    }
    const [top, left] = [(1 - height) * random.uniform(), (1 - width) * random.uniform()];
    const box = [top, left, Math.min(1, top + height), Math.min(1, left + width)] as const;
    return { box, flip: random.uniform() < flip };
  });
}

/** Which of an image's patches are masked: exactly the share, rounded, drawn without replacement. 1 is masked, [n]. */
export function planMask(of: ViewSeed, patches: number, share: number): Uint8Array {
  const random = createRandom(textOf(of, 'mask'));
  const mask = new Uint8Array(patches);
  const order = Uint32Array.from({ length: patches }, (_, i) => i);
  const masked = Math.round(patches * share);
  for (let i = 0; i < masked; i += 1) {
    const j = i + random.integer(patches - i);
    [order[i], order[j]] = [order[j] as number, order[i] as number];
    mask[order[i] as number] = 1;
  }
  return mask;
}

/** Whether a row's caption is predicted in parallel, all tokens at once from none (LocCa; CapPa, arXiv 2306.07915). */
export function planParallel({ seed, step, key }: ViewSeed, probability: number): boolean {
  return hashUniform(key, `${seed}:parallel:${step}`) < probability;
}

/** The one sequence length of a step's batch, drawn evenly (SigLIP 2, section 2.4.2). */
export function planLength(seed: number, step: number, lengths: readonly number[]): number {
  return lengths[Math.floor(hashUniform(String(step), `${seed}:naflex`) * lengths.length)] ?? 0;
}

/** Whether a part of a recipe that begins at a share of the training is on at a step: at 0.8 of 10, from step 8 on. */
export function hasBegun(from: number, step: number, steps: number): boolean {
  // A product such as 0.1 x 30 may come out a little above the whole number that is meant.
  return step >= Math.ceil(from * steps - 1e-9);
}
