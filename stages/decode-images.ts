import { BufferType, Data, Field, FixedSizeList, Uint8 } from 'apache-arrow';
import PQueue from 'p-queue';
import { decodeRgb } from '../models/images.ts';
import { selectColumns, withColumns } from '../schemas/batches.ts';
import { imageBytes } from '../schemas/provenance.ts';
import type { Stage } from '../schemas/stage.ts';

/**
 * Replaces the encoded `image` by `pixels` [side, side, 3], 0 to 255: decoded once, however many epochs read them.
 * Loses no row; throws on an image that doesn't decode, since curation let none through.
 */
export function decodeImages(options: {
  readonly side: number;
  readonly concurrency: number;
  readonly maxPixels: number;
}): Stage {
  const { side, concurrency, maxPixels } = options;
  const size = side * side * 3;
  return {
    name: 'decode-images',
    async *run(batches, context) {
      const queue = new PQueue({ concurrency });
      for await (const batch of batches) {
        context.signal.throwIfAborted();
        const pixels = new Uint8Array(batch.numRows * size);
        await queue.addAll(
          Array.from({ length: batch.numRows }, (_, i) => async () => {
            pixels.set(
              await decodeRgb(imageBytes(batch, i), { width: side, height: side }, maxPixels),
              i * size,
            );
          }),
        );
        const kept = batch.schema.names.map(String).filter((name) => name !== 'image');
        yield withColumns(selectColumns(batch, kept), { pixels: pixelData(pixels, size) });
      }
    },
  };
}

function pixelData(pixels: Uint8Array, size: number): Data {
  const type = new FixedSizeList(size, new Field('element', new Uint8(), false));
  const child = new Data(new Uint8(), 0, pixels.length, 0, { [BufferType.DATA]: pixels });
  return new Data(type, 0, pixels.length / size, 0, {}, [child]);
}
