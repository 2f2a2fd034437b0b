import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ownEntries } from '../../pipeline/curation/admit/part.ts';
import { type AdmitTask, planTasks, type ShardFacts } from '../../pipeline/curation/admit/plan.ts';
import { openLedger } from '../../pipeline/curation/ledger.ts';
import type { FrozenRun } from '../../pipeline/curation/plan/plan-files.ts';
import type { RowRange } from '../../pipeline/curation/plan/tasks.ts';
import { countTakenBack, takeBack } from '../../pipeline/schedule/taken-back.ts';
import { readUnread } from '../../pipeline/schedule/unread.ts';
import { chooseUnread, mergeRanges, rowsRead } from '../../pipeline/schedule/unread-rows.ts';
import { parquetOf } from '../../pipeline/sql-text.ts';
import type { QuarantinedRow } from '../../schemas/stage.ts';
import { indexInTar, isTar, listOf, placeInTar } from '../../stages/read-shards/tar-rows.ts';
import { temporaryFolder } from '../support.ts';
import { dataSets } from './data-sets.ts';

/** Rows of the row groups of a parquet shard, or of a tar. */
type Shard = { readonly groups: readonly number[] } | { readonly samples: number };

const shard: fc.Arbitrary<Shard> = fc.oneof(
  fc.record({ groups: fc.array(fc.integer({ min: 1, max: 12 }), { minLength: 1, maxLength: 4 }) }),
  fc.record({ samples: fc.integer({ min: 1, max: 2100 }) }),
);

/** An entry of a ledger; what it is of is taken from the numbers, whatever the shard has. */
const entry = fc.record({
  shard: fc.nat(2),
  // Most are of single rows, as they are.
  what: fc.constantFrom('row', 'row', 'row', 'rest', 'whole', 'list'),
  group: fc.nat(3),
  row: fc.nat(2099),
  stage: fc.constantFrom('read-shards', 'read-shards', 'label-and-write', 'check-images'),
});
type MadeEntry = typeof entry extends fc.Arbitrary<infer T> ? T : never;

const pathOf = (of: Shard, i: number) => ('samples' in of ? `/in/s${i}.tar` : `/in/s${i}.parquet`);
const factsOf = (of: Shard, i: number): ShardFacts => ({
  ...{ path: pathOf(of, i), identity: `content-${i}`, name: `s${i}` },
  rowGroups: 'samples' in of ? [] : of.groups.map((rows) => ({ rows, bytes: 10 })),
  rows: 'samples' in of ? of.samples : 0,
});

function quarantinedOf(shards: readonly Shard[], made: MadeEntry): QuarantinedRow | null {
  const i = made.shard % shards.length;
  const of = shards[i] as Shard;
  const said = { key: null, shard: pathOf(of, i), stage: made.stage, reason: made.what, detail: '' };
  const none = { rowGroup: null, row: null };
  if (made.what === 'list') {
    if (!('samples' in of)) return null;
    return { ...said, shard: listOf(said.shard), stage: 'read-shards', rowGroup: 0, row: made.row };
  }
  if (made.what === 'whole') return { ...said, ...none };
  if ('samples' in of) {
    const at = made.row % of.samples;
    return made.what === 'row' ? { ...said, ...placeInTar(at) } : { ...said, ...none, firstRow: at };
  }
  const rowGroup = made.group % of.groups.length;
  const at = made.row % (of.groups[rowGroup] ?? 1);
  return made.what === 'row'
    ? { ...said, rowGroup, row: at }
    : { ...said, rowGroup, row: null, firstRow: at };
}

/** The rows that an entry stands for, or that a task reads, by name. */
function rowsBehind(
  shards: readonly Shard[],
  shardPath: string,
  group: number | null,
  ranges: readonly RowRange[],
): string[] {
  const of = shards.find((one, i) => pathOf(one, i) === shardPath);
  if (of === undefined) return [`${shardPath} as a list`];
  const rows = (name: string, count: number) =>
    ranges.flatMap(([from, to]) =>
      Array.from(
        { length: Math.max(0, Math.min(to ?? count, count) - from) },
        (_, k) => `${shardPath} ${name} ${from + k}`,
      ),
    );
  if ('samples' in of) return rows('', of.samples);
  return of.groups.flatMap((count, g) => (group === null || group === g ? rows(String(g), count) : []));
}

const isTried = ({ stage }: QuarantinedRow) => stage !== 'check-images';

function rowsOfEntry(shards: readonly Shard[], one: QuarantinedRow): string[] {
  const { shard: path, rowGroup, row, firstRow = 0 } = one;
  const at = row === null ? firstRow : isTar(path) ? indexInTar(rowGroup ?? 0, row) : row;
  return rowsBehind(shards, path, isTar(path) ? null : rowGroup, [[at, row === null ? null : at + 1]]);
}

