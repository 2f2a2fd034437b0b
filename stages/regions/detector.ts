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
  /** One list of queries an image; answers one list of detections an image, best first, before any threshold. */
  detect(images: readonly RgbImage[], queries: readonly (readonly string[])[]): Promise<Detection[][]>;
}
