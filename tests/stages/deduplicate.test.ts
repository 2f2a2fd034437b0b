import { describe, expect, it } from 'vitest';
import { type Duplicate, deduplicate } from '../../stages/deduplicate.ts';
import { readBatch, rememberingContext, runStage, valuesOf } from '../support.ts';

const copyOf = (kept: string): Duplicate => ({ reason: 'exact-duplicate', value: `of ${kept}`, kept });

describe('deduplicating', () => {
  it('drops the rows that the plan names, with the key that is kept', async () => {
    const { context, dropped } = rememberingContext();
    const plan = async (shard: string) => new Map(shard === 'b.parquet' ? [[1, copyOf('a0')]] : []);
    const rows = (prefix: string) => [0, 1, 2].map((i) => ({ key: `${prefix}${i}` }));
    const out = await runStage(
      deduplicate(plan),
      context,
      readBatch(rows('a'), 'a.parquet'),
      readBatch(rows('b'), 'b.parquet'),
    );
    expect(valuesOf(out, 'key')).toEqual(['a0', 'a1', 'a2', 'b0', 'b2']);
    expect(dropped).toEqual([{ key: 'b1', stage: 'deduplicate', reason: 'exact-duplicate', value: 'of a0' }]);
  });

  it('asks once for a row group, however many batches it comes in', async () => {
    const { context } = rememberingContext();
    let asked = 0;
    const plan = async () => {
      asked += 1;
      return new Map<number, Duplicate>();
    };
    const batch = readBatch([0, 1, 2, 3].map((i) => ({ key: `k${i}` })));
    await runStage(deduplicate(plan), context, batch.slice(0, 2), batch.slice(2, 4));
    expect(asked).toBe(1);
  });
});
