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

/** log(1 + e^x), without overflow. */
export function softplus(x: number): number {
  return Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)));
}

/** The pairwise sigmoid loss of image i with text j: softplus(-z (scale <x, y> + bias)), z = 1 when i = j, else -1. */
export function pairLoss(model: PairModel, i: number, j: number): number {
  const { images, texts, dimension: d } = model;
  let dot = 0;
  for (let k = 0; k < d; k += 1) dot += (images[i * d + k] ?? 0) * (texts[j * d + k] ?? 0);
  const logit = model.scale * dot + model.bias;
  return softplus(i === j ? -logit : logit);
}

/** Each pair's own loss, the diagonal: [B]. */
export function ownLosses(model: PairModel): Float64Array {
  const count = model.images.length / model.dimension;
  return Float64Array.from({ length: count }, (_, i) => pairLoss(model, i, i));
}

/** Rows of a tile: what stays in the processor's cache while its products are made. */
const tileRows = 64;

/**
 * Adds to `sums` [B] what newly picked pairs contribute to every pair's conditional score, times `sign`: the sum
 * over picked j of loss(i, j) + loss(j, i). No B x B matrix is made: products go by tiles and are reduced at once.
 */
export function addPickedLosses(
  model: PairModel,
  picked: readonly number[],
  sign: number,
  sums: Float64Array,
): void {
  const { images, texts, dimension: d } = model;
  for (let start = 0; start < sums.length; start += tileRows) {
    const end = Math.min(sums.length, start + tileRows);
    for (const j of picked) {
      const [pickedImage, pickedText] = [j * d, j * d];
      for (let i = start; i < end; i += 1) {
        if (i === j) continue;
        const at = i * d;
        let toText = 0;
        let toImage = 0;
        for (let k = 0; k < d; k += 1) {
          toText += (images[at + k] as number) * (texts[pickedText + k] as number);
          toImage += (texts[at + k] as number) * (images[pickedImage + k] as number);
        }
        sums[i] =
          (sums[i] as number) +
          sign * (softplus(model.scale * toText + model.bias) + softplus(model.scale * toImage + model.bias));
      }
    }
  }
}
