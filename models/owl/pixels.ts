import sharp from 'sharp';
import type { RgbImage } from '../images.ts';

/** How an OWL model wants its images, as `preprocessor_config.json` says. */
export interface OwlPreprocessing {
  readonly height: number;
  readonly width: number;
  /** Whether images are padded to a square, below and on the right (OWLv2), or stretched (OWL-ViT). */
  readonly pad: boolean;
  readonly mean: readonly number[];
  readonly std: readonly number[];
}

/** An image as the model reads it, and which part of that is the image. */
export interface OwlPixels {
  /** [3, height, width], normalized. */
  readonly values: Float32Array;
  /** The image's share of the input's height and width: the rest is padding. */
  readonly share: { readonly height: number; readonly width: number };
}

/** What is padded with, of 1: grey. */
const grey = 0.5;

/**
 * Prepares an image as OWLv2 does: padded to a square with grey below and on the right, resized bilinearly, each channel
 * less its mean over its deviation (transformers' Owlv2ImageProcessor). Padding after resizing is the same, but for
 * the row of pixels where they meet.
 */
export async function owlPixels(image: RgbImage, options: OwlPreprocessing): Promise<OwlPixels> {
  const { height, width, pad, mean, std } = options;
  const longer = Math.max(image.width, image.height);
  const scaled = (length: number, to: number) => Math.max(1, Math.round((length / longer) * to));
  const size = pad
    ? { width: scaled(image.width, width), height: scaled(image.height, height) }
    : { width, height };
  const resized = await sharp(image.pixels, {
    raw: { width: image.width, height: image.height, channels: 3 },
  })
    .resize(size.width, size.height, { fit: 'fill', kernel: 'linear' })
    .raw()
    .toBuffer();
  const values = new Float32Array(3 * height * width);
  for (let c = 0; c < 3; c += 1) {
    const [m, s] = [mean[c] ?? 0, std[c] ?? 1];
    const plane = values.subarray(c * height * width, (c + 1) * height * width).fill((grey - m) / s);
    for (let y = 0; y < size.height; y += 1) {
      for (let x = 0; x < size.width; x += 1) {
        plane[y * width + x] = ((resized[(y * size.width + x) * 3 + c] ?? 0) / 255 - m) / s;
      }
    }
  }
  return { values, share: { height: size.height / height, width: size.width / width } };
}
