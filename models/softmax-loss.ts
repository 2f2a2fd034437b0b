import * as tf from '@tensorflow/tfjs';

/** Embeddings of a batch with the scale of their logits. */
export interface ScaledEmbeddings {
  /** Unit rows [B, d]. */
  readonly images: tf.Tensor;
  /** Unit rows [B, d]. */
  readonly texts: tf.Tensor;
  /** log t, [1]. */
  readonly scaleLog: tf.Tensor;
}

/**
 * The softmax contrastive loss (CLIP, arXiv 2103.00020, figure 3): the mean of the cross-entropies of each image's
 * text among the batch's texts and of each text's image among its images. A scalar.
 */
export function softmaxLoss(batch: ScaledEmbeddings): tf.Scalar {
  const count = batch.images.shape[0] ?? 0;
  const logits = logitsOf(batch);
  const pairs = tf.eye(count);
  const agreement = (rows: tf.Tensor) => tf.sum(tf.mul(tf.logSoftmax(rows), pairs));
  const both = tf.add(agreement(logits), agreement(tf.transpose(logits)));
  return tf.div(tf.neg(both), 2 * count) as tf.Scalar;
}

/**
 * Softmax distillation (ACID, arXiv 2411.18674, the explicit term of ACED): the cross-entropy of the teacher's
 * contrastive probabilities of a batch and the student's, the mean over images of that among the texts and over texts
 * of that among the images. The dimensions of the two may differ; no gradient reaches the teacher. A scalar.
 */
export function softmaxDistillationLoss(student: ScaledEmbeddings, teacher: ScaledEmbeddings): tf.Scalar {
  const count = student.images.shape[0] ?? 0;
  const [taught, learnt] = [logitsOf(teacher), logitsOf(student)];
  const agreement = (from: tf.Tensor, to: tf.Tensor) => tf.sum(tf.mul(targets(from), tf.logSoftmax(to)));
  const both = tf.add(agreement(taught, learnt), agreement(tf.transpose(taught), tf.transpose(learnt)));
  return tf.div(tf.neg(both), 2 * count) as tf.Scalar;
}

/** Row-wise probabilities that are targets: what they came from gets no gradient. */
function targets(logits: tf.Tensor): tf.Tensor {
  const constant = tf.customGrad((x) => ({
    value: tf.softmax(x as tf.Tensor),
    gradFunc: () => tf.zerosLike(x as tf.Tensor),
  }));
  return constant(logits);
}

function logitsOf({ images, texts, scaleLog }: ScaledEmbeddings): tf.Tensor {
  return tf.mul(tf.matMul(images, texts, false, true), tf.exp(scaleLog));
}
