import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import sharp from 'sharp';
import { beforeAll, describe, expect, it } from 'vitest';
import type { RgbImage } from '../../models/images.ts';
import { loadOwlModel } from '../../models/owl/model.ts';
import { createOwlTokenizer } from '../../models/owl/tokenizer.ts';
import { parseConfig } from '../../pipeline/config.ts';
import { openDetector } from '../../pipeline/curation/region-detector.ts';
import { type Categories, type Detection, noCategories } from '../../stages/regions/detector.ts';
import { createOwlDetector, imageBox, owlDetectorOptionsSchema } from '../../stages/regions/owl-detector.ts';
import { temporaryFolder } from '../support.ts';
import { toyBias, toyGraph, toyTokenizer, writeToyOwl } from './toy-owl.ts';

const options = owlDetectorOptionsSchema.parse({});
const sigmoid = (x: number) => 1 / (1 + Math.exp(-x));

let folder: string;

beforeAll(async () => {
  folder = await temporaryFolder();
  await writeToyOwl(join(folder, 'any'));
  await writeToyOwl(join(folder, 'two'), toyGraph({ queries: 2 }));
  await writeToyOwl(join(folder, 'vit'), toyGraph(), 'owlvit');
});

/** White, 48 x 24, with a square of 16 pixels that lies on the second patch of the first row. */
async function picture(colour: string): Promise<RgbImage> {
  const square = { create: { width: 16, height: 16, channels: 3 as const, background: colour } };
  const pixels = await sharp({ create: { width: 48, height: 24, channels: 3, background: 'white' } })
    .composite([{ input: square, left: 16, top: 0 }])
    .removeAlpha()
    .raw()
    .toBuffer();
  return { pixels, width: 48, height: 24 };
}

async function detect(
  model: string,
  queries: readonly string[][],
  settings: Partial<typeof options> = {},
  categories: Categories = noCategories,
): Promise<Detection[][]> {
  const detector = createOwlDetector(
    await loadOwlModel(join(folder, model)),
    { ...options, ...settings },
    categories,
  );
  const images = await Promise.all(queries.map((_, i) => picture(i === 0 ? '#ff0000' : '#0000ff')));
  const found = await detector.detect(images, queries);
  await detector.dispose();
  return found;
}

describe('the owl detector', () => {
  it('finds what a query names, in fractions of the image and not of its padded square', async () => {
    const [first, second] = await detect('any', [
      ['blue', 'red', 'green'],
      ['red', 'blue'],
    ]);
    expect(first?.[0]?.text).toBe('red');
    expect(first?.[0]?.score).toBeCloseTo(sigmoid(6 + toyBias), 4);
    for (const [i, edge] of [0, 1 / 3, 2 / 3, 2 / 3].entries()) {
      expect(first?.[0]?.box[i]).toBeCloseTo(edge, 5);
    }
    expect(second?.[0]?.text).toBe('blue');
    // Grey padding is no colour, white is a little of each: nothing else is over the threshold.
    expect(first?.slice(1).every(({ score }) => score < 0.1)).toBe(true);
    // The last row of patches lies on padding alone.
    expect(first).toHaveLength(6);
  });

  it('gives the same whatever number of queries the graph takes at a time', async () => {
    const queries = [['green', 'blue', 'red', 'big green', 'big red']];
    const [any] = await detect('any', queries);
    const [two] = await detect('two', queries);
    const [chunked] = await detect('any', queries, { queries: 3 });
    expect(any?.[0]?.text).toBe('red');
    expect(two).toEqual(any);
    expect(chunked).toEqual(any);
  });

  it('stretches the image where the model is OWL-ViT', async () => {
    const [found] = await detect('vit', [['red']]);
    // 48 x 48 of 48 x 24: the square covers rows 0 to 32 of 48.
    const boxes = found?.filter(({ score }) => score > 0.5).map(({ box }) => box[0]);
    expect(boxes).toEqual([0, expect.closeTo(1 / 3, 5)]);
  });

  it('ensembles prompts by the mean of their logits', async () => {
    const [found] = await detect('any', [['red']], { prompts: ['{}', 'big {} blue'] });
    // On red: red alone 6, with big and blue 6 - 1 - 2.
    expect(found?.[0]?.score).toBeCloseTo(sigmoid((6 + 3) / 2 + toyBias), 4);
    const model = await loadOwlModel(join(folder, 'any'));
    const asked: string[] = [];
    const listening: typeof model = {
      ...model,
      tokenize: (texts, rows, length) => {
        asked.push(...texts);
        return model.tokenize(texts, rows, length);
      },
    };
    const { prompts } = owlDetectorOptionsSchema.parse({ prompts: 'clip-7' });
    const detector = createOwlDetector(listening, { ...options, prompts }, noCategories);
    await detector.detect([await picture('#ff0000')], [['red', 'blue']]);
    await detector.dispose();
    expect(asked).toHaveLength(14);
    expect(asked).toContain('itap of a red.');
    expect(owlDetectorOptionsSchema.safeParse({ prompts: ['no place'] }).success).toBe(false);
  });

  it('merges categories with their scores scaled', async () => {
    const categories: Categories = { names: ['red'], scale: 0.3 };
    const [alone] = await detect('any', [[]], {}, categories);
    expect(alone?.[0]).toMatchObject({ text: 'red' });
    expect(alone?.[0]?.score).toBeCloseTo(0.3 * sigmoid(6 + toyBias), 4);
    const [both] = await detect('any', [['red']], {}, categories);
    expect(both?.[0]?.score).toBeCloseTo(sigmoid(6 + toyBias), 4);
    // A category wins where its scaled score is still the best.
    const [blue] = await detect('any', [['blue']], {}, categories);
    expect(blue?.[0]?.text).toBe('red');
  });

  it('keeps the best boxes only, and asks nothing of images without queries', async () => {
    const [some, none] = await detect('any', [['red'], []], { boxes: 2 });
    expect(some).toHaveLength(2);
    expect(some?.[0]?.score).toBeGreaterThan(some?.[1]?.score ?? 1);
    expect(none).toEqual([]);
  });

  it('leaves out boxes that are no boxes', () => {
    const share = { height: 0.5, width: 1 };
    expect(imageBox([0.5, 0.25, 0.5, 0.25], share)).toEqual([0.25, 0.25, 0.75, 0.75]);
    expect(imageBox([0.5, 0.5, 1, 1], share)).toEqual([0, 0, 1, 1]);
    expect(imageBox([0.5, 0.75, 0.2, 0.2], share)).toBeNull();
    expect(imageBox([Number.NaN, 0.2, 0.2, 0.2], share)).toBeNull();
    expect(imageBox([0.5, 0.2, -0.2, 0.2], share)).toBeNull();
  });
});

