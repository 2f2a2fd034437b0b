import type { RgbImage } from '../images.ts';
import { type Coverage, coverage, shrink } from './shrink.ts';

/** The crops that a fingerprint describes: the whole image first, then a sliver off each side and each corner. */
export const cropCount = 9;
/** Bits of a hash. */
export const hashBits = 64;
/** Bytes of a crop's colours: 4 x 4 cells of Y, Cb and Cr. */
export const colourBytes = 48;

/** What an image looks like, for finding its near duplicates. */
export interface Fingerprint {
  /** `[crops]`: a hash of each crop, its 64 bits as a signed integer. */
  readonly hashes: BigInt64Array;
  /** `[crops, 4, 4, 3]`: each crop's mean Y, Cb and Cr (BT.601) of 4 x 4 cells, 0 to 255. */
  readonly colours: Uint8Array;
  /** How many of the hash's frequencies are in the image at all, of {@link hashBits}: few where it is plain. */
  readonly detail: number;
}

/** The side that images are shrunk to before anything is measured: a multiple of 4. */
const grid = 24;
/** What a crop leaves out at a side: with it, a copy that lost up to 5% there is near one of the crops. */
const sliver = 0.025;
const cells = 4;
/** Frequencies u + v of the cosine transform go up to this: 65 of them beside the mean, of which 64 make bits. */
const highest = 10;
/**
 * A frequency's amplitude, in grey levels, over which its bit is set. Not 0: half of the frequencies of a symmetric
 * picture are 0 but for noise, and would make bits of noise.
 */
const leastAmplitude = 0.25;
/** Bit i belongs to frequency i x 37 mod 64, so that any run of bits has high and low frequencies. */
const stride = 37;

/** The windows of an axis: whole, without its start, without its end. */
const windows: readonly (readonly [from: number, to: number])[] = [
  [0, 1],
  [sliver, 1],
  [0, 1 - sliver],
];
const frequencies = lowFrequencies();
const basis = windows.map(([from, to]) => cosines(coverage(grid, grid, from * grid, to * grid)));
const cellsOf = windows.map(([from, to]) => coverage(cells, grid, from * grid, to * grid));

/**
 * Describes an image by its low frequencies and its colours, for the whole of it and for 8 crops.
 *
 * The hash is that of Zauner, "Implementation and Benchmarking of Perceptual Image Hash Functions" (2010, section
 * 3.2), the low frequencies of a discrete cosine transform of the luma, with three changes: it is taken at 24 x 24 and
 * not 32 x 32, frequencies are chosen by u + v and not from a square, and a bit is set over a small amplitude and not
 * over the median.
 */
export function fingerprint(image: RgbImage): Fingerprint {
  const small = shrink(image, grid);
  const luma = new Float64Array(grid * grid);
  for (let i = 0; i < luma.length; i += 1) luma[i] = lumaOf(small, i * 3);
  const halves = new Uint32Array(2 * cropCount);
  const colours = new Uint8Array(cropCount * colourBytes);
  const amplitudes = new Float64Array(hashBits);
  let detail = 0;
  for (const [column, across] of basis.entries()) {
    const rows = transformRows(luma, across);
    const strips = meanColumns(small, cellsOf[column] as Coverage);
    for (const [row, down] of basis.entries()) {
      const crop = row * windows.length + column;
      transformColumns(rows, down, amplitudes);
      setBits(amplitudes, halves, crop);
      if (crop === 0) detail = countPresent(amplitudes);
      meanRows(strips, cellsOf[row] as Coverage, colours, crop * colourBytes);
    }
  }
  return { hashes: new BigInt64Array(halves.buffer), colours, detail };
}

/**
 * How far two crops' colours are apart: the root mean square of the differences of their {@link colourBytes} bytes,
 * in grey levels. `a` and `b` start at the given offsets.
 */
export function colourDistance(a: Uint8Array, aOffset: number, b: Uint8Array, bOffset: number): number {
  let sum = 0;
  for (let i = 0; i < colourBytes; i += 1) {
    const difference = (a[aOffset + i] ?? 0) - (b[bOffset + i] ?? 0);
    sum += difference * difference;
  }
  return Math.sqrt(sum / colourBytes);
}

function lumaOf(rgb: Float64Array, at: number): number {
  return 0.299 * (rgb[at] ?? 0) + 0.587 * (rgb[at + 1] ?? 0) + 0.114 * (rgb[at + 2] ?? 0);
}

/** The 64 frequencies (u, v) with the smallest u + v, the mean (0, 0) left out. */
function lowFrequencies(): { readonly u: Uint8Array; readonly v: Uint8Array } {
  const found = { u: new Uint8Array(hashBits), v: new Uint8Array(hashBits) };
  for (let sum = 1, i = 0; i < hashBits; sum += 1) {
    for (let u = 0; u <= sum && i < hashBits; u += 1, i += 1) {
      found.u[i] = u;
      found.v[i] = sum - u;
    }
  }
  return found;
}

