import type { Random } from '../../schemas/random.ts';

/**
 * Logits with Gumbel noise, of which the k highest are a draw of k without replacement with probability proportional
 * to exp(logit) (arXiv 1903.06059). Draws once per logit, in their order.
 */
export function withGumbelNoise(logits: Float64Array, random: Random): Float64Array {
  const noisy = new Float64Array(logits.length);
  for (let i = 0; i < logits.length; i += 1) {
    noisy[i] = (logits[i] as number) - Math.log(-Math.log1p(-random.uniform()));
  }
  return noisy;
}

/** The indices of the k highest values that aren't taken, best first, ties to the lower index. */
export function highest(values: Float64Array, taken: Uint8Array, k: number): Uint32Array {
  const open: number[] = [];
  for (let i = 0; i < values.length; i += 1) if (!taken[i]) open.push(i);
  if (k <= 0 || open.length === 0) return new Uint32Array();
  // A sort of plain numbers finds the last value that is in; only what is in is then sorted by index as well.
  const sorted = Float64Array.from(open, (i) => values[i] as number).sort();
  const last = sorted[Math.max(0, sorted.length - k)] as number;
  const inside = open.filter((i) => (values[i] as number) > last);
  const atLast = open.filter((i) => values[i] === last).slice(0, Math.max(0, k - inside.length));
  inside.push(...atLast);
  inside.sort((a, b) => (values[b] as number) - (values[a] as number) || a - b);
  return Uint32Array.from(inside);
}

/** The sizes of the chunks of a batch of b: floor(b / N) each, the remainder in the last; never an empty one. */
export function chunkSizes(batch: number, chunks: number): number[] {
  const count = Math.min(chunks, batch);
  if (count === 0) return [];
  const size = Math.floor(batch / count);
  return Array.from({ length: count }, (_, i) => (i === count - 1 ? batch - size * (count - 1) : size));
}
