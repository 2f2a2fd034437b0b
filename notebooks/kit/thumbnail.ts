import sharp from 'sharp';

/** The longer side of a picture on a page, in pixels. */
const side = 128;

/**
 * An image's bytes as a small picture that a page holds itself: a `data:` URL of WebP, of its first frame. Null for
 * what isn't bytes or can't be decoded. It is drawn anew, so nothing of the file but its pixels comes to the page.
 */
export async function thumbnail(bytes: unknown): Promise<string | null> {
  if (!(bytes instanceof Uint8Array)) return null;
  try {
    const { format } = await sharp(bytes).metadata();
    // Of what sharp reads, the rest can hold references or be slow to draw.
    if (!['jpeg', 'png', 'webp', 'gif'].includes(format)) return null;
    const small = await sharp(bytes)
      .rotate()
      .resize(side, side, { fit: 'inside', withoutEnlargement: true })
      .webp({ quality: 80 })
      .toBuffer();
    return `data:image/webp;base64,${small.toString('base64')}`;
  } catch {
    return null;
  }
}
