import type { SelectionLoss } from './pair-model.ts';
import type { TileSums } from './tile-sums.ts';

/**
 * A model's part of the conditional scores of all pairs, given those picked so far, in float64: what a chunk adds
 * is summed up, never computed again.
 */
export interface RunningScores {
  /** Adds a tile's sums; `rows` tells which pair is at a place. */
  add(tile: TileSums, rows: Uint32Array): void;
  /** Adds the model's part, times `sign`, to the scores [B] of the pairs at the first `open` places. */
  addTo(scores: Float64Array, sign: number, rows: Uint32Array, open: number): void;
}

/**
 * The sigmoid's part is the sum of its losses with the picked pairs, in both directions (JEST, algorithm 1). The
 * softmax's is the mean of the two log-sum-exps of its logits with them, each kept as a running maximum and a sum
 * of exponentials below it.
 */
export function createRunningScores(count: number, loss: SelectionLoss): RunningScores {
  return loss === 'sigmoid' ? createSums(count) : createLogSumExps(count);
}

function createSums(count: number): RunningScores {
  const sums = new Float64Array(count);
  return {
    add({ start, values: [tile = new Float64Array()] }, rows) {
      for (let i = 0; i < tile.length; i += 1) {
        const row = rows[start + i] as number;
        sums[row] = (sums[row] as number) + (tile[i] as number);
      }
    },
    addTo(scores, sign, rows, open) {
      for (let place = 0; place < open; place += 1) {
        const row = rows[place] as number;
        scores[row] = (scores[row] as number) + sign * (sums[row] as number);
      }
    },
  };
}

function createLogSumExps(count: number): RunningScores {
  const directions = [createLogSumExp(count), createLogSumExp(count)] as const;
  return {
    add({ start, values }, rows) {
      for (const [k, direction] of directions.entries()) {
        const tile = values[k] ?? new Float64Array();
        for (let i = 0; i < tile.length; i += 1) direction.add(rows[start + i] as number, tile[i] as number);
      }
    },
    addTo(scores, sign, rows, open) {
      for (let place = 0; place < open; place += 1) {
        const row = rows[place] as number;
        const mean = (directions[0].of(row) + directions[1].of(row)) / 2;
        scores[row] = (scores[row] as number) + sign * mean;
      }
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
      sums[row] = (sums[row] as number) * Math.exp(before - after) + Math.exp(value - after);
      highest[row] = after;
    },
    of: (row: number) => (highest[row] as number) + Math.log(sums[row] as number),
  };
}
