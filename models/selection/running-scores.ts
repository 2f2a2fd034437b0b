import type { SelectionLoss } from './pair-model.ts';
import type { TileSums } from './tile-sums.ts';

/**
 * A model's part of the conditional scores of all pairs, given those picked so far, in float64: what a chunk adds
 * is summed up, never computed again.
 */
export interface RunningScores {
  /** Adds a tile's sums; `rowAt` tells which pair is at a place. */
  add(tile: TileSums, rowAt: (place: number) => number): void;
  /** The part of pair i: 0 while nothing is picked. */
  of(i: number): number;
}

/**
 * The sigmoid's part is the sum of its losses with the picked pairs, in both directions (JEST, algorithm 1). The
 * softmax's is the mean of the two log-sum-exps of its logits with them, each kept as a running maximum and a sum
 * of exponentials below it.
 */
export function createRunningScores(count: number, loss: SelectionLoss): RunningScores {
  if (loss === 'sigmoid') {
    const sums = new Float64Array(count);
    return {
      add({ start, values: [tile = [] as never] }, rowAt) {
        for (let i = 0; i < tile.length; i += 1) {
          const row = rowAt(start + i);
          sums[row] = (sums[row] as number) + (tile[i] as number);
        }
      },
      of: (i) => sums[i] ?? 0,
    };
  }
  const directions = [createLogSumExp(count), createLogSumExp(count)] as const;
  return {
    add({ start, values }, rowAt) {
      for (const [k, direction] of directions.entries()) {
        const tile = values[k] ?? [];
        for (let i = 0; i < tile.length; i += 1) direction.add(rowAt(start + i), tile[i] as number);
      }
    },
    of(i) {
      const [toTexts, toImages] = [directions[0].of(i), directions[1].of(i)];
      // Before the first pick both are the log of nothing.
      return toTexts === Number.NEGATIVE_INFINITY ? 0 : (toTexts + toImages) / 2;
    },
  };
}

function createLogSumExp(count: number) {
  const highest = new Float64Array(count).fill(Number.NEGATIVE_INFINITY);
  const sums = new Float64Array(count);
  return {
    add(row: number, value: number) {
      const before = highest[row] as number;
      const after = Math.max(before, value);
      if (after === Number.NEGATIVE_INFINITY) return;
      sums[row] = (sums[row] as number) * Math.exp(before - after) + Math.exp(value - after);
      highest[row] = after;
    },
    of: (row: number) => (highest[row] as number) + Math.log(sums[row] as number),
  };
}
