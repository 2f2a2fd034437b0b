/**
 * The area under the ROC curve: how often a positive has the higher score, ties counting half (Mann and Whitney).
 * Half where one side is empty.
 */
export function areaUnderCurve(scores: readonly number[], positive: readonly boolean[]): number {
  const order = scores.map((_, i) => i).sort((a, b) => (scores[a] ?? 0) - (scores[b] ?? 0));
  let [rankSum, positives] = [0, 0];
  for (let from = 0; from < order.length; ) {
    let to = from;
    while (to < order.length && scores[order[to] ?? 0] === scores[order[from] ?? 0]) to += 1;
    // Equal scores share the mean of their ranks, from 1.
    const rank = (from + 1 + to) / 2;
    for (const i of order.slice(from, to)) {
      if (positive[i] === true) {
        rankSum += rank;
        positives += 1;
      }
    }
    from = to;
  }
  const negatives = order.length - positives;
  if (positives === 0 || negatives === 0) return 0.5;
  return (rankSum - (positives * (positives + 1)) / 2) / (positives * negatives);
}
