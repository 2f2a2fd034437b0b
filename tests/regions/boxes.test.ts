import { describe, expect, it } from 'vitest';
import { keepRegions } from '../../stages/label-regions.ts';
import { areaOf, intersectionOverUnion, suppressOverlaps } from '../../stages/regions/boxes.ts';
import type { Box } from '../../stages/regions/detector.ts';
import { proposeWindows } from '../../stages/regions/proposals.ts';

describe('boxes', () => {
  it('measures overlap as intersection over union', () => {
    expect(intersectionOverUnion([0, 0, 1, 1], [0, 0, 1, 1])).toBe(1);
    expect(intersectionOverUnion([0, 0, 0.5, 1], [0.25, 0, 0.75, 1])).toBeCloseTo(1 / 3, 12);
    expect(intersectionOverUnion([0, 0, 0.5, 0.5], [0.5, 0.5, 1, 1])).toBe(0);
    expect(areaOf([0.25, 0, 0.75, 0.5])).toBe(0.25);
  });

  it('suppresses what overlaps a better one, and nothing else', () => {
    const items = [
      { box: [0, 0, 0.5, 0.5] as Box, score: 0.5 },
      { box: [0.02, 0, 0.52, 0.5] as Box, score: 0.9 },
      { box: [0.5, 0.5, 1, 1] as Box, score: 0.2 },
    ];
    expect(suppressOverlaps(items, 0.5)).toEqual([items[1], items[2]]);
    expect(suppressOverlaps(items, 0.5, 1)).toEqual([items[1]]);
  });

  it('breaks ties towards the earlier', () => {
    const box: Box = [0, 0, 1, 1];
    const items = [
      { box, score: 1, name: 'first' },
      { box, score: 1, name: 'second' },
    ];
    expect(suppressOverlaps(items, 0.5).map(({ name }) => name)).toEqual(['first']);
  });
});

describe('thresholds', () => {
  const detection = (score: number) => ({ box: [0, 0, 1, 1] as Box, text: 't', score });
  const options = { minScore: 0.1, minBestScore: 0.3 };

  it('keeps the boxes over 0.1 of an image that has one over 0.3', () => {
    const kept = keepRegions([detection(0.3), detection(0.1), detection(0.09)], options);
    expect(kept.map(({ score }) => score)).toEqual([0.3, 0.1]);
  });

  it('keeps nothing of an image whose best is under 0.3', () => {
    expect(keepRegions([detection(0.29), detection(0.2)], options)).toEqual([]);
  });
});

describe('window proposals', () => {
  const options = { scales: [0.6, 0.45, 0.3, 0.2], stride: 0.12, most: 12 };
  /** A light picture with darker, patterned squares. */
  function pictureOf(squares: readonly (readonly [y: number, x: number, side: number])[], side = 100) {
    const pixels = new Uint8Array(side * side * 3).fill(240);
    for (const [top, left, length] of squares) {
      for (let y = top; y < top + length; y += 1) {
        for (let x = left; x < left + length; x += 1) {
          const shade = (x - left) % 6 < 3 ? 20 : 120;
          pixels.fill(shade, (y * side + x) * 3, (y * side + x) * 3 + 3);
        }
      }
    }
    return { pixels, width: side, height: side };
  }

  it('finds each thing of a picture, at an overlap of at least 0.7', () => {
    const squares = [
      [8, 10, 30],
      [60, 55, 28],
      [12, 62, 22],
    ] as const;
    const windows = proposeWindows(pictureOf(squares), options);
    for (const [y, x, side] of squares) {
      const truth: Box = [y / 100, x / 100, (y + side) / 100, (x + side) / 100];
      const best = Math.max(...windows.map((window) => intersectionOverUnion(window, truth)));
      expect(best).toBeGreaterThanOrEqual(0.7);
    }
  });

  it('offers only the whole of a blank picture', () => {
    expect(proposeWindows(pictureOf([]), options)).toEqual([[0, 0, 1, 1]]);
  });

  it('offers no more windows than asked, the whole picture first', () => {
    const squares = [0, 25, 50, 75].flatMap((y) => [0, 25, 50, 75].map((x) => [y + 2, x + 2, 18] as const));
    const windows = proposeWindows(pictureOf(squares), { ...options, most: 5 });
    expect(windows.length).toBeLessThanOrEqual(6);
    expect(windows[0]).toEqual([0, 0, 1, 1]);
  });

  it('stays inside pictures of any shape', () => {
    const pixels = Uint8Array.from({ length: 30 * 90 * 3 }, (_, i) => (i * 7919) % 256);
    for (const box of proposeWindows({ pixels, width: 90, height: 30 }, options)) {
      expect(Math.min(...box)).toBeGreaterThanOrEqual(0);
      expect(Math.max(...box)).toBeLessThanOrEqual(1);
      expect(areaOf(box)).toBeGreaterThan(0);
    }
  });
});
