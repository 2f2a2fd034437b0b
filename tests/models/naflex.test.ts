import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { coordinatesOf, emptyPatches, type PatchBatch, writePatches } from '../../models/naflex/patchify.ts';
import { positionWeights } from '../../models/naflex/position-weights.ts';
import { drawSequenceLength, naflexSequenceLengths } from '../../models/naflex/sequence-lengths.ts';
import { targetSize } from '../../models/naflex/target-size.ts';
import { resampleGrid, resampleRgb, tapsOf } from '../../models/resample.ts';

const side = fc.integer({ min: 1, max: 3000 });
const patch = fc.integer({ min: 1, max: 32 });
const length = fc.constantFrom(1, 4, 16, ...naflexSequenceLengths);

describe('the size of a NaFlex image', () => {
  it.each([
    [
      [16, 16],
      [16, 16],
    ],
    [
      [100, 100],
      [16, 16],
    ],
    [
      [1080, 1920],
      [12, 21],
    ],
    [
      [1920, 1080],
      [21, 12],
    ],
    [
      [2160, 4096],
      [12, 21],
    ],
    [
      [1024, 1],
      [256, 1],
    ],
    [
      [3, 39],
      [4, 52],
    ],
    [
      [600, 900],
      [13, 19],
    ],
    [
      [1280, 360],
      [29, 8],
    ],
  ])(
    'is that of the published processor: %j at 256 patches of 16 is %j',
    ([height = 0, width = 0], [rows, columns]) => {
      const size = targetSize({ height, width }, 16, 256);
      expect([size.height / 16, size.width / 16]).toEqual([rows, columns]);
    },
  );

  it('is whole patches, as many as fit, of the shape of the image', () => {
    fc.assert(
      fc.property(side, side, patch, length, (height, width, p, most) => {
        const size = targetSize({ height, width }, p, most);
        const [rows, columns] = [size.height / p, size.width / p];
        expect(Number.isInteger(rows) && Number.isInteger(columns)).toBe(true);
        expect(rows * columns).toBeLessThanOrEqual(most);
        // A ratio a little larger no longer fits, or is beyond the search.
        const ratios = plainRatio(height, width, p, most);
        expect([rows, columns]).toEqual([
          Math.max(1, Math.ceil((height * ratios.low) / p)),
          Math.max(1, Math.ceil((width * ratios.low) / p)),
        ]);
        const more =
          Math.max(1, Math.ceil((height * ratios.high) / p)) *
          Math.max(1, Math.ceil((width * ratios.high) / p));
        expect(more > most || ratios.high === 100).toBe(true);
        expect(ratios.high - ratios.low).toBeLessThan(1e-5);
      }),
    );
  });

  it('refuses what is no size', () => {
    expect(() => targetSize({ height: 0, width: 3 }, 16, 256)).toThrow(/3 x 0/);
    expect(() => targetSize({ height: 3, width: 3 }, 16, 0.5)).toThrow(/0.5 patches/);
  });
});

/** The search as the paper's code has it, with the bounds kept. */
function plainRatio(height: number, width: number, p: number, most: number) {
  let interval = { low: 1e-6, high: 100 };
  const cells = (pixels: number, ratio: number) => Math.max(p, p * Math.ceil((pixels * ratio) / p)) / p;
  do {
    const middle = (interval.low + interval.high) / 2;
    const fits = cells(height, middle) * cells(width, middle) <= most;
    interval = fits ? { ...interval, low: middle } : { ...interval, high: middle };
  } while (interval.high - interval.low >= 1e-5);
  return interval;
}

/** An antialiased bilinear sample by its definition: every source pixel, weighed by a triangle as wide as the step. */
function plainSample(values: readonly number[], to: number, at: number): number {
  const step = values.length / to;
  const reach = Math.max(1, step);
  let [sum, total] = [0, 0];
  values.forEach((value, j) => {
    const weight = Math.max(0, 1 - Math.abs((j + 0.5 - (at + 0.5) * step) / reach));
    sum += weight * value;
    total += weight;
  });
  return sum / total;
}

describe('the antialiased resize', () => {
  it('is the weighted mean of its definition, along each axis', () => {
    fc.assert(
      fc.property(
        fc.array(fc.double({ min: -1, max: 1, noNaN: true }), { minLength: 1, maxLength: 40 }),
        fc.integer({ min: 1, max: 40 }),
        (values, to) => {
          const { first, weights, width } = tapsOf(values.length, to);
          for (let i = 0; i < to; i += 1) {
            let sum = 0;
            for (let k = 0; k < width; k += 1) {
              sum += (weights[i * width + k] as number) * (values[(first[i] as number) + k] as number);
            }
            expect(sum).toBeCloseTo(plainSample(values, to, i), 10);
          }
        },
      ),
    );
  });

  it.each(['bilinear', 'bicubic'] as const)(
    '%s leaves a size as it is, and one colour one colour',
    (kernel) => {
      const pixels = Uint8Array.from({ length: 5 * 7 * 3 }, (_, i) => (i * 37) % 256);
      const same = resampleRgb({ pixels, width: 7, height: 5 }, { width: 7, height: 5 }, kernel);
      same.forEach((value, i) => {
        expect(value).toBeCloseTo((pixels[i] as number) / 127.5 - 1, 6);
      });
      const flat = { pixels: new Uint8Array(5 * 7 * 3).fill(51), width: 7, height: 5 };
      for (const size of [
        { width: 3, height: 2 },
        { width: 20, height: 31 },
      ]) {
        for (const value of resampleRgb(flat, size, kernel)) expect(value).toBeCloseTo(-0.6, 6);
      }
    },
  );
});

