import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import type { Teacher } from '../../models/teacher.ts';
import { withColumns } from '../../schemas/batches.ts';
import { curatedTypes, rowTypes } from '../../schemas/rows.ts';
import { embedWithTeacher } from '../../stages/embed-with-teacher.ts';
import { labelRegionsOptionsSchema } from '../../stages/label-regions.ts';
import { createPartSimilarity } from '../../stages/scores/part-similarity.ts';
import { readBatch, rememberingContext, runStage, valuesOf } from '../support.ts';

const side = 8;
const words = ['red', 'green', 'blue'];

/** Knows three colours: which of them an image holds, and which of them a text names, all as one unit row. */
const teacher: Teacher = {
  dimension: 3,
  imageSize: side,
  scale: 10,
  bias: -5,
  async embedImages(images, count) {
    const rows = new Float32Array(count * 3);
    for (let i = 0; i < count; i += 1) {
      for (let at = i * side * side * 3; at < (i + 1) * side * side * 3; at += 3) {
        const pixel = [...images.subarray(at, at + 3)];
        const strongest = pixel.indexOf(Math.max(...pixel));
        if (Math.min(...pixel) < 0) rows[i * 3 + strongest] = (rows[i * 3 + strongest] ?? 0) + 1;
      }
    }
    return unitRows(rows);
  },
  embedTexts: async (texts) =>
    unitRows(Float32Array.from(texts.flatMap((text) => words.map((word) => (text.includes(word) ? 1 : 0))))),
  dispose: async () => {},
};

function unitRows(rows: Float32Array): Float32Array {
  for (let at = 0; at < rows.length; at += 3) {
    const row = rows.subarray(at, at + 3);
    const norm = Math.hypot(...row) || 1;
    row.forEach((value, k) => {
      row[k] = value / norm;
    });
  }
  return rows;
}

const picture = (shown: readonly string[]) =>
  sharp({ create: { width: 96, height: 96, channels: 3, background: 'white' } })
    .composite(
      shown.map((background, i) => ({
        input: { create: { width: 30, height: 30, channels: 3 as const, background } },
        left: 8 + 45 * i,
        top: 12 + 30 * i,
      })),
    )
    .removeAlpha();

const regions = labelRegionsOptionsSchema.parse({});
const parts = { ...regions, most: regions.windows };

describe('the similarity to parts', () => {
  it('is near where each part has its name in the text, whatever else the text says', async () => {
    const pixels = await picture(['#ff0000', '#0000ff']).raw().toBuffer();
    const image = { pixels, width: 96, height: 96 };
    const similarity = createPartSimilarity(teacher, parts);
    const texts = ['a red thing and a blue thing', 'a red thing', 'a green thing'];
    const [[both = 0, one = 0, none = 1] = []] = await similarity([{ image, texts, language: 'en' }]);
    // On each square alone the best n-gram is the one that names it.
    expect(both).toBeGreaterThan(0.95);
    expect(one).toBeCloseTo(0.5, 1);
    expect(none).toBeLessThan(0.1);
  });

  it('is reckoned again where a text was taken away, and only there', async () => {
    const image = await picture(['#ff0000']).png().toBuffer();
    const row = (altTexts: string[]) =>
      withColumns(readBatch([{ key: 'a', image, altTexts }]), {
        language: { type: curatedTypes.language, values: ['en'] },
        text: { type: curatedTypes.text, values: ['a red thing'] },
      });
    let runs = 0;
    const counting: Teacher = {
      ...teacher,
      embedImages: (images, count) => {
        runs += 1;
        return teacher.embedImages(images, count);
      },
    };
    const stage = embedWithTeacher(counting, { concurrency: 1, maxPixels: 1e6 });
    const { context } = rememberingContext();
    const [scored] = await runStage(stage, context, row(['a blue thing', 'a red thing']));
    expect(scored).toBeDefined();
    if (scored === undefined) return;
    expect((await runStage(stage, context, scored))[0]).toBe(scored);
    expect(runs).toBe(1);
    const alt_texts = { type: rowTypes.alt_texts, values: [['a red thing']] };
    const [again] = await runStage(stage, context, withColumns(scored, { alt_texts }));
    expect(runs).toBe(2);
    expect([...(again?.getChild('text_scores')?.get(0) ?? [])]).toEqual([
      again?.getChild('text_score')?.get(0),
    ]);
  });

  it('weighs in the scores of a row as it is told, one score a text', async () => {
    const image = await picture(['#ff0000', '#0000ff']).png().toBuffer();
    const altTexts = ['a red thing and a blue thing', 'a green thing', 'a red thing'];
    const batch = withColumns(readBatch([{ key: 'a', image, altTexts }]), {
      language: { type: curatedTypes.language, values: ['en'] },
      text: { type: curatedTypes.text, values: ['a red thing'] },
    });
    const scores = async (partWeight: number) => {
      const stage = embedWithTeacher(teacher, { concurrency: 1, maxPixels: 1e6, partWeight, parts });
      const batches = await runStage(stage, rememberingContext().context, batch);
      const [list] = valuesOf(batches, 'text_scores').map((values) => [...(values as Iterable<number>)]);
      return { list: list ?? [], text: valuesOf(batches, 'text_score')[0] };
    };
    const [whole, part, half] = [await scores(0), await scores(1), await scores(0.5)];
    expect(part.list).toHaveLength(3);
    expect(part.text).toBe(part.list[2]);
    expect(part.list[0]).toBeGreaterThan(0.95);
    expect(whole.list[1]).toBeLessThan(0.1);
    half.list.forEach((score, i) => {
      expect(score).toBeCloseTo(((whole.list[i] ?? 0) + (part.list[i] ?? 0)) / 2, 6);
    });
  });
});
