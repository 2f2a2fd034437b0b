import { describe, expect, it } from 'vitest';
import { benchFaults } from '../../bench/faults.ts';

describe('runs that are killed, and shards that are damaged', () => {
  it('lose nothing, do nothing twice, and leave the same bytes', async () => {
    const figures = await benchFaults({ rows: 48, kills: 2, workers: false });
    expect(figures).toMatchObject({
      killsSurvived: 2,
      bytesIdentical: 1,
      rowsLost: 0,
      rowsTwice: 0,
      badShards: 12,
    });
    expect(figures.badShardsQuarantined).toBeGreaterThanOrEqual(9);
  }, 400_000);
});
