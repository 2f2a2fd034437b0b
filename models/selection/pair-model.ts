/** The embeddings of a super-batch under one model, with the scale and bias of its logits. */
export interface PairModel {
  /** Unit rows [B, d]. */
  readonly images: Float32Array;
  /** Unit rows [B, d]. */
  readonly texts: Float32Array;
  readonly dimension: number;
  /** exp(t): what similarities are multiplied by. */
  readonly scale: number;
  readonly bias: number;
}

/** Which contrastive loss scores pairs: SigLIP's pairwise sigmoid, or CLIP's softmax. */
export type SelectionLoss = 'sigmoid' | 'softmax';

/** log(1 + e^x), without overflow. */
export function softplus(x: number): number {
  return Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)));
}

/** B: the pairs that a model embeds. Throws when its arrays aren't rows of its dimension, naming the model. */
export function pairsOf({ images, texts, dimension }: PairModel, name: string): number {
  if (images.length !== texts.length || images.length % dimension !== 0) {
    throw new Error(
      `the ${name}'s images and texts are ${images.length} and ${texts.length} numbers, not rows of ${dimension}`,
    );
  }
  return images.length / dimension;
}

/** Each pair's own similarity <x_i, y_i> in float64, [B]. Throws at the first pair that holds NaN or infinity. */
export function ownPairs({ images, texts, dimension: d }: PairModel, name: string): Float64Array {
  const similarities = new Float64Array(images.length / d);
  for (let i = 0; i < similarities.length; i += 1) {
    // Four sums at a time: the processor waits less for each.
    let [a, b, c, e] = [0, 0, 0, 0];
    let k = i * d;
    const end = k + d;
    for (; k + 3 < end; k += 4) {
      a += (images[k] as number) * (texts[k] as number);
      b += (images[k + 1] as number) * (texts[k + 1] as number);
      c += (images[k + 2] as number) * (texts[k + 2] as number);
      e += (images[k + 3] as number) * (texts[k + 3] as number);
    }
    for (; k < end; k += 1) a += (images[k] as number) * (texts[k] as number);
    const product = a + b + (c + e);
    // Infinity times anything is no finite number, and neither is what NaN was added to.
    if (!Number.isFinite(product)) {
      throw new Error(`pair ${i} has no finite score: the ${name}'s embeddings of it hold NaN or infinity`);
    }
    similarities[i] = product;
  }
  return similarities;
}

/**
 * A pair's own score, s_ii, by its similarity: the loss of the pair alone. The sigmoid's is softplus(-logit). The
 * softmax's is -scale <x, y>: what it adds to log-sum-exps, which count the others (their bias would cancel).
 */
export function ownScore(loss: SelectionLoss, { scale, bias }: PairModel, similarity: number): number {
  return loss === 'sigmoid' ? softplus(-(scale * similarity + bias)) : -scale * similarity;
}
