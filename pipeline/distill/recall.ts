/**
 * For each query row the rank of its own candidate (the one of the same index) by inner product, 0 the best, [n].
 * Of equal candidates the earlier ranks higher, so that rows that are all alike find nothing by their likeness.
 */
export function rankOfOwn(queries: Float32Array, candidates: Float32Array, d: number): Uint32Array {
  const count = queries.length / d;
  const ranks = new Uint32Array(count);
  for (let i = 0; i < count; i += 1) {
    const own = dot(queries, i, candidates, i, d);
    let rank = 0;
    for (let j = 0; j < count; j += 1) {
      if (j === i) continue;
      const other = dot(queries, i, candidates, j, d);
      if (other > own || (other === own && j < i) || Number.isNaN(other)) rank += 1;
    }
    ranks[i] = Number.isNaN(own) ? count - 1 : rank;
  }
  return ranks;
}

/** The share of ranks under k: recall at k, in [0, 1]; 0 for no ranks. */
export function recallAt(ranks: ArrayLike<number>, k: number): number {
  let found = 0;
  for (let i = 0; i < ranks.length; i += 1) if ((ranks[i] ?? k) < k) found += 1;
  return ranks.length > 0 ? found / ranks.length : 0;
}

function dot(a: Float32Array, i: number, b: Float32Array, j: number, d: number): number {
  let sum = 0;
  for (let k = 0; k < d; k += 1) sum += (a[i * d + k] as number) * (b[j * d + k] as number);
  return sum;
}
