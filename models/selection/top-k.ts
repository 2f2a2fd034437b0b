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
  const open = new Float64Array(values.length);
  let count = 0;
  for (let i = 0; i < values.length; i += 1) if (!taken[i]) open[count++] = values[i] as number;
  const wanted = Math.min(k, count);
  if (wanted <= 0) return new Uint32Array();
  const last = orderStatistic(open.subarray(0, count), count - wanted);
  const inside: number[] = [];
  const atLast: number[] = [];
  for (let i = 0; i < values.length; i += 1) {
    const value = values[i] as number;
    if (taken[i] || value < last) continue;
    (value > last ? inside : atLast).push(i);
  }
  inside.push(...atLast.slice(0, wanted - inside.length));
  inside.sort((a, b) => (values[b] as number) - (values[a] as number) || a - b);
  return Uint32Array.from(inside);
}

/** The value that is at place k (from 0) when sorted: Hoare's quickselect, which reorders the values. */
function orderStatistic(values: Float64Array, k: number): number {
  let low = 0;
  let high = values.length - 1;
  while (low < high) {
    const pivot = values[(low + high) >> 1] as number;
    let i = low;
    let j = high;
    while (i <= j) {
      while ((values[i] as number) < pivot) i += 1;
      while ((values[j] as number) > pivot) j -= 1;
      if (i > j) break;
      const held = values[i] as number;
      values[i] = values[j] as number;
      values[j] = held;
      i += 1;
      j -= 1;
    }
    if (k <= j) high = j;
    else if (k >= i) low = i;
    else break;
  }
  return values[k] as number;
}

/** The sizes of the chunks of a batch of b: floor(b / N) each, the remainder in the last; never an empty one. */
export function chunkSizes(batch: number, chunks: number): number[] {
  const count = Math.min(chunks, batch);
  if (count === 0) return [];
  const size = Math.floor(batch / count);
  return Array.from({ length: count }, (_, i) => (i === count - 1 ? batch - size * (count - 1) : size));
}
