import { readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import sharp from 'sharp';
import { UsageError } from '../../errors.ts';

/** The styles of art; one at least is held out of training for evaluation. */
export const styles = ['noto', 'twemoji', 'fluent', 'openmoji'] as const;

/** One of the styles of art. */
export type Style = (typeof styles)[number];

const sources: Record<Style, { readonly name: string; readonly folder: string; readonly ending: string }> = {
  noto: { name: 'emoji-datasource-google', folder: 'img/google/64', ending: '.png' },
  twemoji: { name: '@twemoji/svg', folder: '.', ending: '.svg' },
  fluent: { name: '@lobehub/fluent-emoji-3d', folder: 'assets', ending: '.webp' },
  openmoji: { name: 'openmoji', folder: 'color/svg', ending: '.svg' },
};

const require = createRequire(import.meta.url);

/** The folder of an installed package. Throws a {@link UsageError} that says how to get one that is missing. */
export function packageFolder(name: string): string {
  try {
    return dirname(require.resolve(`${name}/package.json`));
  } catch {
    throw new UsageError(`sources: the package ${name} is not installed: run npm ci in a checkout`);
  }
}

/** An emoji's code points as art is filed: lower-case hexadecimal, the variation selector left out. */
export function codeOf(emoji: string): string {
  return Array.from(emoji, (character) => (character.codePointAt(0) ?? 0).toString(16))
    .filter((code) => code !== 'fe0f')
    .join('-');
}

/** Each style's files by code. */
export function listArt(): Record<Style, ReadonlyMap<string, string>> {
  const list = (style: Style) => {
    const { name, folder, ending } = sources[style];
    const path = join(packageFolder(name), folder);
    const files = readdirSync(path).filter((file) => file.endsWith(ending));
    const codeFrom = (file: string) =>
      file
        .slice(0, -ending.length)
        .toLowerCase()
        .split('-')
        .filter((code) => code !== 'fe0f')
        .map((code) => code.replace(/^0+/, ''))
        .join('-');
    return new Map(files.map((file) => [codeFrom(file), join(path, file)]));
  };
  return { noto: list('noto'), twemoji: list('twemoji'), fluent: list('fluent'), openmoji: list('openmoji') };
}

/** A picture without its transparent border: RGBA. */
export interface Picture {
  readonly pixels: Buffer;
  readonly width: number;
  readonly height: number;
}

const rasterSide = 112;
/** Twemoji's and OpenMoji's drawings are 36 and 72 units wide: at this density they are rasterised near the side. */
const svgDensity = 110;
const mostHeld = 1500;

/** Rasterises art once, trims it to what is visible, and holds a bounded number of pictures. */
export function createArtist(): (path: string) => Promise<Picture> {
  const held = new Map<string, Promise<Picture>>();
  return (path) => {
    const known = held.get(path);
    if (known) return known;
    const made = rasterize(path);
    held.set(path, made);
    for (const oldest of held.keys()) {
      if (held.size <= mostHeld) break;
      held.delete(oldest);
    }
    return made;
  };
}

async function rasterize(path: string): Promise<Picture> {
  const { data, info } = await sharp(path, { density: svgDensity })
    .resize(rasterSide, rasterSide, { fit: 'inside', kernel: 'cubic' })
    .ensureAlpha()
    .raw()
    .toBuffer({ resolveWithObject: true });
  return cropToVisible({ pixels: data, width: info.width, height: info.height });
}

/** Alpha under this is not seen. */
const faint = 8;

/** The picture without the rows and columns in which nothing is visible; a picture of nothing stays whole. */
export function cropToVisible(picture: Picture): Picture {
  const { pixels, width, height } = picture;
  let [top, left, bottom, right] = [height, width, 0, 0];
  for (let y = 0; y < height; y += 1) {
    for (let x = 0; x < width; x += 1) {
      if ((pixels[(y * width + x) * 4 + 3] ?? 0) < faint) continue;
      top = Math.min(top, y);
      bottom = y + 1;
      left = Math.min(left, x);
      right = Math.max(right, x + 1);
    }
  }
  if (bottom <= top) return picture;
  const cropped = Buffer.alloc((bottom - top) * (right - left) * 4);
  for (let y = top; y < bottom; y += 1) {
    const from = (y * width + left) * 4;
    pixels.copy(cropped, (y - top) * (right - left) * 4, from, from + (right - left) * 4);
  }
  return { pixels: cropped, width: right - left, height: bottom - top };
}
