import { LRUCache } from 'lru-cache';
import PQueue from 'p-queue';
import sharp from 'sharp';
import { readHeader } from '../../models/image-header.ts';
import { decodeRgbWithin, sniffFormat } from '../../models/images.ts';
import type { ReadPicture } from './picture-bytes.ts';
import type { PicturePlace } from './query.ts';

/** A picture as it is shown: encoded anew, so that nothing of the source's bytes is passed on; or why there is none. */
export type Thumbnail = { readonly jpeg: Buffer } | { readonly missing: string };

/** Longer sides of pictures, in pixels: of cards, of cards on fine screens, of the detail. */
export const sides = [192, 384, 1024] as const;
export type Side = (typeof sides)[number];

/** Pixels over which a picture isn't decoded. */
const mostPixels = 64_000_000;
const cachedBytes = 96 * 1024 * 1024;
const concurrency = 3;

/** Makes pictures of places, the latest of them kept in memory up to 96 MiB. Never throws: what is wrong is said. */
export function createThumbnails(read: ReadPicture): (place: PicturePlace, side: Side) => Promise<Thumbnail> {
  const queue = new PQueue({ concurrency });
  const cache = new LRUCache<string, Thumbnail>({
    maxSize: cachedBytes,
    sizeCalculation: (made) => 256 + ('jpeg' in made ? made.jpeg.length : made.missing.length),
  });
  return async (place, side) => {
    const name = `${side} ${place.row} ${place.isSource} ${place.file}`;
    const known = cache.get(name);
    if (known) return known;
    try {
      const bytes = await read(place);
      const made =
        bytes === null ? { missing: 'no picture' } : await queue.add(() => thumbnailOf(bytes, side));
      cache.set(name, made);
      return made;
    } catch {
      return {
        missing: place.isSource ? 'the source shard could not be read' : 'the shard could not be read',
      };
    }
  };
}

/** Decodes a picture of an allowed format and encodes it as JPEG, its longer side at most `side`. Never throws. */
export async function thumbnailOf(bytes: Uint8Array, side: number): Promise<Thumbnail> {
  if (bytes.length === 0) return { missing: 'no bytes' };
  if (sniffFormat(bytes) === null) return { missing: 'not a picture format that is shown' };
  try {
    const header = await readHeader(bytes);
    if (header.width * header.height > mostPixels) {
      return { missing: `too large to show: ${header.width} × ${header.height}` };
    }
    const { pixels, width, height } = await decodeRgbWithin(bytes, side, mostPixels);
    const jpeg = await sharp(pixels, { raw: { width, height, channels: 3 } })
      .jpeg({ quality: 84, chromaSubsampling: '4:4:4' })
      .toBuffer();
    return { jpeg };
  } catch {
    return { missing: 'does not decode' };
  }
}
