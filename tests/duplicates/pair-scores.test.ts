import { describe, expect, it } from 'vitest';
import { pairScores } from '../../bench/pair-scores.ts';

const row = (key: string, group: string, sha256 = key) => ({ key, sha256, group });
const truth = new Map([
  ['a', 'a'],
  ['b', 'a'],
  ['c', 'a'],
  ['d', 'd'],
]);

describe('the scores of pairs', () => {
  it('count pairs of groups: those planted, those found, those that are both', () => {
    const rows = [row('a', 'a'), row('b', 'a'), row('c', 'd'), row('d', 'd')];
    expect(pairScores(rows, truth)).toEqual({ planted: 3, found: 2, precision: 1 / 2, recall: 1 / 3 });
  });

  it('leave pairs of the same bytes aside', () => {
    const rows = [row('a', 'a', 'x'), row('b', 'a', 'x'), row('c', 'a'), row('d', 'd')];
    expect(pairScores(rows, truth)).toEqual({ planted: 2, found: 2, precision: 1, recall: 1 });
  });

  it('are 1 where there is nothing to find', () => {
    expect(pairScores([row('a', 'a')], truth)).toMatchObject({ precision: 1, recall: 1 });
  });
});
