import { cropCount, hashBits } from './fingerprint.ts';

/** A run of a hash's bits: `bits` of them, from bit `shift` up. */
export interface Band {
  readonly shift: number;
  readonly bits: number;
}

/** How hashes are cut so that near ones meet. */
export interface BandPlan {
  readonly bands: readonly Band[];
  /** Bits in which two hashes may differ within a band and still meet there. */
  readonly flips: number;
}

/** Cuts a hash into bands that cover it, as equal as they can be. */
export function splitBands(count: number): Band[] {
  return Array.from({ length: count }, (_, i) => {
    const shift = Math.floor((i * hashBits) / count);
    return { shift, bits: Math.floor(((i + 1) * hashBits) / count) - shift };
  });
}

/** What bringing a row to the join of a partition costs, counted in comparisons of two hashes. */
const rowCost = 4;
/** Masks of a band at the most: more would be joined than any number of rows repays. */
const mostMasks = 4096;

/**
 * Chooses the bands for a radius: two hashes that differ in at most `radius` bits differ, in at least one of the
 * bands, in at most `flips` (the pigeonhole principle: bands x (flips + 1) > radius), so looking there misses none.
 * Many bands are cheap for few rows; few long bands keep the hashes that meet by chance few when rows are many
 * (Norouzi, Punjani and Fleet, "Fast Exact Search in Hamming Space with Multi-Index Hashing", 2014, section 3).
 */
export function planBands(radius: number, rows: number): BandPlan {
  let best: BandPlan & { cost: number } = { bands: [], flips: 0, cost: Infinity };
  for (let count = 1; count <= Math.min(hashBits, radius + 1); count += 1) {
    const flips = Math.ceil((radius + 1) / count) - 1;
    const bands = splitBands(count);
    const cost = bands.reduce((sum, { bits }) => {
      const masks = maskCount(bits, flips);
      return sum + rowCost * (cropCount + masks) + (cropCount * masks * rows) / 2 ** bits;
    }, 0);
    const isAffordable = bands.every(({ bits }) => maskCount(bits, flips) <= mostMasks);
    if (isAffordable && cost < best.cost) best = { bands, flips, cost };
  }
  return { bands: best.bands, flips: best.flips };
}

/** Rows that one band joins: the crops of each row of the data set, and its hash under every mask. */
export function bandRows(plan: BandPlan, rows: number): number {
  return rows * (cropCount + Math.max(...plan.bands.map(({ bits }) => maskCount(bits, plan.flips))));
}

/** How many masks {@link flipMasks} gives. */
export function maskCount(bits: number, flips: number): number {
  let [sum, choices] = [1, 1];
  for (let k = 1; k <= Math.min(flips, bits); k += 1) {
    choices = (choices * (bits - k + 1)) / k;
    sum += choices;
  }
  return sum;
}

/** All numbers of `bits` bits of which at most `flips` are set, as signed 64-bit integers; 0 first. */
export function flipMasks(bits: number, flips: number): bigint[] {
  const masks = [0n];
  // Those with k bits set grow from those with k - 1 by a bit above their highest.
  let last: { mask: bigint; next: number }[] = [{ mask: 0n, next: 0 }];
  for (let k = 1; k <= Math.min(flips, bits); k += 1) {
    last = last.flatMap(({ mask, next }) =>
      Array.from({ length: bits - next }, (_, i) => ({
        mask: mask | (1n << BigInt(next + i)),
        next: next + i + 1,
      })),
    );
    for (const { mask } of last) masks.push(BigInt.asIntN(64, mask));
  }
  return masks;
}
