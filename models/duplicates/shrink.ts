import type { RgbImage } from '../images.ts';

/** Which source cells each target cell covers, and how much: sparse rows that sum to 1. */
export interface Coverage {
  /** `[targets + 1]`: where each target's entries start. */
  readonly starts: Int32Array;
  /** The source cell of each entry. */
  readonly indices: Int32Array;
  /** The share of the target that the source cell makes up. */
  readonly weights: Float64Array;
}

/** Lays `targets` equal cells over the stretch from `from` to `to` of a line of `sources` cells of length 1. */
export function coverage(targets: number, sources: number, from: number, to: number): Coverage {
  const starts = new Int32Array(targets + 1);
  const indices: number[] = [];
  const weights: number[] = [];
  const step = (to - from) / targets;
  for (let target = 0; target < targets; target += 1) {
    const start = from + target * step;
    const end = start + step;
    for (let i = Math.floor(start); i < sources && i < end; i += 1) {
      const share = (Math.min(end, i + 1) - Math.max(start, i)) / step;
      // Where two cells meet, rounding leaves slivers.
      if (share < 1e-9) continue;
      indices.push(i);
      weights.push(share);
    }
    starts[target + 1] = indices.length;
  }
  return { starts, indices: Int32Array.from(indices), weights: Float64Array.from(weights) };
}

const known = new Map<number, Coverage>();

function wholeLine(targets: number, sources: number): Coverage {
  const name = targets * 65_536 + sources;
  let found = known.get(name);
  if (found === undefined) {
    found = coverage(targets, sources, 0, sources);
    known.set(name, found);
  }
  return found;
}

/** Resizes an image to side x side, each target pixel the mean of what it covers: `[side, side, 3]`, 0 to 255. */
export function shrink(image: RgbImage, side: number): Float64Array {
  const { pixels, width, height } = image;
  const across = wholeLine(side, width);
  const down = wholeLine(side, height);
  const narrow = new Float64Array(height * side * 3);
  for (let y = 0; y < height; y += 1) {
    for (let x = 0; x < side; x += 1) {
      const to = (y * side + x) * 3;
      let red = 0;
      let green = 0;
      let blue = 0;
      const end = across.starts[x + 1] ?? 0;
      for (let k = across.starts[x] ?? 0; k < end; k += 1) {
        const from = (y * width + (across.indices[k] ?? 0)) * 3;
        const weight = across.weights[k] ?? 0;
        red += weight * (pixels[from] ?? 0);
        green += weight * (pixels[from + 1] ?? 0);
        blue += weight * (pixels[from + 2] ?? 0);
      }
      narrow[to] = red;
      narrow[to + 1] = green;
      narrow[to + 2] = blue;
    }
  }
  const small = new Float64Array(side * side * 3);
  const stripe = side * 3;
  for (let y = 0; y < side; y += 1) {
    for (let k = down.starts[y] ?? 0; k < (down.starts[y + 1] ?? 0); k += 1) {
      const from = (down.indices[k] ?? 0) * stripe;
      const weight = down.weights[k] ?? 0;
      for (let i = 0; i < stripe; i += 1) {
        small[y * stripe + i] = (small[y * stripe + i] ?? 0) + weight * (narrow[from + i] ?? 0);
      }
    }
  }
  return small;
}
