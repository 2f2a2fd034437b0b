import { Refusal } from './refusal.ts';

/** One of several data-parallel trainers. */
export interface Rank {
  readonly rank: number;
  readonly world: number;
}

/** The one trainer that there is. */
export const alone: Rank = { rank: 0, world: 1 };

/**
 * A trainer's slice of `count` rows: every `world`-th from `rank` on, so that slices are equally long and alike, however
 * the rows are ordered. Throws a {@link Refusal} when they don't divide.
 */
export function sliceOf(count: number, { rank, world }: Rank, what: string): Uint32Array {
  if (count % world !== 0) {
    throw new Refusal(400, `a ${what} of ${count} pairs doesn't divide among ${world} trainers`);
  }
  return Uint32Array.from({ length: count / world }, (_, i) => rank + i * world);
}
