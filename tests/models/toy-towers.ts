import type { TensorValue } from '../../models/executor.ts';
import {
  initializeParameters,
  type Parameters,
  type TowersConfig,
  towersConfigSchema,
} from '../../models/towers.ts';
import { createRandom } from '../../schemas/random.ts';

/** Towers small enough for the plain JavaScript backend. */
export const toyConfig: TowersConfig = towersConfigSchema.parse({
  imageSize: 8,
  patchSize: 4,
  width: 12,
  depth: 2,
  heads: 3,
  mlpRatio: 2,
  embeddingDim: 4,
  textWidth: 8,
  textDepth: 1,
  textHeads: 2,
  textTokens: 64,
});

/** Parameters away from their start, so that no gradient is zero by symmetry. */
export function stirred(config: TowersConfig): Parameters {
  const noise = createRandom('stir');
  return Object.fromEntries(
    Object.entries(initializeParameters(config, createRandom(7))).map(([name, value]) => [
      name,
      { ...value, data: Float32Array.from(value.data, (x) => x + 0.1 * noise.normal()) },
    ]),
  );
}

/** Normal draws, from a seed. */
export function normals(length: number, seed: number | string): Float32Array {
  const random = createRandom(seed);
  return Float32Array.from({ length }, () => random.normal());
}

/** A float32 tensor of normal draws. */
export function tensor(shape: readonly number[], seed: number | string): TensorValue {
  const length = shape.reduce((size, dimension) => size * dimension, 1);
  return { shape, dtype: 'float32', data: normals(length, seed) };
}

/** The largest absolute difference; infinite where lengths differ. */
export function worst(a: ArrayLike<number>, b: ArrayLike<number>): number {
  if (a.length !== b.length) return Number.POSITIVE_INFINITY;
  let most = 0;
  for (let i = 0; i < a.length; i += 1) {
    const difference = Math.abs((a[i] ?? Number.NaN) - (b[i] ?? Number.NaN));
    if (!(difference <= most)) most = difference;
  }
  return most;
}
