import * as tf from '@tensorflow/tfjs';

/** Gives the parameter tensor of a name. Throws when there is none. */
export type Weights = (name: string) => tf.Tensor;

/** A batch of sequences laid out as rows: [batch * length, width]. */
export interface Rows {
  readonly batch: number;
  readonly length: number;
  readonly heads: number;
}

/** Added to the logits of pads: their attention is exactly 0 after the softmax. */
export const maskedLogit = -1e9;

/** Looks parameters up by name in a program's tensors. */
export function weightsFrom(tensors: Readonly<Record<string, tf.Tensor>>): Weights {
  return (name) => {
    const tensor = tensors[name];
    if (tensor === undefined) throw new Error(`the towers need the parameter '${name}'`);
    return tensor;
  };
}

/** A dense layer over rows: [n, in] to [n, out]. */
export function dense(weights: Weights, name: string, x: tf.Tensor): tf.Tensor {
  return tf.add(tf.matMul(x, weights(`${name}.weight`)), weights(`${name}.bias`));
}

/** Layer normalisation of each row (arXiv 1607.06450), epsilon 1e-6 as in Flax. */
export function layerNorm(weights: Weights, name: string, x: tf.Tensor): tf.Tensor {
  const centred = tf.sub(x, tf.mean(x, -1, true));
  const variance = tf.mean(tf.square(centred), -1, true);
  const unit = tf.mul(centred, tf.rsqrt(tf.add(variance, 1e-6)));
  return tf.add(tf.mul(unit, weights(`${name}.scale`)), weights(`${name}.bias`));
}

/** Two dense layers with a GELU between them (arXiv 1606.08415, with the error function). */
export function mlp(weights: Weights, name: string, x: tf.Tensor): tf.Tensor {
  return dense(weights, `${name}.contract`, gelu(dense(weights, `${name}.expand`, x)));
}

/** x Phi(x). Its gradient, Phi(x) + x phi(x), is written out: it takes fewer passes than the derived one. */
const gelu = tf.customGrad((x, save) => {
  const input = x as tf.Tensor;
  const cumulative = tf.add(tf.mul(tf.erf(tf.mul(input, Math.SQRT1_2)), 0.5), 0.5);
  (save as tf.GradSaveFunc)([input, cumulative]);
  return {
    value: tf.mul(input, cumulative),
    gradFunc: (dy: tf.Tensor, [saved, gate]: tf.Tensor[]) => {
      const at = saved as tf.Tensor;
      const density = tf.mul(tf.exp(tf.mul(tf.square(at), -0.5)), 1 / Math.sqrt(2 * Math.PI));
      return tf.mul(dy, tf.add(gate as tf.Tensor, tf.mul(at, density)));
    },
  };
});

/** A pre-norm transformer block over rows. `mask` [batch, 1, 1, length] is added to the attention's logits. */
export function block(
  weights: Weights,
  name: string,
  x: tf.Tensor,
  rows: Rows,
  mask: tf.Tensor | null,
): tf.Tensor {
  const normed = layerNorm(weights, `${name}.attention_norm`, x);
  const attended = tf.add(x, selfAttention(weights, `${name}.attention`, normed, rows, mask));
  return tf.add(attended, mlp(weights, `${name}.mlp`, layerNorm(weights, `${name}.mlp_norm`, attended)));
}

/** Multi-head self-attention over rows (arXiv 1706.03762, section 3.2). */
function selfAttention(
  weights: Weights,
  name: string,
  x: tf.Tensor,
  rows: Rows,
  mask: tf.Tensor | null,
): tf.Tensor {
  const width = x.shape[1] ?? 0;
  const { heads } = rows;
  // Scaling the query is less work than scaling the logits.
  const query = tf.mul(dense(weights, `${name}.query`, x), 1 / Math.sqrt(width / heads));
  const key = splitHeads(dense(weights, `${name}.key`, x), rows);
  const value = splitHeads(dense(weights, `${name}.value`, x), rows);
  const logits = tf.matMul(splitHeads(query, rows), key, false, true);
  const attention = tf.softmax(mask === null ? logits : tf.add(logits, mask));
  return dense(weights, `${name}.output`, mergeHeads(tf.matMul(attention, value), rows.length, width));
}

/**
 * Attention pooling (the MAP head of "Scaling Vision Transformers", arXiv 2106.04560): one learned probe attends to
 * the rows, then a residual MLP: [batch * length, width] to [batch, width].
 */
export function attentionPool(
  weights: Weights,
  name: string,
  x: tf.Tensor,
  rows: Rows,
  mask: tf.Tensor | null,
): tf.Tensor {
  const width = x.shape[1] ?? 0;
  const { batch, length, heads } = rows;
  const size = width / heads;
  const probe = dense(weights, `${name}.attention.query`, weights(`${name}.probe`));
  // One query serves the whole batch: a column per head, zero outside the head's rows, makes it one product.
  const columns = tf.mul(
    tf.reshape(tf.mul(probe, 1 / Math.sqrt(size)), [width, 1]),
    headColumns(width, heads),
  );
  const key = dense(weights, `${name}.attention.key`, x);
  const logits = tf.transpose(tf.reshape(tf.matMul(key, columns), [batch, length, heads]), [0, 2, 1]);
  const spread = tf.reshape(logits, [batch, heads, 1, length]);
  const attention = tf.softmax(mask === null ? spread : tf.add(spread, mask));
  const value = splitHeads(dense(weights, `${name}.attention.value`, x), rows);
  const pooled = mergeHeads(tf.matMul(attention, value), 1, width);
  const attended = dense(weights, `${name}.attention.output`, pooled);
  return tf.add(attended, mlp(weights, `${name}.mlp`, layerNorm(weights, `${name}.norm`, attended)));
}

/** Rows to unit length: [n, d]. */
export function normalizeRows(x: tf.Tensor): tf.Tensor {
  return tf.mul(x, tf.rsqrt(tf.add(tf.sum(tf.square(x), -1, true), 1e-12)));
}

/** [batch * length, width] to [batch, heads, length, width / heads]. */
function splitHeads(x: tf.Tensor, { batch, length, heads }: Rows): tf.Tensor {
  const width = x.shape[1] ?? 0;
  return tf.transpose(tf.reshape(x, [batch, length, heads, width / heads]), [0, 2, 1, 3]);
}

/** The inverse of {@link splitHeads}. */
function mergeHeads(x: tf.Tensor, length: number, width: number): tf.Tensor {
  const batch = x.shape[0] ?? 0;
  return tf.reshape(tf.transpose(x, [0, 2, 1, 3]), [batch * length, width]);
}

/** [width, heads], 1 where a row belongs to the head. */
function headColumns(width: number, heads: number): tf.Tensor {
  const size = width / heads;
  return tf.tensor2d(
    Float32Array.from({ length: width * heads }, (_, i) =>
      Number(Math.floor(i / heads / size) === i % heads),
    ),
    [width, heads],
  );
}
