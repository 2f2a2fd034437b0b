import type { RgbImage } from '../../models/images.ts';

/** What stands out from an image's background: one byte a pixel, 1 where something is. */
export interface Foreground {
  readonly mask: Uint8Array;
  readonly width: number;
  readonly height: number;
}

/** Pixels of the image's rim that must look like one background for it to count as plain. */
const plainShare = 0.6;
/** The sum of the channels' differences that compression and grain make, at least. */
const leastDifference = 48;
/** And at most: what differs more from its own mean is no plain background. */
const mostDifference = 160;
/** How many deviations of the background's own grain count as the background still. */
const deviations = 4;
/** Rounds of fitting, each without what the one before left far off. */
const rounds = 4;

/**
 * Parts an image from a plain background: each channel's background is a plane over x and y (a colour, or one that
 * shades into another), fitted by least squares to the image's rim, outliers left out round by round, and then with all
 * that looks like it. Null where the rim is of no one background, as in a photograph, or nothing stands out.
 */
export function findForeground(image: RgbImage): Foreground | null {
  const { width, height } = image;
  if (width < 8 || height < 8) return null;
  const rim = rimOf(width, height);
  let plane = fitPlane(image, rim);
  let limit = 0;
  let chosen = rim;
  for (let round = 0; round < rounds; round += 1) {
    const off = differences(image, plane, rim);
    limit = Math.max(leastDifference, deviations * medianOf(off));
    chosen = rim.filter((_, i) => (off[i] ?? 0) <= limit);
    if (chosen.length < rim.length * 0.2) return null;
    plane = fitPlane(image, chosen);
  }
  if (chosen.length < rim.length * plainShare || limit > mostDifference) return null;
  const grid = gridOf(width, height);
  const off = differences(image, plane, grid);
  plane = fitPlane(image, [...chosen, ...grid.filter((_, i) => (off[i] ?? 0) <= limit)]);
  const all = differences(image, plane, null);
  const mask = new Uint8Array(width * height);
  let any = false;
  all.forEach((value, i) => {
    if (value > limit) {
      mask[i] = 1;
      any = true;
    }
  });
  return any ? { mask, width, height } : null;
}

/** Three channels' planes: a + b x + c y. */
type Plane = readonly (readonly [a: number, b: number, c: number])[];

/** The pixels of the image's rim, two deep. */
function rimOf(width: number, height: number): number[] {
  const pixels: number[] = [];
  for (let y = 0; y < height; y += 1) {
    for (let x = 0; x < width; x += 1) {
      if (x < 2 || y < 2 || x >= width - 2 || y >= height - 2) pixels.push(y * width + x);
    }
  }
  return pixels;
}

function gridOf(width: number, height: number): number[] {
  const pixels: number[] = [];
  for (let y = 0; y < height; y += 3) for (let x = 0; x < width; x += 3) pixels.push(y * width + x);
  return pixels;
}

/** Least squares over some pixels; falls back to the mean where they lie on a line. */
function fitPlane({ pixels, width }: RgbImage, chosen: readonly number[]): Plane {
  let [n, sx, sy, sxx, sxy, syy] = [0, 0, 0, 0, 0, 0];
  const sums = [0, 1, 2].map(() => ({ v: 0, xv: 0, yv: 0 }));
  for (const at of chosen) {
    const [x, y] = [at % width, Math.floor(at / width)];
    n += 1;
    sx += x;
    sy += y;
    sxx += x * x;
    sxy += x * y;
    syy += y * y;
    sums.forEach((sum, c) => {
      const v = pixels[at * 3 + c] ?? 0;
      sum.v += v;
      sum.xv += x * v;
      sum.yv += y * v;
    });
  }
  const [cxx, cxy, cyy] = [sxx - (sx * sx) / n, sxy - (sx * sy) / n, syy - (sy * sy) / n];
  const determinant = cxx * cyy - cxy * cxy;
  return sums.map(({ v, xv, yv }) => {
    const [cxv, cyv] = [xv - (sx * v) / n, yv - (sy * v) / n];
    const flat = Math.abs(determinant) < 1e-6;
    const b = flat ? 0 : (cxv * cyy - cyv * cxy) / determinant;
    const c = flat ? 0 : (cyv * cxx - cxv * cxy) / determinant;
    return [(v - b * sx - c * sy) / n, b, c] as const;
  });
}

/** How far pixels are from the background: the sum of the channels' differences. All pixels where none are chosen. */
function differences({ pixels, width, height }: RgbImage, plane: Plane, chosen: readonly number[] | null) {
  const count = chosen?.length ?? width * height;
  const off = new Float32Array(count);
  for (let i = 0; i < count; i += 1) {
    const at = chosen?.[i] ?? i;
    const [x, y] = [at % width, Math.floor(at / width)];
    let sum = 0;
    for (let channel = 0; channel < 3; channel += 1) {
      const [a, b, c] = plane[channel] ?? [0, 0, 0];
      sum += Math.abs((pixels[at * 3 + channel] ?? 0) - (a + b * x + c * y));
    }
    off[i] = sum;
  }
  return off;
}

function medianOf(values: Float32Array): number {
  const sorted = values.toSorted();
  return sorted[Math.floor(sorted.length / 2)] ?? 0;
}
