import type { RecordBatch } from 'apache-arrow';
import PQueue from 'p-queue';
import { decodeRgbWhole } from '../models/images.ts';
import { coordinatesOf, emptyPatches, writePatches } from '../models/naflex/patchify.ts';
import { resampleToBytes } from '../models/resample.ts';
import { selectColumns, withColumns } from '../schemas/batches.ts';
import { listColumn } from '../schemas/columns.ts';
import type { Stage } from '../schemas/stage.ts';
import { type DecodingOptions, eachImage } from './images/each-image.ts';
import type { ImageLayout } from './views/schedule.ts';

/**
 * Lays the encoded `image` out as a trainer asks for it: `pixels` [side, side, 3] or `patches` [n, patch * patch * 3],
 * 0 to 255, or NaFlex's `patches` [length, patch * patch * 3] in [-1, 1] with `patch_type` (1 a patch, 0 a pad), `yidx`
 * and `xidx`. Resized as SigLIP 2 was trained: bilinearly, antialiased, from their full size. Loses no row: an image
 * that doesn't decode is grey, and told of.
 */
export function layOutImages(layout: ImageLayout, options: DecodingOptions): Stage {
  return {
    name: 'lay-out-images',
    async *run(batches, context) {
      const queue = new PQueue({ concurrency: options.concurrency });
      for await (const batch of batches) {
        context.signal.throwIfAborted();
        if (layout.kind === 'encoded') {
          yield batch;
          continue;
        }
        const kept = batch.schema.names.map(String).filter((name) => name !== 'image');
        const rest = selectColumns(batch, kept);
        if (layout.kind === 'none') yield rest;
        else if (layout.kind === 'naflex')
          yield withColumns(rest, await naflexColumns(batch, layout, options, queue));
        else yield withColumns(rest, await squareColumns(batch, layout, options, queue));
      }
    },
  };
}

/** The middle of the range: what nothing is known of. */
const grey = 128;

async function squareColumns(
  batch: RecordBatch,
  layout: Extract<ImageLayout, { kind: 'pixels' | 'patches' }>,
  options: DecodingOptions,
  queue: PQueue,
) {
  const { side } = layout;
  const size = side * side * 3;
  const pixels = new Uint8Array(batch.numRows * size);
  await eachImage(batch, options, queue, async (bytes, row) => {
    pixels.fill(grey, row * size, (row + 1) * size);
    const image = await decodeRgbWhole(bytes, options.maxPixels);
    pixels.set(resampleToBytes(image, { width: side, height: side }), row * size);
  });
  if (layout.kind === 'pixels') return { pixels: listColumn(pixels, size) };
  return { patches: listColumn(patchesOf(pixels, side, layout.patch), size) };
}

/** Square images [count, side, side, 3] cut into patches [count, n, patch * patch * 3], in reading order. */
export function patchesOf(pixels: Uint8Array, side: number, patch: number): Uint8Array {
  const across = side / patch;
  if (!Number.isInteger(across)) throw new Error(`${side} pixels don't divide into patches of ${patch}`);
  const line = patch * 3;
  const result = new Uint8Array(pixels.length);
  const size = side * side * 3;
  for (let image = 0; image < pixels.length; image += size) {
    for (let y = 0; y < side; y += 1) {
      for (let x = 0; x < across; x += 1) {
        const at = image + (Math.floor(y / patch) * across + x) * patch * line + (y % patch) * line;
        const from = image + y * side * 3 + x * line;
        result.set(pixels.subarray(from, from + line), at);
      }
    }
  }
  return result;
}

async function naflexColumns(
  batch: RecordBatch,
  { length, patch }: Extract<ImageLayout, { kind: 'naflex' }>,
  options: DecodingOptions,
  queue: PQueue,
) {
  const sizes = { patchSize: patch, sequenceLength: length };
  const made = emptyPatches(batch.numRows, sizes);
  await eachImage(batch, options, queue, async (bytes, row) => {
    writePatches(made, row, await decodeRgbWhole(bytes, options.maxPixels), sizes);
  });
  const { rows, columns } = coordinatesOf(made);
  return {
    patches: listColumn(made.patches, length * patch * patch * 3),
    patch_type: listColumn(made.mask, length),
    yidx: listColumn(rows, length),
    xidx: listColumn(columns, length),
  };
}
