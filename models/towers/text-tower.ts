import * as tf from '@tensorflow/tfjs';
import type { TowersConfig } from './config.ts';
import { addPositions } from './image-tower.ts';
import { attentionPool, block, dense, layerNorm, normalizeRows, weightsFrom } from './layers.ts';

/** Added to the logits of pads: their attention is exactly 0 after the softmax. */
const masked = -1e9;

/**
 * The text tower: token ids int32 [B, T] to unit rows [B, d], T at most `textTokens`. Pads (id 0) take no part, so
 * the same text padded to another T has the same embedding. A text needs one token that isn't a pad.
 */
export function embedTokens(
  config: TowersConfig,
  tensors: Readonly<Record<string, tf.Tensor>>,
  tokens: tf.Tensor,
): tf.Tensor {
  const weights = weightsFrom(tensors);
  const [batch = 0, length = 0] = tokens.shape;
  const { textWidth: width } = config;
  const rows = { batch, length, heads: config.textHeads };
  const pads = tf.cast(tf.equal(tokens, tf.scalar(0, 'int32')), 'float32');
  const mask = tf.reshape(tf.mul(pads, masked), [batch, 1, 1, length]);
  const ids = tf.cast(tf.reshape(tokens, [batch * length]), 'int32') as tf.Tensor1D;
  const embedded = tf.gather(weights('text.embedding.weight'), ids);
  let x = addPositions(embedded, tf.slice(weights('text.positions'), [0, 0], [length, width]), rows);
  for (let i = 0; i < config.textDepth; i += 1) x = block(weights, `text.blocks.${i}`, x, rows, mask);
  const pooled = attentionPool(weights, 'text.head', layerNorm(weights, 'text.norm', x), rows, mask);
  return normalizeRows(dense(weights, 'text.projection', pooled));
}