function rowsOfTask(shards: readonly Shard[], { path, rowGroups, only }: Omit<AdmitTask, 'position'>) {
  const groups = rowGroups
    ? Array.from({ length: rowGroups.to - rowGroups.from }, (_, i) => rowGroups.from + i)
    : [null];
  return groups.flatMap((group) => rowsBehind(shards, path, group, only ?? [[0, null]]));
}

const sets = dataSets(await temporaryFolder(), '');
let folders = 0;

/** The folder of a data set of which nothing is there but a ledger. */
async function folderWith(entries: readonly QuarantinedRow[]): Promise<string> {
  const folder = sets.input(String(folders++));
  await mkdir(join(folder, 'increments'), { recursive: true });
  const ledger = await openLedger(folder);
  for (const one of entries) ledger.quarantine(one);
  await ledger.close();
  return folder;
}

describe('what is unread of a data set', () => {
  it('is read once, with nothing beside it, and is what leaves the quarantine', async () => {
    const made = fc.record({
      shards: fc.array(shard, { minLength: 1, maxLength: 3 }),
      entries: fc.array(entry, { maxLength: 25 }),
      bytes: fc.integer({ min: 10, max: 40 }),
      // Shards that are not in the input any more.
      gone: fc.nat(5),
    });
    await fc.assert(
      fc.asyncProperty(made, async ({ shards, entries, bytes, gone }) => {
        const written = entries.flatMap((one) => quarantinedOf(shards, one) ?? []);
        const folder = await folderWith(written);
        const facts = shards.map(factsOf).filter((_, i) => i !== gone);
        const planned = planTasks(facts, bytes);
        const seen = new Set(planned.map(({ identity }) => identity));
        const rowsOf = (path: string, group: number) =>
          facts.find((one) => one.path === path)?.rowGroups[group]?.rows ?? 0;
        const unread = await readUnread(folder);
        const tasks = chooseUnread(planned, unread, { seen, lists: true, rowsOf });
        const isThere = ({ shard: path }: QuarantinedRow) =>
          facts.some((one) => one.path === path || listOf(one.path) === path);
        const [tried, left] = [
          written.filter((one) => isTried(one) && isThere(one)),
          written.filter((one) => !isTried(one) || !isThere(one)),
        ];

        const read = tasks.flatMap((task) => rowsOfTask(shards, task));
        expect(new Set(read).size).toBe(read.length);
        const ofShards = tried.filter(({ reason }) => reason !== 'list');
        expect(new Set(read)).toEqual(new Set(ofShards.flatMap((one) => rowsOfEntry(shards, one))));
        expect(tasks.reduce((sum, { rows }) => sum + rows, 0)).toBe(read.length);
        for (const [path, rows] of rowsRead(tasks, true)) {
          if (rows !== 'all') expect(unread.get(path)).toEqual(rows);
        }

        const config = { input: { shards: [], preset: 'img2dataset' } };
        const run = { plan: { config }, tasks: () => tasks.map((task) => ({ ...task, phase: 'admit' })) };
        const taken = await countTakenBack(folder, 2, run as unknown as FrozenRun);
        const counted = (isRow: boolean) => tried.filter(({ row }) => (row !== null) === isRow).length;
        expect([taken[0]?.rows ?? 0, taken[0]?.shards ?? 0]).toEqual([counted(true), counted(false)]);
        // As often as wanted.
        for (let times = 0; times < 2; times += 1) await takeBack(folder, run as unknown as FrozenRun, taken);
        const after = await sets.asked(
          `SELECT shard, row_group AS "rowGroup", "row", stage FROM ${parquetOf(join(folder, 'quarantine', '*.parquet'))}`,
        );
        const named = (one: Record<string, unknown> | QuarantinedRow) =>
          JSON.stringify([one.shard, one.rowGroup, one.row, one.stage]);
        expect(after.map(named).sort()).toEqual(left.map(named).sort());
      }),
      { numRuns: 40 },
    );
  });

  it('stays in the quarantine where it is not read again', async () => {
    const said = { key: null, shard: '/in/a.parquet', stage: 'read-shards', reason: 'no-key', detail: '' };
    const rows = [0, 1, 2, 3, 4, 5].map((row) => ({ ...said, rowGroup: 0, row }));
    const others = [
      { ...said, rowGroup: 1, row: 2 },
      { ...said, rowGroup: 0, row: null, firstRow: 8 },
    ];
    const folder = await folderWith([...rows, ...others]);
    const task = { path: '/in/a.parquet', rowGroups: { from: 0, to: 1 }, only: [[2, 4]], phase: 'admit' };
    const run = { plan: { config: {} }, tasks: () => [task] } as unknown as FrozenRun;
    const taken = await countTakenBack(folder, 2, run);
    expect(taken).toMatchObject([{ number: 1, rows: 2, shards: 0 }]);
    await takeBack(folder, run, taken);
    const unread = await readUnread(folder);
    expect(unread.get('/in/a.parquet')).toEqual([
      {
        group: 0,
        ranges: [
          [0, 2],
          [4, 6],
          [8, null],
        ],
      },
      { group: 1, ranges: [[2, 3]] },
    ]);
  });

  it('is the whole row group where an earlier version did not say where reading stopped', async () => {
    const folder = await folderWith([]);
    const ledger = join(folder, 'quarantine', '00000.parquet');
    await sets.asked(
      `COPY (SELECT NULL::VARCHAR AS key, '/in/a.parquet' AS shard, 2::INT AS row_group, NULL::INT AS "row",
         'read-shards' AS stage, 'unreadable-row-group' AS reason, '' AS detail) TO '${ledger}' (FORMAT parquet)`,
    );
    expect(await readUnread(folder)).toEqual(
      new Map([['/in/a.parquet', [{ group: 2, ranges: [[0, null]] }]]]),
    );
    const task = { path: '/in/a.parquet', rowGroups: { from: 2, to: 3 }, only: [[0, null]], phase: 'admit' };
    const run = { plan: { config: {} }, tasks: () => [task] } as unknown as FrozenRun;
    const taken = await countTakenBack(folder, 2, run);
    expect(taken).toMatchObject([{ number: 1, rows: 0, shards: 1 }]);
    await takeBack(folder, run, taken);
    expect(await readUnread(folder)).toEqual(new Map());
  });

  it('is all of a shard that is another file, whatever was said of the one before it', async () => {
    const entries = [0, 3].map((rowGroup) => ({
      ...{ key: null, shard: '/in/s0.parquet', rowGroup, row: 1 },
      ...{ stage: 'read-shards', reason: 'unreadable-row-group', detail: '' },
    }));
    const unread = await readUnread(await folderWith(entries));
    const planned = planTasks([factsOf({ groups: [4, 4] }, 0)], 10);
    const tasks = chooseUnread(planned, unread, { seen: new Set(), lists: false, rowsOf: () => 4 });
    expect(tasks).toEqual(planned);
    expect(rowsRead(tasks, false)).toEqual(new Map([['/in/s0.parquet', 'all']]));
  });
});

