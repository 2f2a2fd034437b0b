import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { RgbImage } from '../../models/images.ts';

/** Where the models are that transformers saved, and what it answers of them. */
export const conformanceFolder = new URL('conformance', import.meta.url).pathname;

/** Reads a JSON file of them. */
export const readConformance = async (...path: string[]) =>
  JSON.parse(await readFile(join(conformanceFolder, ...path), 'utf8'));

/** What transformers answers: conformance/make.py writes it. */
export interface Expected {
  readonly sides: readonly (readonly [width: number, height: number])[];
  readonly logits: { readonly scale: number; readonly bias: number };
  /** Samples of the pixels as bytes, by torchvision and by Pillow, and of those that weren't rounded, in [-1, 1]. */
  readonly levels: readonly (readonly number[])[];
  readonly levelsPil: readonly (readonly number[])[];
  readonly pixels: readonly (readonly number[])[];
  /** Unit rows of pixels that weren't rounded and of those that were. */
  readonly images: readonly (readonly number[])[];
  readonly imagesRounded: readonly (readonly number[])[];
  readonly tokens: readonly (readonly number[])[];
  readonly texts: readonly (readonly number[])[];
  readonly quantized?: Pick<Expected, 'images' | 'texts'>;
  /** NaFlex's. */
  readonly shapes?: readonly (readonly number[])[];
  readonly mask?: readonly number[];
  readonly compared?: readonly number[];
  readonly grids?: readonly (readonly number[])[];
}

/** The same pixels as make.py draws. */
export function picture(width: number, height: number): RgbImage {
  const pixels = new Uint8Array(width * height * 3);
  for (let y = 0; y < height; y += 1) {
    for (let x = 0; x < width; x += 1) {
      for (let c = 0; c < 3; c += 1) {
        pixels[(y * width + x) * 3 + c] =
          (x * (3 + c) + y * (5 - c) + ((x * y) >> 4) + ((x ^ y) & 31) * c) & 255;
      }
    }
  }
  return { pixels, width, height };
}

/** As make.py samples a row. */
export function samples(flat: Float32Array | Uint8Array): number[] {
  const stride = Math.max(1, Math.floor(flat.length / 48) | 1);
  return Array.from({ length: Math.ceil(flat.length / stride) }, (_, i) => flat[i * stride] ?? Number.NaN);
}
