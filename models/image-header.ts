import sharp from 'sharp';
import { type ImageFormat, sniffFormat } from './images.ts';

/** What an image's header says: nothing has been decoded yet. */
export interface ImageHeader {
  readonly format: ImageFormat;
  /** Pixels, as the image is seen: turned as its EXIF orientation says. */
  readonly width: number;
  readonly height: number;
  /** 1 grey, 2 grey and alpha, 3 colour, 4 colour and alpha, or CMYK. */
  readonly channels: number;
  /** 1 unless it is animated. */
  readonly frames: number;
}

/**
 * Reads an image's header. Throws when it has none, or is of a format that isn't read; never allocates the picture,
 * whatever its size.
 */
export async function readHeader(bytes: Uint8Array): Promise<ImageHeader> {
  const format = sniffFormat(bytes);
  if (format === null) throw new Error('not JPEG, PNG, WebP or GIF');
  const quick = quickHeader(bytes, format);
  if (quick !== null) return quick;
  const { autoOrient, channels, pages = 1 } = await sharp(bytes, { limitInputPixels: false }).metadata();
  // The decoder knows nothing of animated PNG: it sees the default image.
  const frames = format === 'png' ? (readPng(bytes)?.frames ?? 1) : pages;
  return { format, width: autoOrient.width, height: autoOrient.height, channels, frames };
}

/**
 * Reads the header of a plain image at the price of a few bytes: null for one that needs the decoder to say (EXIF, an
 * animated WebP, any GIF, a structure out of the ordinary). What it says is what the decoder would.
 */
export function quickHeader(bytes: Uint8Array, format: ImageFormat): ImageHeader | null {
  const found =
    format === 'jpeg'
      ? readJpeg(bytes)
      : format === 'png'
        ? readPng(bytes)
        : format === 'webp'
          ? readWebp(bytes)
          : null;
  if (found === null || found.needsDecoder || found.width === 0 || found.height === 0) return null;
  const { width, height, channels, frames } = found;
  return { format, width, height, channels, frames };
}

interface Found extends Omit<ImageHeader, 'format'> {
  /** Whether something stands in the file that only the decoder understands. */
  readonly needsDecoder: boolean;
}

const viewOf = (bytes: Uint8Array) => new DataView(bytes.buffer, bytes.byteOffset, bytes.length);

/** ITU-T T.81, annex B: markers up to the frame header. */
function readJpeg(bytes: Uint8Array): Found | null {
  const view = viewOf(bytes);
  for (let at = 2; at + 9 < bytes.length; ) {
    if (bytes[at] !== 0xff) return null;
    const marker = bytes[at + 1] ?? 0;
    if (marker === 0xff) {
      at += 1;
      continue;
    }
    const isFrame = marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker);
    if (isFrame) {
      const [height, width] = [view.getUint16(at + 5), view.getUint16(at + 7)];
      return { width, height, channels: bytes[at + 9] ?? 0, frames: 1, needsDecoder: false };
    }
    // A marker without a segment, or the start of the scan, has no place before the frame header; EXIF may turn it.
    if (marker < 0xc0 || (marker >= 0xd0 && marker <= 0xda) || marker === 0xe1) return null;
    at += 2 + view.getUint16(at + 2);
  }
  return null;
}

/** Channels by PNG's colour type; a `tRNS` chunk adds alpha. */
const pngChannels: Readonly<Record<number, number>> = { 0: 1, 2: 3, 3: 3, 4: 2, 6: 4 };

/** PNG, third edition: chunks up to the first data, of which `acTL` says that it is animated. */
function readPng(bytes: Uint8Array): Found | null {
  const view = viewOf(bytes);
  if (bytes.length < 33 || view.getUint32(12) !== chunk('IHDR')) return null;
  const header = { width: view.getUint32(16), height: view.getUint32(20) };
  let channels = pngChannels[bytes[25] ?? -1] ?? 0;
  let frames = 1;
  let needsDecoder = channels === 0;
  for (let at = 33; at + 12 <= bytes.length; ) {
    const [length, name] = [view.getUint32(at), view.getUint32(at + 4)];
    if (name === chunk('IDAT')) return { ...header, channels, frames, needsDecoder };
    if (name === chunk('acTL')) frames = Math.min(0x7fffffff, Math.max(1, view.getUint32(at + 8)));
    if (name === chunk('tRNS') && channels % 2 === 1) channels += 1;
    if (name === chunk('eXIf')) needsDecoder = true;
    at += 12 + length;
  }
  return null;
}

function chunk(name: string): number {
  return [...name].reduce((sum, letter) => sum * 256 + letter.charCodeAt(0), 0);
}

/** WebP's container: the two simple forms. The extended one may hold EXIF and frames. */
function readWebp(bytes: Uint8Array): Found | null {
  if (bytes.length < 30) return null;
  const view = viewOf(bytes);
  const kind = view.getUint32(12);
  if (kind === chunk('VP8 ') && (view.getUint32(22) & 0xffffff) === 0x9d012a) {
    const [width, height] = [view.getUint16(26, true) & 0x3fff, view.getUint16(28, true) & 0x3fff];
    return { width, height, channels: 3, frames: 1, needsDecoder: false };
  }
  if (kind === chunk('VP8L') && bytes[20] === 0x2f) {
    const bits = view.getUint32(21, true);
    const [width, height] = [(bits & 0x3fff) + 1, ((bits >>> 14) & 0x3fff) + 1];
    return { width, height, channels: (bits >>> 28) & 1 ? 4 : 3, frames: 1, needsDecoder: false };
  }
  return null;
}
