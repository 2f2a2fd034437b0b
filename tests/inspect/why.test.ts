import { beforeAll, describe, expect, it } from 'vitest';
import { UsageError } from '../../pipeline/errors.ts';
import { checksOf } from '../../pipeline/inspect/checks.ts';
import { openRun } from '../../pipeline/inspect/open-run.ts';
import { type Why, why } from '../../pipeline/inspect/why.ts';
import { whyLines } from '../../pipeline/inspect/why-lines.ts';
import { mixDraw } from '../../stages/mix/plan.ts';
import { hostileKeys, type MadeRun, makeRun } from './made-run.ts';

let made: MadeRun;
let told: Map<string, Why>;

beforeAll(async () => {
  made = await makeRun({ rows: 24 });
  const run = await openRun(made.folder);
  const keys = [...made.rows, ...made.dropped].map(({ key }) => key);
  told = new Map();
  for (const key of [...keys, ...made.quarantined]) told.set(key, await why(run, key));
  await run.close();
});

describe('why', () => {
  it('tells of every kept row where it was read and written, its regions and scores, hostile keys too', () => {
    made.rows.forEach((row, i) => {
      const answer = told.get(row.key);
      expect(answer).toMatchObject({ key: row.key, outcome: 'kept' });
      expect(answer?.read).toEqual({ shard: 'pool/a.parquet', rowGroup: 2, row: i });
      expect(answer?.row).toMatchObject({
        text: row.text,
        altTexts: [row.text, 'another'],
        language: row.language,
      });
      expect(answer?.regions).toEqual(row.regions);
      expect(answer?.teacher?.textScore).toBe(row.textScore);
      const [file, at] = i < 12 ? ['00000.parquet', i] : ['00001.parquet', i - 12];
      expect(answer?.written).toEqual({ file, row: at });
    });
  });

  it('tells the steps at which a row was offered, and selected of them, with both losses', () => {
    for (const { key } of made.rows) {
      const expected = made.offers
        .filter((offer) => offer.key === key)
        .map(({ step, learner, teacher, position }) => ({
          step,
          selected: position !== null,
          selfScore: learner - teacher,
          learnerLoss: learner,
          teacherLoss: teacher,
          chunk: position === null ? null : Math.floor(position / 2),
          logit: position === null ? null : learner,
        }));
      expect(told.get(key)?.steps).toEqual(expected);
    }
  });

  it("tells each stage's verdict, up to the one that left the row out", () => {
    made.dropped.forEach((row, i) => {
      const { stages, outcome, read } = told.get(row.key) as Why;
      expect([outcome, read?.shard, read?.row]).toEqual(['dropped', 'pool/b.parquet', i]);
      const verdicts = stages.map(({ stage, verdict }) => `${stage} ${verdict}`);
      const isFirst = row.stage === 'check-images';
      expect(verdicts).toEqual([
        isFirst ? 'check-images dropped' : 'check-images passed',
        isFirst ? 'deduplicate not reached' : 'deduplicate dropped',
        'mix-languages not reached',
        'write-shards not reached',
      ]);
      const line = stages.find(({ verdict }) => verdict === 'dropped');
      expect(line?.checks).toEqual([{ what: row.reason, value: row.value, threshold: row.threshold }]);
    });
    for (const key of made.quarantined) {
      expect(told.get(key)).toMatchObject({
        outcome: 'quarantined',
        read: { shard: 'pool/c.parquet', rowGroup: 1 },
      });
    }
  });

  it('holds what was measured of a kept row against the recipe', () => {
    const { stages } = told.get('k12') as Why;
    const checks = new Map(stages.map(({ stage, checks: found }) => [stage, found]));
    expect(checks.get('check-images')?.[0]).toEqual({
      what: 'shorter side',
      value: '48 px',
      threshold: '>= 32 px',
    });
    expect(checks.get('check-images')?.[1]?.value).toBe((64 / 48).toFixed(2));
    expect(checks.get('mix-languages')?.[0]?.value).toBe(mixDraw('k12', 1).toFixed(4));
    expect(checksOf('constructor', {} as never, {})).toEqual([]);
  });

  it('tells the group of duplicates, whichever member is asked for', () => {
    const near = made.dropped.filter(({ reason }) => reason === 'near-duplicate');
    for (const { key, value } of near) {
      const group = told.get(key)?.duplicates;
      expect(value.startsWith(`of ${group?.groupKey}`)).toBe(true);
      expect(group?.members.find((member) => member.key === key)).toMatchObject({ kind: 'near', value });
      expect(told.get(group?.groupKey ?? '')?.duplicates?.groupKey).toBeDefined();
    }
    const labelled = made.rows.find(({ labels }) => labels.length > 0);
    expect(told.get(labelled?.key ?? '')?.stages[1]).toMatchObject({
      verdict: 'labelled',
      reason: 'near-duplicate',
    });
  });

  it('says it in lines that cannot steer a terminal', () => {
    for (const key of hostileKeys) {
      const text = whyLines(told.get(key) as Why);
      expect(text.join('')).not.toMatch(/[\p{Cc}\u202a-\u202e]/u);
    }
    expect(whyLines(told.get('\u001b[31mred\u001b[0m\nnext') as Why)[0]).toBe(
      '\\u001b[31mred\\u001b[0m\\nnext: kept',
    );
  });

  it('says that a key is not of the run', async () => {
    const run = await openRun(made.folder);
    await expect(why(run, "nope' OR 1 = 1")).rejects.toThrow(UsageError);
    await run.close();
  });

  it('tells of a distillation alone what it knows', async () => {
    const run = await openRun(made.folder);
    const alone = { ...run, parts: { ...run.parts, curated: null } };
    expect((await why(alone, 'k12')).stages).toEqual([]);
    await run.close();
  });
});
