import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import { fromFloat16, toFloat16 } from '../../models/float16.ts';
import type { RgbImage } from '../../models/images.ts';
import type { Teacher } from '../../models/teacher.ts';
import { embedWithTeacher } from '../../stages/embed-with-teacher.ts';
import { keepRegions, labelRegions, labelRegionsOptionsSchema } from '../../stages/label-regions.ts';
import { intersectionOverUnion } from '../../stages/regions/boxes.ts';
import { type Box, noCategories } from '../../stages/regions/detector.ts';
import { createWindowDetector } from '../../stages/regions/window-detector.ts';
import { readBatch, rememberingContext, runStage, valuesOf } from '../support.ts';

const side = 8;
const words = ['red', 'green', 'blue'];
const options = labelRegionsOptionsSchema.parse({ side: 80 });

/** A teacher that knows three colours: how much of one a crop holds, and the word for it. */
function colourTeacher(asked: string[][] = []): Teacher {
  return {
    dimension: 4,
    imageSize: side,
    scale: 10,
    bias: -5,
    async embedImages(images, count) {
      const rows = new Float32Array(count * 4);
      for (let i = 0; i < count; i += 1) {
        const row = rows.subarray(i * 4, i * 4 + 4);
        for (let at = i * side * side * 3; at < (i + 1) * side * side * 3; at += 3) {
          const [r = 0, g = 0, b = 0] = images.subarray(at, at + 3);
          // White says nothing of colours: it counts for the dimension that no word has.
          const strongest = [r, g, b].indexOf(Math.max(r, g, b));
          row[Math.min(r, g, b) > 0.5 ? 3 : strongest] =
            (row[Math.min(r, g, b) > 0.5 ? 3 : strongest] ?? 0) + 1;
        }
        const norm = Math.hypot(...row) || 1;
        row.forEach((value, k) => {
          row[k] = value / norm;
        });
      }
      return rows;
    },
    async embedTexts(texts) {
      asked.push([...texts]);
      const rows = new Float32Array(texts.length * 4);
      texts.forEach((text, i) => {
        const known = words.findIndex((word) => text.includes(word));
        if (known >= 0) rows[i * 4 + known] = 1;
      });
      return rows;
    },
    dispose: async () => {},
  };
}

interface Square {
  readonly colour: 'red' | 'green' | 'blue';
  readonly left: number;
  readonly top: number;
  readonly size: number;
}

const canvasSize = { width: 120, height: 80 };
const squares: Square[] = [
  { colour: 'red', left: 8, top: 14, size: 40 },
  { colour: 'blue', left: 70, top: 30, size: 34 },
];
const boxOf = ({ left, top, size }: Square): Box => [
  top / canvasSize.height,
  left / canvasSize.width,
  (top + size) / canvasSize.height,
  (left + size) / canvasSize.width,
];

const canvas = (shown: readonly Square[]) =>
  sharp({ create: { ...canvasSize, channels: 3, background: 'white' } }).composite(
    shown.map(({ colour, left, top, size }) => ({
      input: { create: { width: size, height: size, channels: 3 as const, background: colour } },
      left,
      top,
    })),
  );

async function pixelsOf(shown: readonly Square[]): Promise<RgbImage> {
  return { ...canvasSize, pixels: await canvas(shown).removeAlpha().raw().toBuffer() };
}

const detectorOptions = { ...options, most: options.windows };

describe('the window detector', () => {
  it('finds each thing that the queries name, where it is', async () => {
    const detector = createWindowDetector(colourTeacher(), detectorOptions, noCategories);
    const [found = []] = await detector.detect([await pixelsOf(squares)], [['red', 'blue', 'green']]);
    const kept = keepRegions(found, options);
    for (const square of squares) {
      const named = kept.filter(({ text }) => text === square.colour);
      const best = Math.max(...named.map(({ box }) => intersectionOverUnion(box, boxOf(square))));
      expect(best, square.colour).toBeGreaterThan(0.5);
    }
    expect(kept.map(({ text }) => text)).not.toContain('green');
  });

  it("scores by the teacher's probability of a pair", async () => {
    const detector = createWindowDetector(colourTeacher(), detectorOptions, noCategories);
    const [found = []] = await detector.detect([await pixelsOf([])], [['red']]);
    // All white: the whole image alone, at no similarity.
    expect(found).toHaveLength(1);
    expect(found[0]?.box).toEqual([0, 0, 1, 1]);
    expect(found[0]?.score).toBeCloseTo(1 / (1 + Math.exp(5)), 6);
    const shifted = createWindowDetector(
      colourTeacher(),
      { ...detectorOptions, logitShift: 2 },
      noCategories,
    );
    const [moved = []] = await shifted.detect([await pixelsOf([])], [['red']]);
    expect(moved[0]?.score).toBeCloseTo(1 / (1 + Math.exp(3)), 6);
  });

  it('leaves nothing that overlaps a better box by the threshold or more', async () => {
    const detector = createWindowDetector(colourTeacher(), detectorOptions, noCategories);
    const [found = []] = await detector.detect([await pixelsOf(squares)], [['red', 'blue']]);
    expect(found.length).toBeGreaterThan(1);
    found.forEach((one, i) => {
      for (const other of found.slice(i + 1)) {
        expect(other.score).toBeLessThanOrEqual(one.score);
        expect(intersectionOverUnion(one.box, other.box)).toBeLessThan(options.overlap);
      }
    });
  });

  it('looks at no window of an image without queries, and keeps the others apart', async () => {
    const detector = createWindowDetector(colourTeacher(), detectorOptions, noCategories);
    const images = await Promise.all([pixelsOf(squares), pixelsOf(squares.slice(0, 1)), pixelsOf(squares)]);
    const found = await detector.detect(images, [[], ['red'], ['blue']]);
    expect(found[0]).toEqual([]);
    expect(found[1]?.[0]?.text).toBe('red');
    const alone = await detector.detect(images.slice(2), [['blue']]);
    expect(found[2]).toEqual(alone[0]);
  });

  it('embeds a query once while it is held, and again when it was given up', async () => {
    const asked: string[][] = [];
    const detector = createWindowDetector(
      colourTeacher(asked),
      { ...detectorOptions, cachedQueries: 2 },
      noCategories,
    );
    const image = await pixelsOf(squares);
    for (const queries of [['red', 'blue'], ['blue', 'red'], ['green'], ['red']]) {
      await detector.detect([image], [queries]);
    }
    expect(asked).toEqual([['red', 'blue'], [], ['green'], ['red']]);
  });
});

