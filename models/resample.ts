import type { RgbImage } from './images.ts';

/** How what lies under a new sample is weighed. */
export type Kernel = 'bilinear' | 'bicubic';

/** For each new sample the first old one that it takes, and the weights of that one and those after it. */
export interface Taps {
  /** [to]. */
  readonly first: Int32Array;
  /** [to, width], zeros after the last that counts. */
  readonly weights: Float64Array;
  readonly width: number;
}

/** A grid of vectors in rows: [height, width, channels]. */
export interface Grid {
  readonly values: Float32Array;
  readonly height: number;
  readonly width: number;
  readonly channels: number;
}

const kernels: Readonly<Record<Kernel, { readonly support: number; at(x: number): number }>> = {
  bilinear: { support: 1, at: (x) => Math.max(0, 1 - Math.abs(x)) },
  // Keys' cubic with a = -1/2, Pillow's and JAX's.
  bicubic: {
    support: 2,
    at(x) {
      const t = Math.abs(x);
      if (t < 1) return (1.5 * t - 2.5) * t * t + 1;
      return t < 2 ? ((-0.5 * t + 2.5) * t - 4) * t + 2 : 0;
    },
  },
};

/**
 * The weights of an antialiased resize of one axis: pixels' centres at halves, the kernel widened by the factor where
 * the axis shrinks, the weights of each new sample adding up to 1 also at the edges (`jax.image.resize`, Pillow).
 * Throws when a length isn't a whole number over 0.
 */
export function tapsOf(from: number, to: number, kernel: Kernel = 'bilinear'): Taps {
  for (const length of [from, to]) {
    if (!Number.isInteger(length) || length < 1) throw new Error(`an axis can't be ${length} long`);
  }
  const { support, at } = kernels[kernel];
  const step = from / to;
  const widening = Math.max(1, step);
  const reach = support * widening;
  const width = Math.min(from, Math.ceil(2 * reach) + 1);
  const first = new Int32Array(to);
  const weights = new Float64Array(to * width);
  for (let i = 0; i < to; i += 1) {
    const centre = (i + 0.5) * step;
    const start = Math.max(0, Math.min(from - width, Math.ceil(centre - reach - 0.5)));
    first[i] = start;
    let sum = 0;
    for (let k = 0; k < width; k += 1) {
      const weight = at((start + k + 0.5 - centre) / widening);
      weights[i * width + k] = weight;
      sum += weight;
    }
    for (let k = 0; k < width; k += 1) weights[i * width + k] = (weights[i * width + k] as number) / sum;
  }
  return { first, weights, width };
}

/**
 * Resizes an image to floats in [-1, 1], antialiased, without rounding in between: [height, width, 3]. Cubic overshoots
 * are cut off, as they are where pixels are bytes.
 */
export function resampleRgb(
  image: RgbImage,
  size: { readonly height: number; readonly width: number },
  kernel: Kernel = 'bilinear',
): Float32Array {
  const { values } = resampleValues(gridOf(image), size, kernel);
  for (let i = 0; i < values.length; i += 1) {
    values[i] = Math.max(-1, Math.min(1, (values[i] as number) / 127.5 - 1));
  }
  return values;
}

/** Resizes an image to bytes, antialiased and rounded once: [height, width, 3]. */
export function resampleToBytes(
  image: RgbImage,
  size: { readonly height: number; readonly width: number },
  kernel: Kernel = 'bilinear',
): Uint8Array {
  const { values } = resampleValues(gridOf(image), size, kernel);
  const bytes = new Uint8Array(values.length);
  for (let i = 0; i < values.length; i += 1) {
    bytes[i] = Math.max(0, Math.min(255, Math.round(values[i] as number)));
  }
  return bytes;
}

const gridOf = ({ pixels, height, width }: RgbImage): Source => ({
  values: pixels,
  height,
  width,
  channels: 3,
});

/** Resizes a grid of vectors, such as position embeddings, antialiased. */
export function resampleGrid(
  grid: Grid,
  size: { readonly height: number; readonly width: number },
  kernel: Kernel = 'bilinear',
): Grid {
  return resampleValues(grid, size, kernel);
}

type Source = Omit<Grid, 'values'> & { readonly values: Float32Array | Uint8Array };

/**
 * Takes the rows one by one: each is narrowed and added to every new row under whose kernel it lies. So only one
 * narrowed row is held however high the source is, and a new row's terms still add up from its first to its last.
 */
function resampleValues(
  source: Source,
  { height, width }: { readonly height: number; readonly width: number },
  kernel: Kernel,
): Grid {
  const { channels } = source;
  const across = tapsOf(source.width, width, kernel);
  const down = tapsOf(source.height, height, kernel);
  const narrow = new Float32Array(width * channels);
  const values = new Float32Array(height * width * channels);
  const narrowRow = channels === 3 ? narrowRowRgb : narrowRowOf;
  const counts = countsOf(across);
  let done = 0;
  for (let row = 0; row < source.height; row += 1) {
    narrowRow(source, row, across, narrow, counts);
    while (done < height && (down.first[done] as number) + down.width <= row) done += 1;
    for (let y = done; y < height; y += 1) {
      const tap = row - (down.first[y] as number);
      if (tap < 0) break;
      const weight = down.weights[y * down.width + tap] as number;
      if (weight !== 0) addRow(narrow, weight, values, y * narrow.length);
    }
  }
  return { values, height, width, channels };
}

/** Adds a weighed row to the values from `at` on. */
function addRow(row: Float32Array, weight: number, values: Float32Array, at: number): void {
  for (let i = 0; i < row.length; i += 1) {
    values[at + i] = (values[at + i] as number) + weight * (row[i] as number);
  }
}

/** How many of each new sample's taps there are before the zeros at their end: [to]. */
function countsOf({ first, weights, width }: Taps): Int32Array {
  return first.map((_, x) => {
    let count = width;
    while (count > 1 && weights[x * width + count - 1] === 0) count -= 1;
    return count;
  });
}

/** Writes a row of a grid at its new width to `narrow`, [width, channels]. */
function narrowRowOf(
  { values, width: from, channels }: Source,
  row: number,
  taps: Taps,
  narrow: Float32Array,
): void {
  for (let x = 0; x < taps.first.length; x += 1) {
    const at = (row * from + (taps.first[x] as number)) * channels;
    for (let c = 0; c < channels; c += 1) {
      let sum = 0;
      for (let k = 0; k < taps.width; k += 1) {
        sum += (taps.weights[x * taps.width + k] as number) * (values[at + k * channels + c] as number);
      }
      narrow[x * channels + c] = sum;
    }
  }
}

/** {@link narrowRowOf} three channels, to the same bits: each weight is read once, zeros at the end are passed over. */
function narrowRowRgb(
  { values, width: from }: Source,
  row: number,
  taps: Taps,
  narrow: Float32Array,
  counts: Int32Array,
): void {
  for (let x = 0; x < taps.first.length; x += 1) {
    let at = (row * from + (taps.first[x] as number)) * 3;
    const end = x * taps.width + (counts[x] as number);
    let red = 0;
    let green = 0;
    let blue = 0;
    for (let k = x * taps.width; k < end; k += 1) {
      const weight = taps.weights[k] as number;
      red += weight * (values[at] as number);
      green += weight * (values[at + 1] as number);
      blue += weight * (values[at + 2] as number);
      at += 3;
    }
    narrow[x * 3] = red;
    narrow[x * 3 + 1] = green;
    narrow[x * 3 + 2] = blue;
  }
}
