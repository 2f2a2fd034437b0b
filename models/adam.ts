import * as tf from '@tensorflow/tfjs';

/** How Adam updates weights. */
export interface AdamOptions {
  /** Decoupled weight decay (AdamW, arXiv 1711.05101), times the learning rate. */
  readonly weightDecay: number;
  readonly beta1: number;
  readonly beta2: number;
  /** Added to the root of the second moment; 1e-8 by default. */
  readonly epsilon?: number | undefined;
  /** The largest global norm of the gradient; longer ones are scaled down to it. */
  readonly clipNorm: number;
}

/** A learning-rate schedule: linear warm-up, then a cosine to 0. */
export interface Schedule {
  readonly peak: number;
  /** Steps of the warm-up. */
  readonly warmup: number;
  /** All steps, the warm-up among them. */
  readonly total: number;
}

/**
 * The learning rate of a step (from 0): it rises linearly, reaches `peak` at step `warmup`, and falls along half a
 * cosine to 0 at step `total` (arXiv 1608.03983, without restarts). After that it stays 0.
 */
export function learningRateAt(step: number, { peak, warmup, total }: Schedule): number {
  // The first step would otherwise be wasted on a rate of 0.
  if (step < warmup) return (peak * (step + 1)) / (warmup + 1);
  if (step >= total) return 0;
  return (peak * (1 + Math.cos((Math.PI * (step - warmup)) / (total - warmup)))) / 2;
}

/** Vectors of all weights: their values, gradients and Adam's moments, and which of them decay; each [P]. */
export interface AdamState {
  readonly parameters: tf.Tensor;
  readonly gradients: tf.Tensor;
  readonly first: tf.Tensor;
  readonly second: tf.Tensor;
  /** 1 where weight decay applies, else 0. */
  readonly decays: tf.Tensor | null;
  /** Scalars. */
  readonly learningRate: tf.Tensor;
  /** 1 / (1 - beta1^step) and 1 / (1 - beta2^step), steps counted from 1. */
  readonly firstCorrection: tf.Tensor;
  readonly secondCorrection: tf.Tensor;
}

/**
 * One step of Adam (arXiv 1412.6980, algorithm 1) with the gradient clipped by its global norm first. Returns the
 * new weights and moments [P] and the norm before clipping, a scalar.
 */
export function adamStep(state: AdamState, options: AdamOptions) {
  const { beta1, beta2, clipNorm, weightDecay, epsilon = 1e-8 } = options;
  const gradientNorm = tf.sqrt(tf.sum(tf.square(state.gradients)));
  const gradients = tf.mul(state.gradients, tf.div(clipNorm, tf.maximum(gradientNorm, clipNorm)));
  const first = tf.add(tf.mul(state.first, beta1), tf.mul(gradients, 1 - beta1));
  const second = tf.add(tf.mul(state.second, beta2), tf.mul(tf.square(gradients), 1 - beta2));
  const root = tf.add(tf.sqrt(tf.mul(second, state.secondCorrection)), epsilon);
  const direction = tf.div(tf.mul(first, state.firstCorrection), root);
  const whole =
    weightDecay > 0 && state.decays !== null
      ? tf.add(direction, tf.mul(tf.mul(state.parameters, state.decays), weightDecay))
      : direction;
  const parameters = tf.sub(state.parameters, tf.mul(whole, state.learningRate));
  return { parameters, first, second, gradientNorm };
}
