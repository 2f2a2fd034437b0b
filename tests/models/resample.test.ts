import fc from 'fast-check';
import { afterEach, describe, expect, it, vi } from 'vitest';
import {
  type Grid,
  type Kernel,
  resampleGrid,
  resampleRgb,
  resampleToBytes,
  tapsOf,
} from '../../models/resample.ts';

type Size = { readonly height: number; readonly width: number };

const side = fc.oneof(fc.integer({ min: 1, max: 12 }), fc.integer({ min: 1, max: 90 }));
const size = fc.record({ height: side, width: side });
const kernel = fc.constantFrom<Kernel>('bilinear', 'bicubic');

const bytesOf = (length: number, seed: number) =>
  Uint8Array.from({ length }, (_, i) => ((i + seed) * 2654435761) >>> 24);

/** All rows narrowed, then all columns shortened, floats in between: what a resize means. */
function plainly({ values, height, width, channels }: Grid, to: Size, by: Kernel): Float32Array {
  const across = tapsOf(width, to.width, by);
  const down = tapsOf(height, to.height, by);
  const narrow = new Float32Array(height * to.width * channels);
  const resized = new Float32Array(to.height * to.width * channels);
  for (let i = 0; i < narrow.length; i += 1) {
    const [x, y] = [Math.floor(i / channels) % to.width, Math.floor(i / channels / to.width)];
    let sum = 0;
    for (let k = 0; k < across.width; k += 1) {
      const at = (y * width + (across.first[x] as number) + k) * channels + (i % channels);
      sum += (across.weights[x * across.width + k] as number) * (values[at] as number);
    }
    narrow[i] = sum;
  }
  const line = to.width * channels;
  for (let i = 0; i < resized.length; i += 1) {
    const y = Math.floor(i / line);
    for (let k = 0; k < down.width; k += 1) {
      const term = narrow[((down.first[y] as number) + k) * line + (i % line)] as number;
      resized[i] = (resized[i] as number) + (down.weights[y * down.width + k] as number) * term;
    }
  }
  return resized;
}

const sameBits = (ours: Float32Array | Uint8Array, theirs: ArrayLike<number>) =>
  expect(Buffer.compare(Buffer.from(ours.buffer), Buffer.from(Float32Array.from(theirs).buffer))).toBe(0);

describe('a resize', () => {
  afterEach(() => {
    vi.unstubAllGlobals();
  });

  it('of an image is that of all its rows, then of all its columns, to the bit', () => {
    fc.assert(
      fc.property(size, size, kernel, fc.nat(), (from, to, by, seed) => {
        const pixels = bytesOf(from.height * from.width * 3, seed);
        const grid = { ...from, values: Float32Array.from(pixels), channels: 3 };
        const expected = plainly(grid, to, by);
        const clipped = expected.map((value) => Math.max(-1, Math.min(1, value / 127.5 - 1)));
        sameBits(resampleRgb({ ...from, pixels }, to, by), clipped);
        expect(resampleToBytes({ ...from, pixels }, to, by)).toEqual(
          Uint8Array.from(expected, (value) => Math.max(0, Math.min(255, Math.round(value)))),
        );
      }),
      { numRuns: 400 },
    );
  });

  it('of a grid of vectors is too', () => {
    fc.assert(
      fc.property(
        size,
        size,
        kernel,
        fc.integer({ min: 1, max: 5 }),
        fc.nat(),
        (from, to, by, channels, seed) => {
          const bytes = bytesOf(from.height * from.width * channels, seed);
          const grid = { ...from, channels, values: Float32Array.from(bytes, (byte) => byte / 77 - 1.6) };
          const resized = resampleGrid(grid, to, by);
          expect(resized).toMatchObject({ ...to, channels });
          sameBits(resized.values, plainly(grid, to, by));
        },
      ),
      { numRuns: 400 },
    );
  });

  it.each([
    [
      { height: 40_000, width: 3 },
      { height: 16, width: 20 },
    ],
    [
      { height: 40_000, width: 3 },
      { height: 1, width: 20 },
    ],
  ])('of %j to %j holds no floats but its own and a row', (from, to) => {
    const pixels = bytesOf(from.height * from.width * 3, 1);
    const expected = resampleRgb({ ...from, pixels }, to);
    const lengths: number[] = [];
    const counted = new Proxy(Float32Array, {
      construct(target, [length]: [number]) {
        lengths.push(length);
        return new target(length);
      },
    });
    vi.stubGlobal('Float32Array', counted);
    const resized = resampleRgb({ ...from, pixels }, to);
    vi.unstubAllGlobals();
    expect(resized).toEqual(expected);
    const total = lengths.reduce((sum, length) => sum + length, 0);
    expect(total).toBe((to.height + 1) * to.width * 3);
  });
});
