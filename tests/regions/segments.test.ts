import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import type { RgbImage } from '../../models/images.ts';
import { createRandom } from '../../schemas/random.ts';
import { findForeground } from '../../stages/regions/background.ts';
import { intersectionOverUnion } from '../../stages/regions/boxes.ts';
import type { Box } from '../../stages/regions/detector.ts';
import { proposeBoxes } from '../../stages/regions/proposals.ts';
import { proposeSegments } from '../../stages/regions/segments.ts';

const side = 120;
const options = { scales: [0.6, 0.4], stride: 0.2, most: 12 };

interface Thing {
  readonly left: number;
  readonly top: number;
  readonly size: number;
}
const boxOf = ({ left, top, size }: Thing): Box => [
  top / side,
  left / side,
  (top + size) / side,
  (left + size) / side,
];

/** A background that shades from top to bottom with grain of `noise`, and dark things on it. */
function drawn(things: readonly Thing[], { shade = 0, noise = 0 } = {}): RgbImage {
  const random = createRandom(3);
  const pixels = new Uint8Array(side * side * 3);
  for (let y = 0; y < side; y += 1) {
    for (let x = 0; x < side; x += 1) {
      const isThing = things.some(
        ({ left, top, size }) => x >= left && x < left + size && y >= top && y < top + size,
      );
      for (let c = 0; c < 3; c += 1) {
        const grain = noise > 0 ? random.integer(noise) - noise / 2 : 0;
        pixels[(y * side + x) * 3 + c] = isThing ? 60 + 40 * c : 240 - (shade * y) / side + grain;
      }
    }
  }
  return { pixels, width: side, height: side };
}

const things: Thing[] = [
  { left: 8, top: 10, size: 40 },
  { left: 70, top: 60, size: 30 },
];

describe('what stands out', () => {
  it.each([
    ['a plain background', {}],
    ['a shaded one', { shade: 90 }],
    ['a grainy one', { noise: 10 }],
  ])('is found on %s, to the pixel', (_, how) => {
    const foreground = findForeground(drawn(things, how));
    expect(foreground).not.toBeNull();
    if (foreground === null) return;
    const boxes = proposeSegments(foreground, 12);
    for (const thing of things) {
      const best = Math.max(...boxes.map((box) => intersectionOverUnion(box, boxOf(thing))));
      expect(best).toBeGreaterThan(0.95);
    }
  });

  it('is nothing where nothing is', () => {
    expect(findForeground(drawn([]))).toBeNull();
    expect(findForeground(drawn([], { noise: 10, shade: 60 }))).toBeNull();
  });

  it('is unknown where the rim is no one background', () => {
    expect(findForeground(drawn([], { noise: 250 }))).toBeNull();
    const half = drawn([{ left: 0, top: 0, size: 60 }]);
    half.pixels.fill(0, 0, half.pixels.length / 2);
    expect(findForeground(half)).toBeNull();
  });

  it('is nothing of an image too small to have a rim', () => {
    expect(findForeground({ pixels: new Uint8Array(4 * 4 * 3), width: 4, height: 4 })).toBeNull();
  });
});

describe('segments', () => {
  it('join across small gaps, and are proposed apart as well', () => {
    const parts = [
      { left: 20, top: 20, size: 30 },
      { left: 52, top: 20, size: 30 },
    ];
    const foreground = findForeground(drawn(parts));
    const boxes = foreground === null ? [] : proposeSegments(foreground, 12);
    const whole: Box = [20 / side, 20 / side, 50 / side, 82 / side];
    for (const wanted of [...parts.map(boxOf), whole]) {
      expect(Math.max(...boxes.map((box) => intersectionOverUnion(box, wanted)))).toBeGreaterThan(0.9);
    }
    expect(boxes[0]).toEqual(whole);
  });

  it('leave specks out, and are the largest where there are more than asked for', () => {
    const foreground = findForeground(drawn([...things, { left: 110, top: 5, size: 4 }]));
    const boxes = foreground === null ? [] : proposeSegments(foreground, 12);
    expect(boxes).toHaveLength(2);
    const [largest] = foreground === null ? [] : proposeSegments(foreground, 1);
    expect(largest).toEqual(boxOf({ left: 8, top: 10, size: 40 }));
  });
});

describe('proposals', () => {
  it('are what stands out, or windows where the background is not plain', async () => {
    const plain = proposeBoxes(drawn(things), options);
    expect(plain).toHaveLength(2);
    const noisy = await sharp({
      create: {
        width: side,
        height: side,
        channels: 3,
        background: 'white',
        noise: { type: 'gaussian', mean: 128, sigma: 60 },
      },
    })
      .removeAlpha()
      .raw()
      .toBuffer();
    const windows = proposeBoxes({ pixels: noisy, width: side, height: side }, options);
    expect(windows[0]).toEqual([0, 0, 1, 1]);
    expect(windows.length).toBeGreaterThan(2);
  });
});
