import * as tf from '@tensorflow/tfjs';
import type { TowersConfig } from './config.ts';
import { addPositions } from './image-tower.ts';
import {
  attentionPool,
  block,
  dense,
  layerNorm,
  maskedLogit,
  normalizeRows,
  type Rows,
  type Weights,
  weightsFrom,
} from './layers.ts';

/**
 * The text tower: token ids int32 [B, T] to unit rows [B, d], T at most `textTokens` and a
 * multiple of `textStride`. Pads (id 0) take no part, so
 * the same text padded to another T has the same embedding. A text needs one token that isn't a pad.
 */
export function embedTokens(
  config: TowersConfig,
  tensors: Readonly<Record<string, tf.Tensor>>,
  tokens: tf.Tensor,
): tf.Tensor {
  const weights = weightsFrom(tensors);
  const [batch = 0, tokenCount = 0] = tokens.shape;
  const { textWidth: width, textStride: stride } = config;
  const length = tokenCount / stride;
  const rows = { batch, length, heads: config.textHeads };
  const pads = tf.cast(tf.equal(tokens, tf.scalar(0, 'int32')), 'float32');
  // Pads come last: a position is one when its first token is.
  const first =
    stride === 1 ? pads : tf.slice(tf.reshape(pads, [batch, length, stride]), [0, 0, 0], [-1, -1, 1]);
  const mask = tf.reshape(tf.mul(first, maskedLogit), [batch, 1, 1, length]);
  const ids = tf.cast(tf.reshape(tokens, [batch * tokenCount]), 'int32') as tf.Tensor1D;
  const embedded = tf.gather(weights('text.embedding.weight'), ids);
  const merged = stride === 1 ? embedded : mergeTokens(weights, embedded, pads, rows, stride);
  let x = addPositions(merged, tf.slice(weights('text.positions'), [0, 0], [length, width]), rows);
  for (let i = 0; i < config.textDepth; i += 1) x = block(weights, `text.blocks.${i}`, x, rows, mask);
  const pooled = attentionPool(weights, 'text.head', layerNorm(weights, 'text.norm', x), rows, mask);
  return normalizeRows(dense(weights, 'text.projection', pooled));
}

/** Makes each position from its own tokens and as many after them: [B * T, w] to [B * T / stride, w]. */
function mergeTokens(
  weights: Weights,
  embedded: tf.Tensor,
  pads: tf.Tensor,
  { batch, length }: Rows,
  stride: number,
): tf.Tensor {
  const width = embedded.shape[1] ?? 0;
  const group = stride * width;
  // What is beyond the text counts as nothing, so that it is the same at every padded width.
  const present = tf.reshape(tf.sub(1, pads), [batch * length * stride, 1]);
  const own = tf.reshape(tf.mul(embedded, present), [batch, length, group]);
  // Zeros of the batch's own size: exported towers take a batch of any.
  const beyond = tf.mul(tf.slice(own, [0, 0, 0], [-1, 1, -1]), 0);
  const next = tf.slice(tf.concat([own, beyond], 1), [0, 1, 0], [-1, length, -1]);
  return dense(weights, 'text.merge', tf.reshape(tf.concat([own, next], 2), [batch * length, 2 * group]));
}
