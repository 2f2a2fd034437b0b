import { describe, expect, it } from 'vitest';
import { planRunTasks } from '../../pipeline/curation/plan/tasks.ts';

/** The partitions that are planned for so many rows: shares of each phase. */
function partitionsOf(rows: number, bands: number) {
  const admit = [{ position: 0, identity: 'a', path: '/a', name: 'a', rows }];
  const tasks = planRunTasks({
    ...{ admit, recipe: 'r', outcome: 'o', evaluation: null },
    bands: () => bands,
  });
  const sharesOf = (phase: string) =>
    tasks.flatMap((task) =>
      'share' in task && task.phase === phase ? [[task.band ?? null, task.share, task.of]] : [],
    );
  return { rank: sharesOf('rank'), pairs: sharesOf('pairs') };
}

describe('the partitions of the reductions', () => {
  it('are one of few rows, and several of many: each share once, in each band', () => {
    expect(partitionsOf(2 ** 22, 3)).toEqual({ rank: [[null, 0, 1]], pairs: [[null, 0, 1]] });
    const { rank, pairs } = partitionsOf(2 ** 22 + 1, 2);
    expect(rank).toEqual([
      [null, 0, 2],
      [null, 1, 2],
    ]);
    expect(pairs).toEqual([0, 1].flatMap((band) => [0, 1].map((share) => [band, share, 2])));
    expect(partitionsOf(2 ** 30, 0).pairs).toEqual([]);
  });

  it('are no more than is worth looking through all rows for', () => {
    for (const rows of [1e9, 1e10]) {
      const { rank, pairs } = partitionsOf(rows, 2);
      expect(rank.map(([, share]) => share)).toEqual(Array.from({ length: 64 }, (_, i) => i));
      expect(pairs).toHaveLength(128);
    }
  });
});
