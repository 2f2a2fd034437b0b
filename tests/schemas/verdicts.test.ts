import { describe, expect, it } from 'vitest';
import { applyVerdicts, type Verdict } from '../../schemas/verdicts.ts';
import { readBatch, rememberingContext } from '../support.ts';

const batch = readBatch(['a', 'b', 'c'].map((key) => ({ key })));
const verdict = (reason: string): Verdict => ({ reason, value: `${reason}!` });
const keysOf = (given: ReturnType<typeof applyVerdicts>) => [...(given?.getChild('key') ?? [])];
const labelsOf = (given: ReturnType<typeof applyVerdicts>) =>
  JSON.parse(JSON.stringify([...(given?.getChild('labels') ?? [])]));

describe('a filter that drops', () => {
  const filter = { stage: 'judge', mode: 'drop' } as const;

  it('hands over the rows that it does not want, with reason, value, what is kept for them and where they were', () => {
    const { context, dropped } = rememberingContext();
    const more = { ...verdict('bad'), kept: 'z', other: 1 };
    expect(keysOf(applyVerdicts(batch, [undefined, more, undefined], filter, context))).toEqual(['a', 'c']);
    const at = { shard: 'a.parquet', rowGroup: 0, row: 1 };
    expect(dropped).toEqual([{ key: 'b', stage: 'judge', reason: 'bad', value: 'bad!', kept: 'z', ...at }]);
  });

  it('gives the same batch when every row is wanted, and none when none is', () => {
    const { context, dropped } = rememberingContext();
    expect(applyVerdicts(batch, [undefined, undefined, undefined], filter, context)).toBe(batch);
    const all = ['x', 'y', 'z'].map(verdict);
    expect(applyVerdicts(batch, all, filter, context)).toBeNull();
    expect(dropped.map(({ key }) => key)).toEqual(['a', 'b', 'c']);
  });
});

describe('a filter that labels', () => {
  const filter = { stage: 'judge', mode: 'label' } as const;

  it('keeps every row, and says what it would have dropped', () => {
    const { context, dropped } = rememberingContext();
    const given = applyVerdicts(batch, [undefined, verdict('bad'), undefined], filter, context);
    expect(keysOf(given)).toEqual(['a', 'b', 'c']);
    expect(labelsOf(given)).toEqual([
      [],
      [{ stage: 'judge', reason: 'bad', value: 'bad!', threshold: null }],
      [],
    ]);
    expect(dropped).toEqual([]);
  });

  it('adds to what other filters said', () => {
    const { context } = rememberingContext();
    const once = applyVerdicts(batch, [verdict('one'), undefined, undefined], filter, context);
    if (once === null) throw new Error('labelling drops nothing');
    const twice = applyVerdicts(
      once,
      [verdict('two'), verdict('two'), undefined],
      { ...filter, stage: 'second' },
      context,
    );
    expect(labelsOf(twice)).toEqual([
      [
        { stage: 'judge', reason: 'one', value: 'one!', threshold: null },
        { stage: 'second', reason: 'two', value: 'two!', threshold: null },
      ],
      [{ stage: 'second', reason: 'two', value: 'two!', threshold: null }],
      [],
    ]);
  });
});

it('refuses verdicts that do not match the rows', () => {
  const { context } = rememberingContext();
  expect(() => applyVerdicts(batch, [], { stage: 'judge', mode: 'label' }, context)).toThrow(
    'judge: 0 verdicts for 3 rows',
  );
});
