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

/** What one pass over a model's own pairs tells. */
export interface OwnPairs {
  /** <x_i, y_i> in float64, [B]. */
  readonly similarities: Float64Array;
  /** The largest similarity that any image and text can have: the product of the longest rows' lengths. */
  readonly bound: number;
}

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

/** Each pair's own similarity. Throws at the first pair that holds NaN or infinity. */
export function ownPairs({ images, texts, dimension: d }: PairModel, name: string): OwnPairs {
  const count = images.length / d;
  const similarities = new Float64Array(count);
  let longestImage = 0;
  let longestText = 0;
  for (let i = 0; i < count; i += 1) {
    let product = 0;
    let imageSquare = 0;
    let textSquare = 0;
    for (let k = i * d; k < (i + 1) * d; k += 1) {
      const x = images[k] as number;
      const y = texts[k] as number;
      product += x * y;
      imageSquare += x * x;
      textSquare += y * y;
    }
    if (!Number.isFinite(imageSquare + textSquare)) {
      throw new Error(`pair ${i} has no finite score: the ${name}'s embeddings of it hold NaN or infinity`);
    }
    similarities[i] = product;
    longestImage = Math.max(longestImage, imageSquare);
    longestText = Math.max(longestText, textSquare);
  }
  return { similarities, bound: Math.sqrt(longestImage * longestText) };
}

/**
 * A pair's own score, s_ii, by its similarity: the loss of the pair alone. The sigmoid's is softplus(-logit). The
 * softmax's is -scale <x, y>: what it adds to log-sum-exps, which count the others (their bias would cancel).
 */
export function ownScore(loss: SelectionLoss, { scale, bias }: PairModel, similarity: number): number {
  return loss === 'sigmoid' ? softplus(-(scale * similarity + bias)) : -scale * similarity;
}
