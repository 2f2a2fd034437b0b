import sharp, { type Sharp } from 'sharp';

// One thread an image: the concurrency is over images, in the thread pool.
sharp.concurrency(1);
sharp.cache(false);

/** A decoded image: rows of 3 bytes (red, green, blue) a pixel. */
export interface RgbImage {
  readonly pixels: Uint8Array;
  readonly width: number;
  readonly height: number;
}

/** The formats that are read: an allow-list, since the decoder would also run SVG and PDF. */
export type ImageFormat = 'jpeg' | 'png' | 'webp' | 'gif';

const ascii = (bytes: Uint8Array, start: number, end: number) =>
  String.fromCharCode(...bytes.subarray(start, end));

/** The format that the first bytes tell, or null when it is not one that is read. */
export function sniffFormat(bytes: Uint8Array): ImageFormat | null {
  if (bytes[0] === 0xff && bytes[1] === 0xd8 && bytes[2] === 0xff) return 'jpeg';
  if (ascii(bytes, 0, 8) === '\x89PNG\r\n\x1a\n') return 'png';
  if (ascii(bytes, 0, 4) === 'RIFF' && ascii(bytes, 8, 12) === 'WEBP') return 'webp';
  if (/^GIF8[79]a$/.test(ascii(bytes, 0, 6))) return 'gif';
  return null;
}

function upright(bytes: Uint8Array, maxPixels: number): Sharp {
  return sharp(bytes, { limitInputPixels: maxPixels, failOn: 'error' }).rotate();
}

function rgbOf(image: Sharp) {
  return image
    .flatten({ background: '#ffffff' })
    .toColourspace('srgb')
    .removeAlpha()
    .raw()
    .toBuffer({ resolveWithObject: true });
}

/**
 * Decodes an image to RGB of exactly width x height (its aspect is not kept), rows of 3 bytes a pixel,
 * transparency on white. Throws on truncated or corrupt data, and past `maxPixels` of the source.
 */
export async function decodeRgb(
  bytes: Uint8Array,
  size: { readonly width: number; readonly height: number },
  maxPixels: number,
): Promise<Uint8Array> {
  const { data } = await rgbOf(upright(bytes, maxPixels).resize(size.width, size.height, { fit: 'fill' }));
  return data;
}

/** Decodes an image as {@link decodeRgb} does, in its own size. */
export async function decodeRgbWhole(bytes: Uint8Array, maxPixels: number): Promise<RgbImage> {
  const { data, info } = await rgbOf(upright(bytes, maxPixels));
  return { pixels: data, width: info.width, height: info.height };
}

/** Decodes an image as {@link decodeRgb} does, its longer side at most `side` pixels, never enlarged. */
export async function decodeRgbWithin(bytes: Uint8Array, side: number, maxPixels: number): Promise<RgbImage> {
  const size = { fit: 'inside', withoutEnlargement: true } as const;
  const { data, info } = await rgbOf(upright(bytes, maxPixels).resize(side, side, size));
  return { pixels: data, width: info.width, height: info.height };
}

/**
 * Crops a box (ymin, xmin, ymax, xmax as fractions) out of an image and resizes it to side x side, as floats in
 * [-1, 1], written at `offset` of `target`. Each target pixel is the mean of the source pixels under it.
 */
export function cropToInput(
  image: RgbImage,
  box: readonly [number, number, number, number],
  side: number,
  target: Float32Array,
  offset: number,
): void {
  const { pixels, width, height } = image;
  const top = box[0] * height;
  const left = box[1] * width;
  const stepY = ((box[2] - box[0]) * height) / side;
  const stepX = ((box[3] - box[1]) * width) / side;
  for (let y = 0; y < side; y += 1) {
    const [y0, y1] = spanOf(top + y * stepY, stepY, height);
    for (let x = 0; x < side; x += 1) {
      const [x0, x1] = spanOf(left + x * stepX, stepX, width);
      let red = 0;
      let green = 0;
      let blue = 0;
      for (let sy = y0; sy < y1; sy += 1) {
        for (let sx = x0; sx < x1; sx += 1) {
          const at = (sy * width + sx) * 3;
          red += pixels[at] ?? 0;
          green += pixels[at + 1] ?? 0;
          blue += pixels[at + 2] ?? 0;
        }
      }
      const norm = 1 / (127.5 * (y1 - y0) * (x1 - x0));
      const to = offset + (y * side + x) * 3;
      target[to] = red * norm - 1;
      target[to + 1] = green * norm - 1;
      target[to + 2] = blue * norm - 1;
    }
  }
}

/** The whole source pixels that a target pixel covers: at least one, inside the image. */
function spanOf(start: number, step: number, limit: number): [from: number, to: number] {
  const from = Math.min(limit - 1, Math.max(0, Math.floor(start + 1e-6)));
  return [from, Math.min(limit, Math.max(from + 1, Math.floor(start + step + 1e-6)))];
}
