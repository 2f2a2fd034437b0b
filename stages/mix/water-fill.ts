/**
 * Shares `total` by weight, none over its cap: what a capped one can't take goes to the others, by weight again.
 * Whole numbers by largest remainder, ties to the earlier. Sums to min(total, sum of caps).
 */
export function waterFill(total: number, weights: readonly number[], caps: readonly number[]): number[] {
  const shares = new Array<number>(weights.length).fill(0);
  let left = Math.min(total, sum(caps));
  let open = weights.map((_, i) => i).filter((i) => (weights[i] ?? 0) > 0 && (caps[i] ?? 0) > 0);
  while (open.length > 0 && left > 0) {
    const weight = sum(open.map((i) => weights[i] ?? 0));
    const full = open.filter((i) => (left * (weights[i] ?? 0)) / weight >= (caps[i] ?? 0));
    if (full.length === 0) {
      largestRemainder(left, open, weights, weight, shares);
      break;
    }
    for (const i of full) {
      shares[i] = caps[i] ?? 0;
      left -= caps[i] ?? 0;
    }
    const closed = new Set(full);
    open = open.filter((i) => !closed.has(i));
  }
  return shares;
}

function largestRemainder(
  left: number,
  open: readonly number[],
  weights: readonly number[],
  weight: number,
  shares: number[],
): void {
  const exact = open.map((i) => ({ i, share: (left * (weights[i] ?? 0)) / weight }));
  let over = left;
  for (const { i, share } of exact) {
    shares[i] = Math.floor(share);
    over -= Math.floor(share);
  }
  const byRemainder = [...exact].sort((a, b) => (b.share % 1) - (a.share % 1) || a.i - b.i);
  for (const { i } of byRemainder.slice(0, over)) shares[i] = (shares[i] ?? 0) + 1;
}

const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);

/**
 * As {@link waterFill}, but none is given less than its floor: one whose share is under it has its floor, and the others
 * share what that leaves. Sums to min(total, sum of caps) where the floors allow it, and to the floors where they don't.
 */
export function waterFillOver(
  total: number,
  weights: readonly number[],
  caps: readonly number[],
  floors: readonly number[],
): number[] {
  const held = new Set<number>();
  for (;;) {
    const left = Math.max(0, total - sum([...held].map((i) => floors[i] ?? 0)));
    const shares = waterFill(
      left,
      weights.map((weight, i) => (held.has(i) ? 0 : weight)),
      caps,
    ).map((share, i) => (held.has(i) ? (floors[i] ?? 0) : share));
    const under = shares.flatMap((share, i) => (share < (floors[i] ?? 0) ? [i] : []));
    if (under.length === 0) return shares;
    for (const i of under) held.add(i);
  }
}
