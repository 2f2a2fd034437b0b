import { BufferType, Data, type DataType, Field, FixedSizeList, Uint8, Uint16 } from 'apache-arrow';
import PQueue from 'p-queue';
import { decodeRgbWhole } from '../models/images.ts';
import { targetSize } from '../models/naflex/target-size.ts';
import { resampleRgb } from '../models/resample.ts';
import { selectColumns, withColumns } from '../schemas/batches.ts';
import { imageBytes } from '../schemas/provenance.ts';
import type { Stage } from '../schemas/stage.ts';

/**
 * Replaces the encoded `image` by `pixels`, 0 to 255, of its own shape at the size that NaFlex gives it in
 * `sequenceLength` patches, and `pixel_size` [height, width]: decoded once, however many epochs read them. The rows of
 * `pixels` are of one length, sequenceLength * patchSize^2 * 3, of which an image fills the beginning. Loses no row;
 * throws on an image that doesn't decode, since curation let none through.
 */
export function decodeNaflexImages(options: {
  readonly patchSize: number;
  readonly sequenceLength: number;
  readonly concurrency: number;
  readonly maxPixels: number;
}): Stage {
  const { patchSize, sequenceLength, concurrency, maxPixels } = options;
  const length = sequenceLength * patchSize * patchSize * 3;
  return {
    name: 'decode-naflex-images',
    async *run(batches, context) {
      const queue = new PQueue({ concurrency });
      for await (const batch of batches) {
        context.signal.throwIfAborted();
        const pixels = new Uint8Array(batch.numRows * length);
        const sizes = new Uint16Array(batch.numRows * 2);
        await queue.addAll(
          Array.from({ length: batch.numRows }, (_, i) => async () => {
            const image = await decodeRgbWhole(imageBytes(batch, i), maxPixels);
            const size = targetSize(image, patchSize, sequenceLength);
            const values = resampleRgb(image, size);
            for (let k = 0; k < values.length; k += 1) {
              pixels[i * length + k] = Math.round(((values[k] as number) + 1) * 127.5);
            }
            sizes.set([size.height, size.width], i * 2);
          }),
        );
        const kept = batch.schema.names.map(String).filter((name) => name !== 'image');
        yield withColumns(selectColumns(batch, kept), {
          pixels: listData(new Uint8(), pixels, length),
          pixel_size: listData(new Uint16(), sizes, 2),
        });
      }
    },
  };
}

function listData<T extends DataType>(type: T, values: Uint8Array | Uint16Array, size: number): Data {
  const list = new FixedSizeList(size, new Field('element', type, false));
  const child = new Data(type, 0, values.length, 0, { [BufferType.DATA]: values });
  return new Data(list, 0, values.length / size, 0, {}, [child]);
}