/** `[highest + 1, grid]`: the orthonormal cosine transform of a window, resampled to the grid, over the grid's cells. */
function cosines(window: Coverage): Float64Array {
  const matrix = new Float64Array((highest + 1) * grid);
  for (let u = 0; u <= highest; u += 1) {
    const scale = (u === 0 ? 1 : Math.SQRT2) / grid;
    for (let x = 0; x < grid; x += 1) {
      const wave = scale * Math.cos((Math.PI * u * (x + 0.5)) / grid);
      for (let k = window.starts[x] ?? 0; k < (window.starts[x + 1] ?? 0); k += 1) {
        const at = u * grid + (window.indices[k] ?? 0);
        matrix[at] = (matrix[at] ?? 0) + wave * (window.weights[k] ?? 0);
      }
    }
  }
  return matrix;
}

/** `[highest + 1, grid]`: frequency u of each row. */
function transformRows(luma: Float64Array, across: Float64Array): Float64Array {
  const rows = new Float64Array((highest + 1) * grid);
  for (let u = 0; u <= highest; u += 1) {
    for (let y = 0; y < grid; y += 1) rows[u * grid + y] = dot(across, u * grid, luma, y * grid);
  }
  return rows;
}

function transformColumns(rows: Float64Array, down: Float64Array, amplitudes: Float64Array): void {
  for (let i = 0; i < hashBits; i += 1) {
    const u = frequencies.u[i] ?? 0;
    const v = frequencies.v[i] ?? 0;
    amplitudes[i] = dot(down, v * grid, rows, u * grid);
  }
}

/** The dot product of {@link grid} numbers from the offsets on: four sums at a time, which wait for no other. */
function dot(a: Float64Array, aOffset: number, b: Float64Array, bOffset: number): number {
  let s0 = 0;
  let s1 = 0;
  let s2 = 0;
  let s3 = 0;
  for (let i = aOffset, j = bOffset; i < aOffset + grid; i += 4, j += 4) {
    s0 += (a[i] ?? 0) * (b[j] ?? 0);
    s1 += (a[i + 1] ?? 0) * (b[j + 1] ?? 0);
    s2 += (a[i + 2] ?? 0) * (b[j + 2] ?? 0);
    s3 += (a[i + 3] ?? 0) * (b[j + 3] ?? 0);
  }
  return s0 + s1 + (s2 + s3);
}

function setBits(amplitudes: Float64Array, halves: Uint32Array, crop: number): void {
  for (let bit = 0; bit < hashBits; bit += 1) {
    if ((amplitudes[(bit * stride) % hashBits] ?? 0) <= leastAmplitude) continue;
    const at = crop * 2 + (bit >> 5);
    halves[at] = (halves[at] ?? 0) | (1 << (bit & 31));
  }
}

function countPresent(amplitudes: Float64Array): number {
  let present = 0;
  for (const amplitude of amplitudes) if (Math.abs(amplitude) > leastAmplitude) present += 1;
  return present;
}

/** `[grid, 4, 3]`: the mean colours of a window's 4 columns of cells, row by row. */
function meanColumns(rgb: Float64Array, window: Coverage): Float64Array {
  const strips = new Float64Array(grid * cells * 3);
  for (let cell = 0; cell < cells; cell += 1) {
    for (let k = window.starts[cell] ?? 0; k < (window.starts[cell + 1] ?? 0); k += 1) {
      const weight = window.weights[k] ?? 0;
      let from = (window.indices[k] ?? 0) * 3;
      let to = cell * 3;
      for (let y = 0; y < grid; y += 1, from += grid * 3, to += cells * 3) {
        strips[to] = (strips[to] ?? 0) + weight * (rgb[from] ?? 0);
        strips[to + 1] = (strips[to + 1] ?? 0) + weight * (rgb[from + 1] ?? 0);
        strips[to + 2] = (strips[to + 2] ?? 0) + weight * (rgb[from + 2] ?? 0);
      }
    }
  }
  return strips;
}

function meanRows(strips: Float64Array, window: Coverage, colours: Uint8Array, offset: number): void {
  const mean = new Float64Array(3);
  for (let row = 0; row < cells; row += 1) {
    for (let cell = 0; cell < cells; cell += 1) {
      mean.fill(0);
      for (let k = window.starts[row] ?? 0; k < (window.starts[row + 1] ?? 0); k += 1) {
        const from = ((window.indices[k] ?? 0) * cells + cell) * 3;
        const weight = window.weights[k] ?? 0;
        for (let c = 0; c < 3; c += 1) mean[c] = (mean[c] ?? 0) + weight * (strips[from + c] ?? 0);
      }
      const luma = lumaOf(mean, 0);
      const at = offset + (row * cells + cell) * 3;
      colours[at] = Math.round(luma);
      colours[at + 1] = Math.min(255, Math.round(128 + 0.564 * ((mean[2] ?? 0) - luma)));
      colours[at + 2] = Math.min(255, Math.round(128 + 0.713 * ((mean[0] ?? 0) - luma)));
    }
  }
}
