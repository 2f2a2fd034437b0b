import sharp from 'sharp';
import { readHeader } from '../../models/image-header.ts';
import { decodeRgbWithin, sniffFormat } from '../../models/images.ts';
import { type Html, html } from './html.ts';

/** A picture decoded and encoded anew, so that nothing of the source's bytes is passed on; or why there is none. */
export type Picture =
  | { readonly uri: string; readonly width: number; readonly height: number }
  | { readonly missing: string };

/** Pixels over which a picture isn't decoded for a page: more than the pipeline keeps by default. */
const mostPixels = 64_000_000;

/** Makes a page's picture of encoded bytes, its longer side at most `side` pixels. Never throws. */
export async function pictureOf(bytes: unknown, side: number): Promise<Picture> {
  if (!(bytes instanceof Uint8Array)) return { missing: 'no picture' };
  if (bytes.length === 0) return { missing: 'no bytes' };
  if (sniffFormat(bytes) === null) return { missing: 'unknown format' };
  try {
    const header = await readHeader(bytes);
    if (header.width * header.height > mostPixels) return { missing: 'too large to show' };
    const { pixels, width, height } = await decodeRgbWithin(bytes, side, mostPixels);
    const encoded = await sharp(pixels, { raw: { width, height, channels: 3 } })
      .jpeg({ quality: 82, chromaSubsampling: '4:4:4' })
      .toBuffer();
    return { uri: `data:image/jpeg;base64,${encoded.toString('base64')}`, width, height };
  } catch {
    return { missing: 'does not decode' };
  }
}

/** A picture in its frame, or a labelled box in its stead. */
export function pictureFrame(picture: Picture, alt: string): Html {
  if ('missing' in picture) return html`<div class="picture none"><span>${picture.missing}</span></div>`;
  const { uri, width, height } = picture;
  return html`<div class="picture"><img src="${uri}" width="${width}" height="${height}" alt="${alt}"></div>`;
}
