import sharp, { type OverlayOptions, type Sharp } from 'sharp';
import { createRandom, type Random } from '../../../schemas/random.ts';
import type { Picture, Style } from './art.ts';
import type { PlannedRow } from './plan.ts';

/** A picture's place: pixels of the image, tight around what is visible. */
export interface Placed {
  readonly top: number;
  readonly left: number;
  readonly height: number;
  readonly width: number;
}

/** A drawn row: its encoded image, and where its pictures are. */
export interface Drawing {
  readonly bytes: Buffer;
  readonly width: number;
  readonly height: number;
  readonly placed: readonly Placed[];
}

type PictureOf = (style: Style, code: string) => Promise<Picture>;

/** Draws a planned row: its pictures on a background, then what its defects do to the image. */
export async function drawRow(
  row: PlannedRow,
  pictureOf: PictureOf,
  bomb: () => Promise<Buffer>,
): Promise<Drawing> {
  if (row.defects.includes('empty')) return { bytes: Buffer.alloc(0), width: 0, height: 0, placed: [] };
  if (row.defects.includes('bombs')) {
    return { bytes: await bomb(), width: bombSide, height: bombSide, placed: [] };
  }
  const random = createRandom(row.drawing);
  const drawing = await compose(row, pictureOf, random);
  const own = createRandom(`${row.drawing}:${row.key}`);
  if (row.defects.includes('truncated')) {
    const kept = Math.floor(drawing.bytes.length * (0.2 + 0.6 * own.uniform()));
    return { ...drawing, bytes: drawing.bytes.subarray(0, kept) };
  }
  if (row.defects.includes('tiny')) return resized(drawing, 4 + own.integer(16), 4 + own.integer(16));
  if (row.defects.includes('extremeAspect'))
    return resized(drawing, 300 + own.integer(200), 32 + own.integer(16));
  if (row.defects.includes('nearDuplicates')) return nearCopy(drawing, own);
  return drawing;
}

/** The side of the decompression bomb, in pixels. */
export const bombSide = 12_000;

/** A small file of 144 megapixels. */
export function makeBomb(): Promise<Buffer> {
  return sharp({
    create: { width: bombSide, height: bombSide, channels: 3, background: '#102030' },
    limitInputPixels: false,
  })
    .toColourspace('b-w')
    .png({ compressionLevel: 6 })
    .toBuffer();
}

async function compose(row: PlannedRow, pictureOf: PictureOf, random: Random): Promise<Drawing> {
  const side = row.kind === 'canvas' ? 128 + 16 * random.integer(9) : 64 + 8 * random.integer(13);
  const background = drawBackground(side, random);
  const places =
    row.kind === 'canvas' ? placeMany(row.pictures.length, side, random) : [placeOne(side, random)];
  const placed: Placed[] = [];
  const layers: OverlayOptions[] = [];
  for (const [i, { code, style }] of row.pictures.entries()) {
    const place = places[i];
    if (place === undefined) continue;
    const picture = await pictureOf(style, code);
    const raw = { width: picture.width, height: picture.height, channels: 4 } as const;
    const { data, info } = await sharp(picture.pixels, { raw })
      .resize(place.side, place.side, { fit: 'inside' })
      .raw()
      .toBuffer({ resolveWithObject: true });
    const top = place.top + Math.floor((place.side - info.height) / 2);
    const left = place.left + Math.floor((place.side - info.width) / 2);
    layers.push({ input: data, raw: { width: info.width, height: info.height, channels: 4 }, top, left });
    placed.push({ top, left, height: info.height, width: info.width });
  }
  const image = sharp(background, { raw: { width: side, height: side, channels: 3 } }).composite(layers);
  return { bytes: await encode(image, random), width: side, height: side, placed };
}

function encode(image: Sharp, random: Random): Promise<Buffer> {
  const kind = random.uniform();
  if (kind < 0.5) return image.jpeg({ quality: 75 + random.integer(20) }).toBuffer();
  if (kind < 0.75) return image.webp({ quality: 75 + random.integer(20), effort: 0 }).toBuffer();
  return image.removeAlpha().png({ compressionLevel: 6 }).toBuffer();
}

