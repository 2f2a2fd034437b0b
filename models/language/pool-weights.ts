/** Letters of a text at which the members' weights are given; between these they go straight in the logarithm. */
export const knots = [2, 4, 8, 16, 32, 64] as const;

/** Where a text of so many letters stands among the {@link knots}: `lower`, and its share of the way to the next. */
export interface Place {
  readonly lower: number;
  readonly share: number;
}

/** The place of a text of `letters` letters among the {@link knots}; texts beyond either end are put at it. */
export function placeOf(letters: number): Place {
  const steps = Math.log2(Math.max(letters, 1)) - 1;
  const last = knots.length - 1;
  if (steps <= 0) return { lower: 0, share: 0 };
  if (steps >= last) return { lower: last - 1, share: 1 };
  const lower = Math.floor(steps);
  return { lower, share: steps - lower };
}

/** A weight [knots] at a place. */
export function weightAt(weights: readonly number[] | Float64Array, { lower, share }: Place): number {
  return (1 - share) * (weights[lower] ?? 0) + share * (weights[lower + 1] ?? 0);
}
