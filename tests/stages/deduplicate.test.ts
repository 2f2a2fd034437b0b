import { describe, expect, it } from 'vitest';
import { decontaminate } from '../../stages/decontaminate.ts';
import { type Duplicate, deduplicate } from '../../stages/deduplicate.ts';
import { nearnessValue } from '../../stages/duplicates/nearness.ts';
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
    const at = { shard: 'b.parquet', rowGroup: 0, row: 1 };
    const verdict = { stage: 'deduplicate', reason: 'exact-duplicate', value: 'of a0', kept: 'a0' };
    expect(dropped).toEqual([{ key: 'b1', ...verdict, ...at }]);
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

  it('keeps the rows when it only labels, and says of which row they are copies', async () => {
    const { context, dropped } = rememberingContext();
    const plan = async () => new Map([[1, copyOf('a0')]]);
    const rows = readBatch([0, 1].map((i) => ({ key: `a${i}` })));
    const out = await runStage(deduplicate(plan, 'label'), context, rows);
    expect(valuesOf(out, 'key')).toEqual(['a0', 'a1']);
    expect(JSON.parse(JSON.stringify(valuesOf(out, 'labels')))).toEqual([
      [],
      [{ stage: 'deduplicate', reason: 'exact-duplicate', value: 'of a0', threshold: null }],
    ]);
    expect(dropped).toEqual([]);
  });
});

describe('decontaminating', () => {
  it('drops the rows that the plan names, with the row of the evaluation', async () => {
    const { context, dropped } = rememberingContext();
    const plan = async () => new Map([[0, { reason: 'near-evaluation', value: 'of E: the same bytes' }]]);
    const rows = readBatch([0, 1].map((i) => ({ key: `a${i}` })));
    const out = await runStage(decontaminate(plan), context, rows);
    expect(valuesOf(out, 'key')).toEqual(['a1']);
    const value = 'of E: the same bytes';
    expect(dropped).toMatchObject([{ key: 'a0', stage: 'decontaminate', reason: 'near-evaluation', value }]);
  });
});

describe('the value of a near duplicate', () => {
  const options = { radius: 5, colours: 3 };

  it('has both distances, both thresholds, and the row between where there is one', () => {
    const found = { distance: 4, colours: 1.256 };
    expect(nearnessValue('k', found, options)).toBe('of k: 4 <= 5 bits, colours 1.26 <= 3');
    expect(nearnessValue('k', found, options, 'j')).toBe('of k through j: 4 <= 5 bits, colours 1.26 <= 3');
  });
});