describe('what is kept of the detections', () => {
  const detection = (score: number) => ({ box: [0, 0, 1, 1] as Box, text: 'x', score });

  it('is what reaches the threshold, where one reaches the higher one', () => {
    const scores = (...all: number[]) => keepRegions(all.map(detection), options).map(({ score }) => score);
    expect(scores(0.3, 0.1, 0.09)).toEqual([0.3, 0.1]);
    expect(scores(0.29, 0.2)).toEqual([]);
    expect(scores()).toEqual([]);
  });
});

describe('the stages that ask the teacher', () => {
  const rows = async () => [
    { key: 'two', image: await canvas(squares).png().toBuffer(), altTexts: ['a red thing and a blue thing'] },
    { key: 'none', image: await canvas([]).png().toBuffer(), altTexts: ['a green thing'] },
  ];
  const batch = async () => {
    const { withColumns } = await import('../../schemas/batches.ts');
    const { curatedTypes } = await import('../../schemas/rows.ts');
    return withColumns(readBatch(await rows()), {
      language: { type: curatedTypes.language, values: ['en', 'en'] },
      text: { type: curatedTypes.text, values: ['a red thing', 'a green thing'] },
    });
  };

  it('give every row its regions, none where nothing was found', async () => {
    const detector = createWindowDetector(colourTeacher(), detectorOptions, noCategories);
    const { context } = rememberingContext();
    const labelled = await runStage(labelRegions(detector, options, 1e6), context, await batch());
    const [two, none] = valuesOf(labelled, 'regions').map((list) => [
      ...(list as Iterable<{ text: string; box: Iterable<number> }>),
    ]);
    expect(two?.every(({ text }) => words.some((word) => text.includes(word)))).toBe(true);
    for (const colour of ['red', 'blue']) expect(two?.some(({ text }) => text.includes(colour))).toBe(true);
    for (const { box } of two ?? []) {
      const [ymin = 0, xmin = 0, ymax = 0, xmax = 0] = box;
      expect(0 <= ymin && ymin < ymax && ymax <= 1 && 0 <= xmin && xmin < xmax && xmax <= 1).toBe(true);
    }
    expect(none).toEqual([]);
  });

  it('give every row the embeddings of its image and its text', async () => {
    const { context } = rememberingContext();
    const stage = embedWithTeacher(colourTeacher(), { concurrency: 2, maxPixels: 1e6 });
    const embedded = await runStage(stage, context, await batch());
    const texts = valuesOf(embedded, 'teacher_text').map((row) => [...(row as Iterable<number>)]);
    expect(texts.map((row) => row.map((half) => half !== 0))).toEqual([
      [true, false, false, false],
      [false, true, false, false],
    ]);
    expect(valuesOf(embedded, 'teacher_image')).toHaveLength(2);
    // Red and blue on white, the texts red: the picture holds half its colour of each of the two.
    const [score, none] = valuesOf(embedded, 'text_score') as number[];
    expect(score).toBeGreaterThan(0.1);
    expect(none).toBe(0);
    const lists = valuesOf(embedded, 'text_scores').map((list) => [...(list as Iterable<number>)]);
    expect(lists).toEqual([[score], [0]]);
  });

  it('round embeddings to the nearest half, also just below a power of two', async () => {
    const { context } = rememberingContext();
    const row = Float32Array.of(0.12499, -0.49999, 0.85, 0.1);
    const teacher: Teacher = {
      ...colourTeacher(),
      embedTexts: async (texts) => Float32Array.from({ length: 4 * texts.length }, (_, i) => row[i % 4] ?? 0),
    };
    const stage = embedWithTeacher(teacher, { concurrency: 1, maxPixels: 1e6 });
    const [stored] = valuesOf(await runStage(stage, context, await batch()), 'teacher_text');
    expect([...(stored as Iterable<number>)]).toEqual([...fromFloat16(toFloat16(row))]);
  });
});
