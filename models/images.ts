import sharp from 'sharp';

// One thread an image: the concurrency is over images, in the thread pool.
sharp.concurrency(1);
sharp.cache(false);

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

/** What an image's header says: nothing has been decoded yet. */
export interface ImageHeader {
  readonly width: number;
  readonly height: number;
}

/** Reads an image's header. Throws when it has none; never allocates the picture, whatever its size. */
export async function readHeader(bytes: Uint8Array): Promise<ImageHeader> {
  const { width, height } = await sharp(bytes, { limitInputPixels: false }).metadata();
  return { width, height };
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
  return sharp(bytes, { limitInputPixels: maxPixels, failOn: 'error' })
    .rotate()
    .resize(size.width, size.height, { fit: 'fill' })
    .flatten({ background: '#ffffff' })
    .toColourspace('srgb')
    .removeAlpha()
    .raw()
    .toBuffer();
}

/** Decodes an image as {@link decodeRgb} does, its longer side at most `side` pixels, never enlarged. */
export async function decodeRgbWithin(
  bytes: Uint8Array,
  side: number,
  maxPixels: number,
): Promise<{ pixels: Uint8Array; width: number; height: number }> {
  const { data, info } = await sharp(bytes, { limitInputPixels: maxPixels, failOn: 'error' })
    .rotate()
    .resize(side, side, { fit: 'inside', withoutEnlargement: true })
    .flatten({ background: '#ffffff' })
    .toColourspace('srgb')
    .removeAlpha()
    .raw()
    .toBuffer({ resolveWithObject: true });
  return { pixels: data, width: info.width, height: info.height };
}
