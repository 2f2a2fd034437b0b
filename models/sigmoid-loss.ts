import * as tf from '@tensorflow/tfjs';

/**
 * The pairwise sigmoid loss (SigLIP, arXiv 2303.15343, equation 1): the mean over images of the sum over texts of
 * -log sigmoid(z (t <x_i, y_j> + b)), z = 1 where i = j, else -1. `images` and `texts` are unit rows [B, d],
 * `scaleLog` is log t and `bias` is b, each [1]; the result is a scalar.
 */
export function sigmoidLoss(
  images: tf.Tensor,
  texts: tf.Tensor,
  scaleLog: tf.Tensor,
  bias: tf.Tensor,
): tf.Scalar {
  const batch = images.shape[0] ?? 0;
  const similarity = tf.matMul(images, texts, false, true);
  const logits = tf.add(tf.mul(similarity, tf.exp(scaleLog)), bias);
  const negatedSigns = tf.tensor2d(
    Float32Array.from({ length: batch * batch }, (_, i) => (i % (batch + 1) === 0 ? -1 : 1)),
    [batch, batch],
  );
  const losses = tf.softplus(tf.mul(logits, negatedSigns));
  return tf.div(tf.sum(losses), batch) as tf.Scalar;
}
