import { describe, expect, it } from 'vitest';
import { duplicateRows, equalizeDuplicates } from '../../models/selection/duplicates.ts';
import { createRowOrder } from '../../models/selection/row-order.ts';
import { createRunningScores, type RunningScores } from '../../models/selection/running-scores.ts';
import { highest } from '../../models/selection/top-k.ts';
import { createRandom } from '../../schemas/random.ts';

describe('the k highest', () => {
  const none = (n: number) => new Uint8Array(n);
  it('come best first, ties to the lower index, without those taken', () => {
    const values = Float64Array.of(3, 9, 3, 5, 9, 3, 5);
    expect([...highest(values, none(7), 5)]).toEqual([1, 4, 3, 6, 0]);
    expect([...highest(values, Uint8Array.of(0, 1, 0, 0, 0, 0, 1), 3)]).toEqual([4, 3, 0]);
  });
  it('are all that is open where k is more', () => {
    expect([...highest(Float64Array.of(1, 2, 3), Uint8Array.of(0, 1, 0), 9)]).toEqual([2, 0]);
    expect([...highest(Float64Array.of(1), Uint8Array.of(1), 1)]).toEqual([]);
    expect([...highest(Float64Array.of(1, 2), none(2), 0)]).toEqual([]);
  });
  it('are those of a whole sort', () => {
    const random = createRandom(2);
    const values = Float64Array.from({ length: 500 }, () => random.integer(40) - 20);
    const sorted = Array.from(values.keys()).sort((a, b) => (values[b] ?? 0) - (values[a] ?? 0) || a - b);
    expect([...highest(values, none(500), 123)]).toEqual(sorted.slice(0, 123));
  });
});

describe('the order of rows', () => {
  const matrix = () => ({ values: Float32Array.from({ length: 20 }, (_, i) => i), dimension: 2 });
  it('keeps picked rows behind the open ones, the newest first', () => {
    const rows = matrix();
    const order = createRowOrder(10, [rows]);
    order.pick([3, 9]);
    expect(order.open()).toBe(8);
    expect(new Set(order.rows.subarray(8))).toEqual(new Set([3, 9]));
    order.pick([0, 8, 1]);
    expect(new Set(order.rows.subarray(5, 8))).toEqual(new Set([0, 1, 8]));
    for (let place = 0; place < 10; place += 1) {
      expect(rows.values[place * 2]).toBe((order.rows[place] ?? 0) * 2);
      expect(rows.values[place * 2 + 1]).toBe((order.rows[place] ?? 0) * 2 + 1);
    }
    order.restore();
    expect(rows).toEqual(matrix());
    expect(order.open()).toBe(10);
    expect(order.rows[3]).toBe(3);
  });
});

describe('duplicate rows', () => {
  const rows = (...values: number[]) => ({ values: Float32Array.from(values), dimension: 1 });
  it('are those that are the same in every matrix', () => {
    const groups = duplicateRows(Float64Array.of(1, 1, 1, 2, 1, 2), [
      rows(5, 5, 6, 7, 5, 7),
      rows(8, 8, 8, 9, 8, 3),
    ]);
    expect(groups).toEqual([[0, 1, 4]]);
  });
  it('may be several groups of the same score', () => {
    expect(duplicateRows(new Float64Array(5), [rows(1, 2, 1, 2, 3)])).toEqual([
      [0, 2],
      [1, 3],
    ]);
  });
  it('get the logit of the first that is open', () => {
    const logits = Float64Array.of(1, 2, 3, 4, 5);
    equalizeDuplicates(
      logits,
      [
        [0, 2, 3],
        [1, 4],
      ],
      Uint8Array.of(1, 0, 0, 0, 0),
    );
    expect([...logits]).toEqual([1, 2, 3, 3, 2]);
  });
});

describe('running scores', () => {
  const scoresOf = (running: RunningScores, count: number, sign = 1) => {
    const scores = new Float64Array(count).fill(100);
    running.addTo(scores, sign, Uint32Array.from(scores.keys()), count);
    return [...scores].map((score) => score - 100);
  };
  it('of the sigmoid add up what tiles bring, to the rows at their places', () => {
    const running = createRunningScores(4, 'sigmoid');
    const rows = Uint32Array.of(3, 2, 1, 0);
    running.add({ start: 1, values: [Float32Array.of(1, 2)] }, rows);
    running.add({ start: 2, values: [Float64Array.of(10)] }, rows);
    expect(scoresOf(running, 4)).toEqual([0, 12, 1, 0]);
    expect(scoresOf(running, 4, -1)).toEqual([0, -12, -1, 0]);
    const scores = new Float64Array(4);
    running.addTo(scores, 1, rows, 2);
    expect([...scores]).toEqual([0, 0, 1, 0]);
  });
  it('of the softmax are means of log-sum-exps over all tiles, however large', () => {
    const running = createRunningScores(1, 'softmax');
    const rows = Uint32Array.of(0);
    running.add({ start: 0, values: [Float64Array.of(-2000), Float64Array.of(1000)] }, rows);
    running.add({ start: 0, values: [Float64Array.of(900), Float64Array.of(1000)] }, rows);
    running.add({ start: 0, values: [Float64Array.of(900), Float64Array.of(-1000)] }, rows);
    expect(scoresOf(running, 1)[0]).toBeCloseTo((900 + Math.LN2 + 1000 + Math.LN2) / 2, 9);
  });
});