/** Ranges that are in order and apart, the last of which may be open. */
const ranges = fc
  .array(fc.tuple(fc.nat(40), fc.option(fc.integer({ min: 1, max: 9 }))), { maxLength: 6 })
  .map((list) => mergeRanges(list.map(([from, many]) => [from, many === null ? null : from + many])));

const size = 45;
const inRanges = (list: readonly RowRange[]) =>
  Array.from({ length: size }, (_, i) => i).filter((row) =>
    list.some(([from, to]) => row >= from && row < (to ?? size)),
  );

describe('ranges of rows', () => {
  it('are merged to as few as hold the same rows', () => {
    const some = fc.array(fc.tuple(fc.nat(40), fc.option(fc.integer({ min: 41, max: 44 }))), {
      maxLength: 6,
    });
    fc.assert(
      fc.property(some, (list) => {
        const merged = mergeRanges(list);
        expect(inRanges(merged)).toEqual(inRanges(list));
        for (const [i, [from]] of merged.entries()) {
          if (i > 0) expect(merged[i - 1]?.[1] ?? Number.POSITIVE_INFINITY).toBeLessThan(from);
        }
      }),
    );
  });
});

describe('a part of a shard that cannot be read to its end again', () => {
  it.each([
    ['a row group', { path: 'a.parquet', rowGroups: { from: 2, to: 3 } }],
    ['a tar', { path: 'a.tar' }],
  ])('says so of the rows that it was to read, and of no other: %s', (_, task) => {
    fc.assert(
      fc.property(ranges, fc.nat(size - 1), (only, firstRow) => {
        const isOfTar = !('rowGroups' in task);
        const said = { key: null, stage: 'read-shards', reason: 'cut-short', detail: '' };
        const rowGroup = isOfTar ? null : 2;
        const entries = [
          ...ownEntries({ ...task, only }, { ...said, shard: task.path, rowGroup, row: null, firstRow }),
        ];
        const found = entries.map((one): RowRange => {
          if (one.row === null) return [one.firstRow ?? 0, null];
          const at = isOfTar ? indexInTar(one.rowGroup ?? 0, one.row) : one.row;
          return [at, at + 1];
        });
        expect(inRanges(found)).toEqual(inRanges(only).filter((row) => row >= firstRow));
      }),
    );
  });
});
