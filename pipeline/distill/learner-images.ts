import type { Embedder } from '../../models/embedder.ts';
import { emptyPatches, type PatchBatch, writePatches } from '../../models/naflex/patchify.ts';
import { drawSequenceLength } from '../../models/naflex/sequence-lengths.ts';
import { normalizePixels } from '../../models/pixels.ts';
import type { SuperBatch } from '../../schemas/super-batch.ts';

/** What of a super-batch are its images. */
export type SuperBatchImages = Pick<SuperBatch, 'keys' | 'pixels' | 'sizes' | 'sequenceLength'>;

/**
 * These images of a super-batch as a learner takes them: squares [n, side, side, 3] in [-1, 1], or, where the super-batch
 * has sizes and a sequence length, NaFlex's patches of that length.
 */
export function imagesOf(
  { keys, pixels, sizes, sequenceLength }: SuperBatchImages,
  indices: ArrayLike<number>,
  patchSize: number,
): Float32Array | PatchBatch {
  const length = pixels.length / keys.length;
  const bytesOf = (at: number) => pixels.subarray(at * length, (at + 1) * length);
  if (sizes === undefined || sequenceLength === undefined) {
    const gathered = new Uint8Array(indices.length * length);
    for (let i = 0; i < indices.length; i += 1) gathered.set(bytesOf(indices[i] as number), i * length);
    return normalizePixels(gathered);
  }
  const options = { patchSize, sequenceLength };
  const batch = emptyPatches(indices.length, options);
  for (let i = 0; i < indices.length; i += 1) {
    const at = indices[i] as number;
    const [height = 0, width = 0] = sizes.subarray(at * 2, at * 2 + 2);
    writePatches(batch, i, { pixels: bytesOf(at), height, width }, options);
  }
  return batch;
}

/** Embeds all images of a super-batch: unit rows [B, d]. */
export function embedSuperBatch(
  embedder: Pick<Embedder, 'embedImages' | 'embedPatches'>,
  superBatch: SuperBatchImages,
  patchSize: number,
): Promise<Float32Array> {
  const all = Uint32Array.from({ length: superBatch.keys.length }, (_, i) => i);
  const images = imagesOf(superBatch, all, patchSize);
  return images instanceof Float32Array
    ? embedder.embedImages(images, superBatch.keys.length)
    : embedder.embedPatches(images);
}

/** Gives each super-batch its sequence length, drawn by the seed and its number; the first is the `first`-th. */
export async function* withSequenceLengths(
  superBatches: AsyncGenerator<SuperBatch>,
  lengths: readonly number[],
  seed: string,
  first: number,
): AsyncGenerator<SuperBatch> {
  let n = first;
  for await (const superBatch of superBatches) {
    yield { ...superBatch, sequenceLength: drawSequenceLength(lengths, seed, n) };
    n += 1;
  }
}
