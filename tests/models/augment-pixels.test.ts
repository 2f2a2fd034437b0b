import { describe, expect, it } from 'vitest';
import { augmentPixels } from '../../models/augment-pixels.ts';
import { normalizePixels } from '../../models/pixels.ts';
import { createRandom } from '../../schemas/random.ts';

const side = 8;
const count = 5;
const random = createRandom('pixels');
const noise = Uint8Array.from({ length: count * side * side * 3 }, () => random.integer(256));
/** Brighter from left to right and from top to bottom, the same in every channel. */
const slope = Uint8Array.from({ length: side * side * 3 }, (_, i) => {
  const pixel = Math.floor(i / 3);
  return 10 * (pixel % side) + 8 * Math.floor(pixel / side);
});

describe('augmentation', () => {
  it('without change is normalisation, and draws nothing', () => {
    const source = createRandom(1);
    expect(augmentPixels(noise, side, { zoom: 0, colour: 0 }, source)).toEqual(normalizePixels(noise));
    expect(source.state()).toEqual(createRandom(1).state());
  });

  it('is the same for the same seed, another for another, and differs from image to image', () => {
    const twice = new Uint8Array([...slope, ...slope]);
    const draw = (seed: number) => augmentPixels(twice, side, { zoom: 0.4, colour: 0.2 }, createRandom(seed));
    expect(draw(1)).toEqual(draw(1));
    expect(draw(1)).not.toEqual(draw(2));
    expect(draw(1).subarray(0, slope.length)).not.toEqual(draw(1).subarray(slope.length));
  });

  it('crops to a part of the image: a slope keeps its order and loses some of its range', () => {
    const range = (values: Float32Array) => Math.max(...values) - Math.min(...values);
    const whole = normalizePixels(slope);
    for (let seed = 0; seed < 20; seed += 1) {
      const cropped = augmentPixels(slope, side, { zoom: 0.5, colour: 0 }, createRandom(seed));
      expect(range(cropped)).toBeLessThanOrEqual(range(whole) + 1e-6);
      for (let x = 1; x < side; x += 1) {
        expect(cropped[x * 3]).toBeGreaterThanOrEqual((cropped[(x - 1) * 3] ?? 0) - 1e-6);
      }
    }
  });

  it('tints each channel alike all over the image, and stays within [-1, 1]', () => {
    const flat = new Uint8Array(side * side * 3).fill(190);
    const tinted = augmentPixels(flat, side, { zoom: 0.3, colour: 0.3 }, createRandom(4));
    const channels = [0, 1, 2].map((c) => new Set(tinted.filter((_, i) => i % 3 === c)));
    expect(channels.map(({ size }) => size)).toEqual([1, 1, 1]);
    expect(new Set(channels.flatMap((values) => [...values])).size).toBeGreaterThan(1);
    expect(tinted.every((value) => value >= -1 && value <= 1)).toBe(true);
  });
});
