import { Binary, Utf8 } from 'apache-arrow';
import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import { batchOf } from '../../schemas/batches.ts';
import { loccaType } from '../../schemas/rows.ts';
import { addTrainingViews, type ViewedStep } from '../../stages/add-training-views.ts';
import { layOutImages } from '../../stages/lay-out-images.ts';
import { trainingViewsOptionsSchema, viewsAt } from '../../stages/views/schedule.ts';
import { rememberingContext, runStage, valuesOf } from '../support.ts';

const options = trainingViewsOptionsSchema.parse({
  locca: {},
  selfDistillation: { from: 0, globalSide: 32, localSide: 16 },
  maskedPrediction: { from: 0, patch: 8 },
});
const seed = 7;

/** An image whose red is its column and whose green is its row: a crop's colours say where it was cut. */
async function gradient(width: number, height: number): Promise<Uint8Array> {
  const pixels = new Uint8Array(width * height * 3);
  for (let i = 0; i < width * height; i += 1) {
    pixels[i * 3] = Math.round((255 * (i % width)) / (width - 1));
    pixels[i * 3 + 1] = Math.round((255 * Math.floor(i / width)) / (height - 1));
  }
  return sharp(pixels, { raw: { width, height, channels: 3 } })
    .png()
    .toBuffer();
}

const targets = (key: string) => [
  { task: 'captioning', prefix: 'Cap: ', target: key },
  { task: 'referring-expression', prefix: 'ARef: ', target: `${key} : 1 2 3 4` },
];

async function batchOfKeys(keys: readonly string[], broken: string | null = null) {
  const image = await gradient(120, 80);
  return batchOf({
    key: { type: new Utf8(), values: [...keys] },
    image: { type: new Binary(), values: keys.map((key) => (key === broken ? Uint8Array.of(1, 2) : image)) },
    locca: { type: loccaType, values: keys.map(targets) },
  });
}

const stepOf = (step: number): ViewedStep => ({
  seed,
  step,
  views: viewsAt(options, { seed, step, steps: 10 }),
  layout: { kind: 'pixels', side: 24 },
});

async function viewed(keys: readonly string[], step = 3, broken: string | null = null) {
  const told: string[] = [];
  const decoding = { concurrency: 2, maxPixels: 1e6, onBroken: (key: string) => told.push(key) };
  const { context } = rememberingContext();
  const of = stepOf(step);
  const batches = await runStage(addTrainingViews(of, decoding), context, await batchOfKeys(keys, broken));
  const laidOut = await runStage(layOutImages(of.layout, decoding), context, ...batches);
  const column = (name: string) => valuesOf(laidOut, name) as Iterable<number>[];
  return { told, column, names: laidOut[0]?.schema.names };
}

describe('training views', () => {
  it('show what their boxes say, mirrored where they say so, beside the whole image', async () => {
    const { column, names } = await viewed(['a', 'b', 'c', 'd']);
    expect(names).toEqual(
      expect.arrayContaining(['pixels', 'global_views', 'local_boxes', 'patch_mask', 'locca']),
    );
    expect(names).not.toContain('image');
    const [boxes, flips, crops] = [column('local_boxes'), column('local_flips'), column('local_views')];
    let mirrored = 0;
    for (let row = 0; row < 4; row += 1) {
      const [box, flip, crop] = [[...(boxes[row] ?? [])], [...(flips[row] ?? [])], [...(crops[row] ?? [])]];
      expect(crop).toHaveLength(8 * 16 * 16 * 3);
      for (let n = 0; n < 8; n += 1) {
        const [top = 0, left = 0, bottom = 0, right = 0] = box.slice(4 * n, 4 * n + 4);
        const pixel = (y: number, x: number) =>
          crop.slice(((n * 16 + y) * 16 + x) * 3, ((n * 16 + y) * 16 + x) * 3 + 2);
        const [red = 0, green = 0] = pixel(8, 8);
        expect(Math.abs(red / 255 - (left + right) / 2)).toBeLessThan(0.06);
        expect(Math.abs(green / 255 - (top + bottom) / 2)).toBeLessThan(0.06);
        const grows = (pixel(8, 15)[0] ?? 0) > (pixel(8, 0)[0] ?? 0);
        expect(grows).toBe(flip[n] === 0);
        mirrored += flip[n] ?? 0;
      }
    }
    expect(mirrored).toBeGreaterThan(0);
    const [whole = []] = column('pixels').map((values) => [...values]);
    expect(whole.slice(0, 2).every((value) => value < 12)).toBe(true);
    expect(whole.slice(-3, -1).every((value) => value > 243)).toBe(true);
  });

  it('are the same of a row whatever it comes with, and others at another step', async () => {
    const [all, one, later] = [await viewed(['a', 'b']), await viewed(['b']), await viewed(['b'], 4)];
    for (const name of ['global_views', 'local_views', 'local_boxes', 'patch_mask']) {
      expect([...(all.column(name)[1] ?? [])]).toEqual([...(one.column(name)[0] ?? [])]);
      expect([...(later.column(name)[0] ?? [])]).not.toEqual([...(one.column(name)[0] ?? [])]);
    }
    expect([...(one.column('patch_mask')[0] ?? [])].reduce((sum, masked) => sum + masked, 0)).toBe(8);
  });

  it('flag half of the captions, and no target with a box', async () => {
    const keys = Array.from({ length: 200 }, (_, i) => `k${i}`);
    const { context } = rememberingContext();
    const of = { ...stepOf(0), views: { ...stepOf(0).views, selfDistillation: null } };
    const decoding = { concurrency: 2, maxPixels: 1e6, onBroken: () => {} };
    const batches = await runStage(addTrainingViews(of, decoding), context, await batchOfKeys(keys));
    const flags = valuesOf(batches, 'locca').map((list) =>
      [...(list as Iterable<{ task: string; target: string; parallel: boolean }>)].map(
        ({ parallel }) => parallel,
      ),
    );
    const captions = flags.filter(([caption]) => caption).length;
    expect(captions).toBeGreaterThan(75);
    expect(captions).toBeLessThan(125);
    expect(flags.every(([, box]) => box === false)).toBe(true);
  });

  it('of an image that is broken are grey, which is told', async () => {
    const { told, column } = await viewed(['a', 'b'], 3, 'b');
    expect(new Set(told)).toEqual(new Set(['b']));
    expect(new Set(column('global_views')[1])).toEqual(new Set([128]));
    expect(new Set(column('pixels')[1])).toEqual(new Set([128]));
    expect(new Set(column('pixels')[0]).size).toBeGreaterThan(20);
  });
});
