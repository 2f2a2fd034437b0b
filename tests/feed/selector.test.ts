import { describe, expect, it } from 'vitest';
import type { Journal } from '../../pipeline/feed/journal.ts';
import type { FeedRow } from '../../pipeline/feed/rows.ts';
import { createSelector, type SelectorOptions } from '../../pipeline/feed/selector.ts';
import type { SuperBatches } from '../../pipeline/feed/super-batches.ts';

const rows = Array.from(
  { length: 6 },
  (_, i) => ({ key: `k${i}`, language: 'en', text: `t${i}` }) as unknown as FeedRow,
);

/** A selector of super-batches of six rows, of which nothing was selected yet. */
function made() {
  const superBatches = {
    get: async (step: number) => ({ step, rows, release: () => {} }),
    release: () => {},
  } as unknown as SuperBatches<FeedRow>;
  const journal = { steps: () => 0, add: async () => {} } as unknown as Journal;
  const options = {
    method: 'hard',
    batch: 2,
    chunks: 1,
    sampling: 'greedy',
  } as unknown as SelectorOptions['options'];
  return createSelector({
    ...{ options, seed: 1, steps: 9, ahead: 1, superBatches, journal, teacher: null },
    ...{ learner: () => null, onSelected: async () => {} },
  });
}

/** What a rank posts: embeddings of so many numbers for each of its rows. */
const posted = (gone: AbortSignal) => ({
  read: (count: number) => ({
    images: new Float32Array(2 * count).fill(0.5),
    texts: new Float32Array(2 * count).fill(0.5),
    ...{ dimension: 2, scale: 1, bias: 0 },
  }),
  gone,
});

describe('ranks that wait for each other', () => {
  it('are let go of one by one when their trainers are gone, and the rest go on', async () => {
    const selector = made();
    const stays = selector.byEmbeddings(0, { rank: 0, world: 3 }, posted(new AbortController().signal));
    for (let i = 0; i < 3; i += 1) {
      const leaves = new AbortController();
      const waiting = selector.byEmbeddings(0, { rank: 1, world: 3 }, posted(leaves.signal));
      waiting.catch(() => {});
      await new Promise((resolve) => setImmediate(resolve));
      leaves.abort();
      await expect(waiting).rejects.toThrow('the trainer of rank 1 is gone');
    }
    const others = [1, 2].map((rank) =>
      selector.byEmbeddings(0, { rank, world: 3 }, posted(new AbortController().signal)),
    );
    expect((await stays).step).toBe(0);
    for (const other of others) expect(await other).toBe(await stays);
  });
});