const image = fc
  .record({ width: fc.integer({ min: 1, max: 24 }), height: fc.integer({ min: 1, max: 24 }), seed: fc.nat() })
  .map(({ width, height, seed }) => ({
    width,
    height,
    pixels: Uint8Array.from({ length: width * height * 3 }, (_, i) => ((i + seed) * 2654435761) >>> 24),
  }));

function batchOf(images: readonly Parameters<typeof writePatches>[2][], p: number, n: number): PatchBatch {
  const options = { patchSize: p, sequenceLength: n };
  const batch = emptyPatches(images.length, options);
  images.forEach((one, row) => {
    writePatches(batch, row, one, options);
  });
  return batch;
}

describe('the patches of a NaFlex image', () => {
  it('are the resized image, cut in reading order, then pads', () => {
    fc.assert(
      fc.property(
        fc.array(image, { minLength: 1, maxLength: 3 }),
        fc.constantFrom(1, 2, 4),
        fc.integer({ min: 1, max: 20 }),
        (images, p, n) => {
          const batch = batchOf(images, p, n);
          const { rows, columns } = coordinatesOf(batch);
          images.forEach((one, b) => {
            const size = targetSize(one, p, n);
            const used = (size.height / p) * (size.width / p);
            expect([...batch.shapes.slice(b * 2, b * 2 + 2)]).toEqual([size.height / p, size.width / p]);
            for (let i = 0; i < n; i += 1) {
              const at = b * n + i;
              expect(batch.mask[at]).toBe(Number(i < used));
              expect([rows[at], columns[at]]).toEqual(
                i < used ? [Math.floor(i / (size.width / p)), i % (size.width / p)] : [0, 0],
              );
              for (let k = 0; k < p * p * 3; k += 1) {
                const y = (rows[at] as number) * p + Math.floor(k / (p * 3));
                const x = (columns[at] as number) * p + (Math.floor(k / 3) % p);
                const expected = i < used ? plainPixel(one, size, y, x, k % 3) : 0;
                expect(batch.patches[at * p * p * 3 + k]).toBeCloseTo(expected, 5);
              }
            }
          });
        },
      ),
      { numRuns: 40 },
    );
  });
});

/** One value of a resized image, in [-1, 1]. */
function plainPixel(
  { pixels, width, height }: Parameters<typeof writePatches>[2],
  size: { readonly height: number; readonly width: number },
  y: number,
  x: number,
  channel: number,
): number {
  const lines = Array.from({ length: height }, (_, row) => {
    const line = Array.from(
      { length: width },
      (_, column) => pixels[(row * width + column) * 3 + channel] as number,
    );
    return plainSample(line, size.width, x);
  });
  return plainSample(lines, size.height, y) / 127.5 - 1;
}

describe('position embeddings', () => {
  it('are resized to each grid as a picture would be', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 6 }),
        fc.array(fc.tuple(fc.integer({ min: 1, max: 8 }), fc.integer({ min: 1, max: 8 })), {
          minLength: 1,
          maxLength: 3,
        }),
        (grid, shapes) => {
          const n = 2 + Math.max(...shapes.map(([h, w]) => h * w));
          const weights = positionWeights(Int32Array.from(shapes.flat()), n, grid);
          const width = 3;
          const values = Float32Array.from({ length: grid * grid * width }, (_, i) => Math.sin(i * 1.7));
          shapes.forEach(([h, w], b) => {
            const resized = resampleGrid(
              { values, height: grid, width: grid, channels: width },
              { height: h, width: w },
            );
            for (let i = 0; i < n; i += 1) {
              for (let c = 0; c < width; c += 1) {
                let sum = 0;
                for (let g = 0; g < grid * grid; g += 1) {
                  sum +=
                    (weights[(b * n + i) * grid * grid + g] as number) * (values[g * width + c] as number);
                }
                expect(sum).toBeCloseTo(i < h * w ? (resized.values[i * width + c] as number) : 0, 5);
              }
            }
          });
        },
      ),
      { numRuns: 50 },
    );
  });
});

describe('sequence lengths', () => {
  it('are drawn evenly, the same for a seed and a step whatever came before', () => {
    expect(naflexSequenceLengths).toEqual([128, 256, 576, 784, 1024]);
    const counts = new Map<number, number>();
    const draws = Array.from({ length: 2000 }, (_, step) =>
      drawSequenceLength(naflexSequenceLengths, '7', step),
    );
    for (const draw of draws) counts.set(draw, (counts.get(draw) ?? 0) + 1);
    expect([...counts.keys()].sort((a, b) => a - b)).toEqual([...naflexSequenceLengths]);
    for (const count of counts.values()) expect(Math.abs(count - 400)).toBeLessThan(90);
    expect(drawSequenceLength(naflexSequenceLengths, '7', 1234)).toBe(draws[1234]);
    expect(draws).not.toEqual(draws.map((_, step) => drawSequenceLength(naflexSequenceLengths, '8', step)));
  });
});
