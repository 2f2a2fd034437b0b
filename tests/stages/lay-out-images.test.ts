import { Binary, Utf8 } from 'apache-arrow';
import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import { decodeRgbWhole } from '../../models/images.ts';
import { resampleRgb } from '../../models/resample.ts';
import { batchOf } from '../../schemas/batches.ts';
import { layOutImages, patchesOf } from '../../stages/lay-out-images.ts';
import type { ImageLayout } from '../../stages/views/schedule.ts';
import { type Expected, picture, readConformance, samples } from '../models/conformance-files.ts';
import { rememberingContext, runStage, valuesOf } from '../support.ts';

const side = 32;

async function laidOut(images: readonly Uint8Array[], layout: ImageLayout, name: string) {
  const broken = (key: string, why: string) => {
    throw new Error(`${key}: ${why}`);
  };
  const stage = layOutImages(layout, { concurrency: 2, maxPixels: 1e6, onBroken: broken });
  const batch = batchOf({
    key: { type: new Utf8(), values: images.map((_, i) => String(i)) },
    image: { type: new Binary(), values: [...images] },
  });
  const batches = await runStage(stage, rememberingContext().context, batch);
  return (valuesOf(batches, name) as Iterable<number>[]).map((values) => Uint8Array.from(values));
}

const encoded = (width: number, height: number, format: 'png' | 'jpeg') =>
  sharp(picture(width, height).pixels, { raw: { width, height, channels: 3 } })
    .toFormat(format)
    .toBuffer();

/** [side, side, 3] as [3, side, side], which a model takes. */
const inPlanes = (bytes: Uint8Array) =>
  bytes.map((_, i) => bytes[(i % (side * side)) * 3 + Math.floor(i / (side * side))] ?? 0);

describe('images laid out as squares', () => {
  it("are transformers' pixels of SigLIP 2, rounded once", async () => {
    const { sides, pixels }: Expected = await readConformance('siglip2', 'expected.json');
    const images = await Promise.all(sides.map(([width, height]) => encoded(width, height, 'png')));
    const ours = await laidOut(images, { kind: 'pixels', side }, 'pixels');
    expect(ours).toHaveLength(sides.length);
    for (const [i, bytes] of ours.entries()) {
      for (const [k, value] of samples(inPlanes(bytes)).entries()) {
        const theirs = ((pixels[i]?.[k] ?? Number.NaN) + 1) * 127.5;
        expect(Math.abs(value - theirs)).toBeLessThan(0.501);
      }
    }
    const patches = await laidOut(images, { kind: 'patches', side, patch: 8 }, 'patches');
    expect(patches).toEqual(ours.map((bytes) => patchesOf(bytes, side, 8)));
  });

  it('are of the full size of a JPEG, however much smaller they are', async () => {
    const image = await encoded(640, 480, 'jpeg');
    const [bytes = new Uint8Array()] = await laidOut([image], { kind: 'pixels', side }, 'pixels');
    const exact = resampleRgb(await decodeRgbWhole(image, 1e6), { height: side, width: side });
    expect(bytes).toHaveLength(exact.length);
    const furthest = bytes.reduce(
      (most, v, i) => Math.max(most, Math.abs(v - ((exact[i] ?? 9) + 1) * 127.5)),
      0,
    );
    expect(furthest).toBeLessThan(0.501);
  });
});
