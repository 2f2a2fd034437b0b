import sharp, { type Sharp } from 'sharp';
import { createRandom } from '../../schemas/random.ts';

/** Discs of colour on a plain ground: no two seeds look alike. */
export function discs(seed: number, side = 64): Sharp {
  const random = createRandom(`discs:${seed}`);
  const pixels = Buffer.alloc(side * side * 3, 200 + random.integer(50));
  for (let disc = 0; disc < 7; disc += 1) {
    const [x, y, r] = [
      random.uniform() * side,
      random.uniform() * side,
      (0.08 + 0.2 * random.uniform()) * side,
    ];
    const colour = [random.integer(256), random.integer(256), random.integer(256)];
    for (let i = 0; i < side * side; i += 1) {
      if (((i % side) - x) ** 2 + (Math.floor(i / side) - y) ** 2 < r * r) pixels.set(colour, i * 3);
    }
  }
  return sharp(pixels, { raw: { width: side, height: side, channels: 3 } });
}
