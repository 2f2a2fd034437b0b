import * as tf from '@tensorflow/tfjs';
import { patchesOf, type TowersConfig } from './config.ts';
import { attentionPool, block, dense, layerNorm, maskedLogit, normalizeRows, weightsFrom } from './layers.ts';

/**
 * The image tower: images [B, H, W, 3] in [-1, 1] to unit rows [B, d]. `tensors` holds the parameters by name. With a
 * `pool` over 1 it sees images and positions averaged over so many pixels and places a side: pool^2 fewer patches
 * (FlexiViT, arXiv 2212.08013; Flexi-JEST, 2406.17711). Throws when a parameter is missing.
 */
export function embedImages(
  config: TowersConfig,
  tensors: Readonly<Record<string, tf.Tensor>>,
  images: tf.Tensor,
  pool = 1,
): tf.Tensor {
  const weights = weightsFrom(tensors);
  const batch = images.shape[0] ?? 0;
  const { imageSize, patchSize, width } = config;
  const seen = { ...config, imageSize: imageSize / pool };
  const rows = { batch, length: patchesOf(seen), heads: config.heads };
  const embedded = dense(weights, 'image.patches', patchRows(seen, averaged(images, pool)));
  const side = imageSize / patchSize;
  const places = tf.reshape(weights('image.positions'), [1, side, side, width]);
  const positions = tf.reshape(averaged(places, pool), [rows.length, width]);
  let x = addPositions(embedded, positions, rows);
  for (let i = 0; i < config.depth; i += 1) x = block(weights, `image.blocks.${i}`, x, rows, null);
  const pooled = attentionPool(weights, 'image.head', layerNorm(weights, 'image.norm', x), rows, null);
  return normalizeRows(dense(weights, 'image.projection', pooled));
}

/** Images of their own shapes, as sequences of patches padded to one length. */
export interface PatchTensors {
  /** [B, N, patchSize^2 * 3] in [-1, 1]. */
  readonly patches: tf.Tensor;
  /** [B, N], 1 a patch, 0 a pad. */
  readonly mask: tf.Tensor;
  /** [B, N, places]: how each patch's position comes of the learned ones (`positionWeights`). */
  readonly positionWeights: tf.Tensor;
}

/**
 * The image tower as NaFlex (SigLIP 2, arXiv 2502.14786, section 2.4.2): images of any shape, by the same parameters, to
 * unit rows [B, d]. Pads are masked as keys, in the pooling too; as queries they may see what they like, for nothing
 * reads them. A square image of `imageSize` embeds as {@link embedImages} embeds it.
 */
export function embedPatches(
  config: TowersConfig,
  tensors: Readonly<Record<string, tf.Tensor>>,
  { patches, mask, positionWeights }: PatchTensors,
): tf.Tensor {
  const weights = weightsFrom(tensors);
  const [batch = 0, length = 0, size = 0] = patches.shape;
  const places = patchesOf(config);
  const rows = { batch, length, heads: config.heads };
  const pads = tf.reshape(tf.mul(tf.sub(1, mask), maskedLogit), [batch, 1, 1, length]);
  const embedded = dense(weights, 'image.patches', tf.reshape(patches, [batch * length, size]));
  const positions = tf.matMul(
    tf.reshape(positionWeights, [batch * length, places]),
    weights('image.positions'),
  );
  let x = tf.add(embedded, positions);
  for (let i = 0; i < config.depth; i += 1) x = block(weights, `image.blocks.${i}`, x, rows, pads);
  const pooled = attentionPool(weights, 'image.head', layerNorm(weights, 'image.norm', x), rows, pads);
  return normalizeRows(dense(weights, 'image.projection', pooled));
}

/** Means over squares of `pool` x `pool`: [n, s, s, c] to [n, s / pool, s / pool, c]. */
function averaged(x: tf.Tensor, pool: number): tf.Tensor {
  if (pool === 1) return x;
  const [count = 0, side = 0, , channels = 0] = x.shape;
  const small = side / pool;
  return tf.mean(tf.reshape(x, [count, small, pool, small, pool, channels]), [2, 4]);
}

/** Adds position embeddings [length, width] to each sequence of the rows. */
export function addPositions(
  x: tf.Tensor,
  positions: tf.Tensor,
  { batch, length }: { readonly batch: number; readonly length: number },
): tf.Tensor {
  const width = x.shape[1] ?? 0;
  return tf.reshape(tf.add(tf.reshape(x, [batch, length, width]), positions), [batch * length, width]);
}

/** Cuts images into rows of pixels, a row a patch, in reading order: [B * patches, patchSize^2 * 3]. */
function patchRows(config: TowersConfig, images: tf.Tensor): tf.Tensor {
  const { imageSize, patchSize } = config;
  const batch = images.shape[0] ?? 0;
  const side = imageSize / patchSize;
  const grid = tf.reshape(images, [batch, side, patchSize, side, patchSize, 3]);
  return tf.reshape(tf.transpose(grid, [0, 1, 3, 2, 4, 5]), [batch * side * side, patchSize * patchSize * 3]);
}
