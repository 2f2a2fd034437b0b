import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import { withColumns } from '../../schemas/batches.ts';
import { createRandom } from '../../schemas/random.ts';
import { curatedTypes } from '../../schemas/rows.ts';
import { createCaptionSample } from '../../stages/regions/caption-sample.ts';
import {
  type CaptionedImage,
  findGenericWords,
  frequentWords,
  genericWordsOptionsSchema,
} from '../../stages/regions/find-generic-words.ts';
import { genericWords } from '../../stages/regions/generic-words.ts';
import { namingWords, ngramOptionsSchema, ngramQueries } from '../../stages/regions/ngram-queries.ts';
import { readBatch } from '../support.ts';

const options = genericWordsOptionsSchema.parse({});
const things = ['cat', 'dog', 'car', 'tree', 'boat'];

/** Images of five things, each with a direction of its own; half are called "zonk", a tenth "rare". */
function captioned(count: number): CaptionedImage[] {
  const random = createRandom(7);
  return Array.from({ length: count }, (_, i) => {
    const thing = i % things.length;
    const embedding = Float32Array.from(
      { length: 8 },
      (_, k) => (k === thing ? 1 : 0) + 0.3 * random.normal(),
    );
    const words = new Set([things[thing] ?? '', ...(random.uniform() < 0.5 ? ['zonk'] : [])]);
    if (i === 0) words.add('rare');
    return { words, embedding };
  });
}

describe('generic words', () => {
  it('are the frequent ones whose images look like any image', () => {
    const images = captioned(400);
    expect(findGenericWords(images, options)).toEqual(new Set(['zonk']));
    const frequent = frequentWords(images, options.minShare);
    expect(frequent.map(({ word }) => word)).toEqual(expect.arrayContaining([...things, 'zonk']));
    expect(frequent.map(({ word }) => word)).not.toContain('rare');
    for (const { word, said } of frequent) {
      if (word === 'zonk') expect(said).toBeLessThan(0.02);
      else expect(said).toBeGreaterThan(0.3);
    }
  });

  it('are none of a language with too few images to tell', () => {
    expect(findGenericWords(captioned(299), options).size).toBe(0);
    expect(findGenericWords([], options).size).toBe(0);
  });

  it('leave the queries, in their language only', () => {
    const isGeneric = genericWords(new Map([['en', new Set(['zonk'])]]));
    const ngrams = ngramOptionsSchema.parse({});
    expect(ngramQueries(['zonk photo fox'], 'en', ngrams, isGeneric)).toEqual(['fox']);
    expect(ngramQueries(['zonk'], 'de', ngrams, isGeneric)).toEqual(['zonk']);
  });

  it('are looked for among words that name something', () => {
    expect([...namingWords(['The photo of 2 cats', 'cats'], 'en')]).toEqual(['photo', 'cats']);
    expect([...namingWords(['黑猫在沙发上'], 'zh')]).toEqual(expect.arrayContaining(['沙发']));
  });
});

describe('the sample of captions', () => {
  const side = 4;
  const embedded: number[] = [];
  /** Embeds an image as its mean colour. */
  const teacher = {
    dimension: 3,
    imageSize: side,
    embedImages: async (images: Float32Array, count: number) => {
      embedded.push(count);
      const rows = new Float32Array(count * 3);
      for (let i = 0; i < images.length; i += 1) {
        const row = Math.floor(i / (side * side * 3));
        rows[row * 3 + (i % 3)] = (rows[row * 3 + (i % 3)] ?? 0) + (images[i] ?? 0) / (side * side);
      }
      return rows;
    },
  };
  const colours = ['#ff0000', '#00ff00', '#0000ff'];

  async function batchesOf(order: readonly number[]) {
    const images = await Promise.all(
      colours.map((background) =>
        sharp({ create: { width: 8, height: 8, channels: 3, background } })
          .png()
          .toBuffer(),
      ),
    );
    const all = order.map((i) => ({
      key: `row-${String(i).padStart(3, '0')}`,
      image: images[i % 3] ?? null,
      altTexts: [`colour${i % 3} ${i % 2 === 0 ? 'zonk' : ''}`],
    }));
    const chunks = Array.from({ length: Math.ceil(all.length / 32) }, (_, c) =>
      all.slice(c * 32, (c + 1) * 32),
    );
    return chunks.map((rows) =>
      withColumns(readBatch(rows), {
        // Each row has bytes of its own, but for a few that repeat the first row's.
        sha256: {
          type: curatedTypes.sha256,
          values: rows.map(({ key }) => (Number(key.slice(4)) % 50 === 49 ? 'row-000' : key)),
        },
        language: { type: curatedTypes.language, values: rows.map(() => 'en') },
      }),
    );
  }

  async function found(order: readonly number[], sample: number) {
    const settings = { ...options, sample, minImages: 60 };
    const captions = createCaptionSample(teacher, settings, { seed: 1, maxPixels: 1e6 });
    for (const batch of await batchesOf(order)) await captions.add(batch);
    return captions.genericWords();
  }

  it('finds the same words in any order of the rows', async () => {
    const order = Array.from({ length: 240 }, (_, i) => i);
    const forward = await found(order, 100);
    expect(forward).toEqual(new Map([['en', new Set(['zonk'])]]));
    expect(await found(order.toReversed(), 100)).toEqual(forward);
    expect(
      await found(
        order.toSorted((a, b) => ((a * 7) % 240) - ((b * 7) % 240)),
        100,
      ),
    ).toEqual(forward);
  });

  it('embeds only what enters it', async () => {
    embedded.length = 0;
    await found(
      Array.from({ length: 960 }, (_, i) => i),
      60,
    );
    const total = embedded.reduce((sum, count) => sum + count, 0);
    // About k (1 + ln(n / k)) of them, and what a batch lets in before the bound is drawn.
    expect(total).toBeLessThan(400);
    expect(total).toBeGreaterThan(60);
  });
});
