import type { TensorValue } from '../executor.ts';
import type { TowersConfig } from '../towers.ts';
import type { PatchBatch } from './patchify.ts';
import { positionWeights } from './position-weights.ts';

/** A batch of patches as the towers' programs take it: `patches`, `mask`, `positionWeights`. */
export function patchValues(
  { imageSize, patchSize }: Pick<TowersConfig, 'imageSize' | 'patchSize'>,
  { count, sequenceLength, patches, mask, shapes }: PatchBatch,
): Record<string, TensorValue> {
  const side = imageSize / patchSize;
  const shape = [count, sequenceLength] as const;
  return {
    patches: { shape: [...shape, patchSize ** 2 * 3], dtype: 'float32', data: patches },
    mask: { shape, dtype: 'float32', data: Float32Array.from(mask) },
    positionWeights: {
      shape: [...shape, side * side],
      dtype: 'float32',
      data: positionWeights(shapes, sequenceLength, side),
    },
  };
}