interface Square {
  readonly top: number;
  readonly left: number;
  readonly side: number;
}

/** One picture, 60% to 95% of the image, a little off the middle. */
function placeOne(side: number, random: Random): Square {
  const size = Math.round(side * (0.6 + 0.35 * random.uniform()));
  const slack = side - size;
  return { top: random.integer(slack + 1), left: random.integer(slack + 1), side: size };
}

/** Squares that don't overlap, drawn one after the other; where one finds no room, all are drawn again, smaller. */
export function placeMany(count: number, side: number, random: Random): Square[] {
  for (let largest = count <= 3 ? 0.5 : 0.38; ; largest = Math.max(smallest, largest * 0.95)) {
    const squares: Square[] = [];
    for (let tries = 0; squares.length < count && tries < 60; tries += 1) {
      const size = Math.round(side * (smallest + (largest - smallest) * random.uniform()));
      const slack = side - size;
      const square = { top: random.integer(slack + 1), left: random.integer(slack + 1), side: size };
      if (squares.every((other) => apart(square, other))) squares.push(square);
    }
    if (squares.length === count) return squares;
  }
}

/** The side of the smallest picture of a canvas, as a fraction of the canvas's. */
const smallest = 0.2;

function apart(a: Square, b: Square): boolean {
  const gap = 2;
  return (
    a.top + a.side + gap <= b.top ||
    b.top + b.side + gap <= a.top ||
    a.left + a.side + gap <= b.left ||
    b.left + b.side + gap <= a.left
  );
}

/** Plain, shaded from top to bottom, or a little noisy; light more often than dark. */
function drawBackground(side: number, random: Random): Buffer {
  const light = random.uniform() < 0.8;
  const channel = () => (light ? 190 + random.integer(66) : 20 + random.integer(80));
  const from = [channel(), channel(), channel()];
  const kind = random.uniform();
  const to = kind < 0.4 ? from : [channel(), channel(), channel()];
  const noise = kind > 0.75 ? 10 : 0;
  const pixels = Buffer.alloc(side * side * 3);
  for (let y = 0, at = 0; y < side; y += 1) {
    const t = y / side;
    for (let x = 0; x < side; x += 1) {
      const grain = noise > 0 ? random.integer(noise) - noise / 2 : 0;
      for (let c = 0; c < 3; c += 1) {
        pixels[at++] = Math.max(0, Math.min(255, (from[c] ?? 0) * (1 - t) + (to[c] ?? 0) * t + grain));
      }
    }
  }
  return pixels;
}

async function resized(drawing: Drawing, width: number, height: number): Promise<Drawing> {
  const bytes = await sharp(drawing.bytes).resize(width, height, { fit: 'fill' }).png().toBuffer();
  const scale = { x: width / drawing.width, y: height / drawing.height };
  const placed = drawing.placed.map((place) => ({
    top: place.top * scale.y,
    left: place.left * scale.x,
    height: place.height * scale.y,
    width: place.width * scale.x,
  }));
  return { bytes, width, height, placed };
}

/** The same picture to a person, other bytes: re-encoded, and resized or shifted. */
async function nearCopy(drawing: Drawing, random: Random): Promise<Drawing> {
  if (random.uniform() < 0.5) {
    const side = Math.round(drawing.width * (0.8 + 0.4 * random.uniform()));
    const copy = await resized(drawing, side, side);
    return { ...copy, bytes: await sharp(copy.bytes).jpeg({ quality: 70 }).toBuffer() };
  }
  const [dx, dy] = [random.integer(4), random.integer(4)];
  const [width, height] = [drawing.width - dx, drawing.height - dy];
  const bytes = await sharp(drawing.bytes)
    .extract({ left: dx, top: dy, width, height })
    .webp({ quality: 80, effort: 0 })
    .toBuffer();
  const placed = drawing.placed.map((place) => ({ ...place, top: place.top - dy, left: place.left - dx }));
  return { bytes, width, height, placed };
}
