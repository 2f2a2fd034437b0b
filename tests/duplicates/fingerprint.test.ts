import fc from 'fast-check';
import sharp, { type Sharp } from 'sharp';
import { describe, expect, it } from 'vitest';
import { colourBytes, colourDistance, cropCount, fingerprint } from '../../models/duplicates/fingerprint.ts';
import { coverage, shrink } from '../../models/duplicates/shrink.ts';
import { decodeRgbWithin, type RgbImage } from '../../models/images.ts';
import { createRandom } from '../../schemas/random.ts';

/** Blobs of colour on a plain ground: smooth, and unlike any other seed's. */
function blobs(seed: number, width = 64, height = 64): RgbImage {
  const random = createRandom(`blobs:${seed}`);
  const made = Array.from({ length: 7 }, () => ({
    x: random.uniform() * width,
    y: random.uniform() * height,
    r: (0.08 + 0.2 * random.uniform()) * width,
    colour: [random.integer(256), random.integer(256), random.integer(256)],
  }));
  const pixels = new Uint8Array(width * height * 3).fill(225);
  for (let y = 0; y < height; y += 1) {
    for (let x = 0; x < width; x += 1) {
      for (const { x: cx, y: cy, r, colour } of made) {
        if ((x - cx) ** 2 + (y - cy) ** 2 < r * r) pixels.set(colour, (y * width + x) * 3);
      }
    }
  }
  return { pixels, width, height };
}

const sharpOf = ({ pixels, width, height }: RgbImage) =>
  sharp(pixels, { raw: { width, height, channels: 3 } });
const decoded = async (image: Sharp) => decodeRgbWithin(await image.toBuffer(), 64, 1e6);
const bitsApart = (a: bigint, b: bigint) =>
  BigInt.asUintN(64, a ^ b)
    .toString(2)
    .replaceAll('0', '').length;

/** How either image's crops and the other's whole are apart, each crop in turn. */
function distances(a: RgbImage, b: RgbImage): { bits: number; colours: number }[] {
  const [x, y] = [fingerprint(a), fingerprint(b)];
  const directions = [
    [x, y],
    [y, x],
  ] as const;
  return directions.flatMap(([from, to]) =>
    Array.from({ length: cropCount }, (_, crop) => ({
      bits: bitsApart(from.hashes[crop] ?? 0n, to.hashes[0] ?? 0n),
      colours: colourDistance(from.colours, crop * colourBytes, to.colours, 0),
    })),
  );
}

/** Whether some crop is within the defaults of both signals. */
const isNear = (a: RgbImage, b: RgbImage) =>
  distances(a, b).some(({ bits, colours }) => bits <= 5 && colours <= 3);

const seeds = Array.from({ length: 12 }, (_, i) => i);

