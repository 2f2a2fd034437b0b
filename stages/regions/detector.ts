import type { RgbImage } from '../../models/images.ts';

/** A box as fractions of its image. */
export type Box = readonly [ymin: number, xmin: number, ymax: number, xmax: number];

/** One labelled box: its best query and the score of it, in [0, 1]. */
export interface Detection {
  readonly box: Box;
  readonly text: string;
  readonly score: number;
}

/** An open-vocabulary detector: for each image, boxes of what its queries name. */
export interface Detector {
  readonly name: string;
  /** The longer side, in pixels, at which it looks at images. */
  readonly side: number;
  /** One list of queries an image; answers one list of detections an image, best first, before any threshold. */
  detect(images: readonly RgbImage[], queries: readonly (readonly string[])[]): Promise<Detection[][]>;
  dispose(): Promise<void>;
}

/** A fixed label set that every image is asked for beside its own n-grams. */
export interface Categories {
  readonly names: readonly string[];
  /** What their scores are multiplied by: OWL-ST's 0.3 (section 3.1), so that what an alt-text says goes first. */
  readonly scale: number;
}

/** No label set. */
export const noCategories: Categories = { names: [], scale: 1 };

/** The logit of a query's probability times `scale`. */
export function scaledLogit(logit: number, scale: number): number {
  if (scale === 1) return logit;
  const probability = scale / (1 + Math.exp(-logit));
  return Math.log(probability / (1 - probability));
}

/** The probability of a logit. */
export function sigmoid(logit: number): number {
  return 1 / (1 + Math.exp(-logit));
}
