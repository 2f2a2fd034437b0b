import type { Rows } from './row-order.ts';

/**
 * Groups of two rows or more that are the same in every matrix, each in ascending order. Their scores are equal by
 * definition, which products in tiles need not be to the last bit. `scores` [B] must be equal for equal rows: only
 * rows whose scores are equal are compared.
 */
export function duplicateRows(scores: Float64Array, matrices: readonly Rows[]): number[][] {
  const same = (i: number, j: number) =>
    matrices.every(({ values, dimension: d }) => {
      for (let k = 0; k < d; k += 1) if (values[i * d + k] !== values[j * d + k]) return false;
      return true;
    });
  const firsts = new Map<number, number>();
  const groups = new Map<number, number[][]>();
  for (let i = 0; i < scores.length; i += 1) {
    const score = scores[i] as number;
    const first = firsts.get(score);
    if (first === undefined) {
      firsts.set(score, i);
      continue;
    }
    const known = groups.get(score) ?? [[first]];
    groups.set(score, known);
    const group = known.find(([leader = 0]) => same(leader, i));
    if (group) group.push(i);
    else known.push([i]);
  }
  return [...groups.values()].flat().filter((group) => group.length > 1);
}

/** Gives the rows of each group that aren't taken the logit of the first of those. */
export function equalizeDuplicates(
  logits: Float64Array,
  groups: readonly (readonly number[])[],
  taken: Uint8Array,
): void {
  for (const group of groups) {
    const first = group.find((i) => !taken[i]);
    if (first === undefined) continue;
    for (const i of group) if (!taken[i]) logits[i] = logits[first] as number;
  }
}