describe('the fingerprint of an image', () => {
  it.each([
    ['re-encoded as JPEG', (image: RgbImage) => sharpOf(image).jpeg({ quality: 70 })],
    ['smaller', (image: RgbImage) => sharpOf(image).resize(52, 52).png()],
    ['larger', (image: RgbImage) => sharpOf(image).resize(150, 150).jpeg({ quality: 80 })],
    [
      'without its first columns and rows',
      (image: RgbImage) =>
        sharpOf(image).extract({ left: 2, top: 2, width: 62, height: 62 }).webp({ quality: 80 }),
    ],
    [
      'without its last rows',
      (image: RgbImage) => sharpOf(image).extract({ left: 0, top: 0, width: 64, height: 62 }).png(),
    ],
  ])('is near that of the image %s', async (_, copyOf) => {
    for (const seed of seeds) {
      const image = blobs(seed);
      expect(isNear(image, await decoded(copyOf(image)))).toBe(true);
    }
  });

  it('is far from that of any other image', () => {
    for (const a of seeds) {
      for (const b of seeds)
        if (a < b) {
          const fewest = Math.min(...distances(blobs(a), blobs(b)).map(({ bits }) => bits));
          expect(fewest).toBeGreaterThan(10);
        }
    }
  });

  it('tells the same shapes in other colours apart by their colours alone', () => {
    const image = blobs(3);
    const tinted = {
      ...image,
      pixels: image.pixels.map((value, i) => (i % 3 === 0 ? value : Math.max(0, value - 18))),
    };
    const all = distances(image, tinted);
    expect(Math.min(...all.map(({ bits }) => bits))).toBeLessThanOrEqual(5);
    expect(Math.min(...all.map(({ colours }) => colours))).toBeGreaterThan(5);
  });

  it('is stable for a symmetric picture, half of whose frequencies are nothing but noise', () => {
    const stripes = (noise: number) => {
      const random = createRandom(`noise:${noise}`);
      const pixels = Uint8Array.from({ length: 64 * 64 * 3 }, (_, i) => {
        const band = Math.floor(Math.floor(i / 3 / 64) / 13) % 2;
        return 60 + 120 * band + (noise === 0 ? 0 : random.integer(3));
      });
      return fingerprint({ pixels, width: 64, height: 64 }).hashes[0] ?? 0n;
    };
    for (const noise of [1, 2, 3, 4]) expect(bitsApart(stripes(0), stripes(noise))).toBeLessThanOrEqual(2);
  });

  it('has no detail where the image is plain, and much where it is not', () => {
    const plain = { pixels: new Uint8Array(40 * 40 * 3).fill(90), width: 40, height: 40 };
    expect(fingerprint(plain).detail).toBe(0);
    expect(fingerprint(plain).hashes.every((hash) => hash === 0n)).toBe(true);
    for (const seed of seeds) expect(fingerprint(blobs(seed)).detail).toBeGreaterThan(40);
  });

  it('is made of any image of any size', () => {
    const size = fc.integer({ min: 1, max: 64 });
    fc.assert(
      fc.property(size, size, fc.nat(), (width, height, seed) => {
        const random = createRandom(seed);
        const pixels = Uint8Array.from({ length: width * height * 3 }, () => random.integer(256));
        const found = fingerprint({ pixels, width, height });
        expect([found.hashes.length, found.colours.length]).toEqual([cropCount, cropCount * colourBytes]);
        expect(found.detail).toBeGreaterThanOrEqual(0);
      }),
      { numRuns: 40 },
    );
  });

  it('keeps the mean luma and the two differences of colour of each cell', () => {
    const pixels = new Uint8Array(32 * 32 * 3);
    for (let i = 0; i < 32 * 32; i += 1) pixels.set(i % 32 < 8 ? [255, 0, 0] : [0, 0, 255], i * 3);
    const { colours } = fingerprint({ pixels, width: 32, height: 32 });
    // BT.601: pure red, then pure blue.
    expect([...colours.subarray(0, 6)]).toEqual([76, 85, 255, 29, 255, 107]);
  });
});

describe('the distance of colours', () => {
  it('is the root mean square over the bytes, from the offsets on', () => {
    const a = new Uint8Array(2 * colourBytes).fill(10, colourBytes);
    const b = new Uint8Array(colourBytes).fill(13);
    expect(colourDistance(a, colourBytes, b, 0)).toBe(3);
    expect(colourDistance(a, 0, a, 0)).toBe(0);
  });
});

describe('shrinking', () => {
  it('keeps the mean, whatever the sizes', () => {
    const size = fc.integer({ min: 1, max: 64 });
    fc.assert(
      fc.property(size, size, fc.nat(), (width, height, seed) => {
        const random = createRandom(seed);
        const pixels = Uint8Array.from({ length: width * height * 3 }, () => random.integer(256));
        const mean = (values: ArrayLike<number>) =>
          Array.from(values).reduce((a, b) => a + b, 0) / values.length;
        expect(mean(shrink({ pixels, width, height }, 32))).toBeCloseTo(mean(pixels), 6);
      }),
      { numRuns: 30 },
    );
  });

  it('covers each target by shares that sum to 1', () => {
    const { starts, weights } = coverage(5, 32, 0.8, 31.2);
    for (let target = 0; target < 5; target += 1) {
      const shares = weights.subarray(starts[target], starts[target + 1]);
      expect(shares.reduce((a, b) => a + b, 0)).toBeCloseTo(1, 9);
    }
  });
});