describe('the tokenizer', () => {
  it('pads, masks, and keeps the end of a text that is too long', () => {
    const tokenizer = toyTokenizer();
    const vocabulary: Record<string, number> = tokenizer.model.vocab;
    const id = (token: string) => BigInt(vocabulary[token] ?? -1);
    const tokenize = createOwlTokenizer(tokenizer, { pad_token: '!' });
    const { inputIds, attentionMask } = tokenize(['Red', 'red '.repeat(20)], 3, 6);
    const red = id('red</w>');
    const [start, end] = [id('<|startoftext|>'), id('<|endoftext|>')];
    expect([...inputIds]).toEqual([
      start,
      red,
      end,
      0n,
      0n,
      0n,
      start,
      red,
      red,
      red,
      red,
      end,
      0n,
      0n,
      0n,
      0n,
      0n,
      0n,
    ]);
    expect([...attentionMask].map(Number)).toEqual([1, 1, 1, 0, 0, 0, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0]);
  });
});

describe('a model that is none', () => {
  const open = (yaml: string) => {
    const { regions } = parseConfig(`regions: { detector: owl, ${yaml} }`, 'r.yaml');
    return openDetector({ regions, threads: 1 }, null, 'r.yaml');
  };
  const messageOf = async (graph: Uint8Array) => {
    const path = await writeToyOwl(join(await temporaryFolder(), 'model'), graph);
    return open(`model: '${path}'`).then(
      () => 'it opened',
      (error: Error) => error.message,
    );
  };

  it.each([
    ['bytes that are no model', Buffer.from('not a model'), /can't load it/],
    [
      'no logits',
      toyGraph({ logitsName: 'scores' }),
      /no output logits;.*it has inputs.*outputs scores float32/,
    ],
    ['other ids', toyGraph({ idsType: 'int32' }), /input input_ids is of another type/],
    ['a fixed batch', toyGraph({ batch: 2 }), /batches of 2 images: export it with batches of 1/],
  ])('says in one line what was expected: %s', async (_, graph, what) => {
    const message = await messageOf(graph);
    expect(message).toMatch(/^r\.yaml: regions\.model: .*model\.onnx: /);
    expect(message).toMatch(what);
    expect(message).toMatch(
      /expected inputs input_ids int64 \[queries, tokens\].*pred_boxes float32 \[1, boxes, 4\]/,
    );
    expect(message).not.toContain('\n');
  });

  it('says which file is missing or broken', async () => {
    const path = await writeToyOwl(join(await temporaryFolder(), 'model'));
    const opened = await open(`model: '${path}'`);
    expect(opened?.name).toBe('owl');
    await opened?.dispose();
    await expect(open('ngrams: {}')).rejects.toThrow(/regions\.model: required by the owl detector/);
    await expect(open("model: '/nowhere'")).rejects.toThrow(/no such folder: \/nowhere/);
    await writeFile(join(path, 'tokenizer.json'), '{}');
    await expect(open(`model: '${path}'`)).rejects.toThrow(/tokenizer\.json: not a tokenizer/);
    await writeFile(join(path, 'preprocessor_config.json'), '{"size": {"height": 0, "width": 1}}');
    await expect(open(`model: '${path}'`)).rejects.toThrow(/preprocessor_config\.json: size\.height/);
    await rm(join(path, 'config.json'));
    await expect(open(`model: '${path}'`)).rejects.toThrow(/config\.json: no such file/);
  });

  it('reads categories from a file, each once', async () => {
    const path = await writeToyOwl(join(await temporaryFolder(), 'model'));
    await writeFile(join(path, 'names.txt'), 'Red\n\n red\r\nblue\n');
    const detector = await open(`model: '${path}', categories: '${path}/names.txt'`);
    const [found = []] = (await detector?.detect([await picture('#ff0000')], [[]])) ?? [];
    expect(found[0]?.text).toBe('red');
    await detector?.dispose();
    await expect(open(`model: '${path}', categories: '/no/file'`)).rejects.toThrow(/can't read the file/);
  });
});
