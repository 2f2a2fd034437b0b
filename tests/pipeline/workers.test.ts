import { copyFile, mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { parseConfig } from '../../pipeline/config.ts';
import { curate, type RunContext } from '../../pipeline/curate.ts';
import { planTasks, readShardFacts, type ShardFacts } from '../../pipeline/curation/admit/plan.ts';
import { silentProgress } from '../../pipeline/progress.ts';
import { openShard } from '../../schemas/parquet-reader.ts';
import type { CurationReport } from '../../schemas/reports.ts';
import { poolRows } from '../engines/pool.ts';
import { temporaryFolder, writeSource } from '../support.ts';

/** Every file of a run that rows end in, by name. */
async function outputs(folder: string): Promise<Record<string, string>> {
  const found: Record<string, string> = {};
  for (const part of ['shards', 'dropped', 'quarantine']) {
    for (const name of await readdir(join(folder, part))) {
      found[`${part}/${name}`] = (await readFile(join(folder, part, name))).toString('base64');
    }
  }
  return found;
}

let folder: string;
let shards: string[];

beforeAll(async () => {
  folder = await temporaryFolder();
  shards = ['a', 'b', 'c'].map((name) => join(folder, 'in', `${name}.parquet`));
  await mkdir(join(folder, 'in'));
  await writeSource(shards[0] as string, await poolRows(0, 40), 2_000);
  await writeSource(shards[1] as string, await poolRows(40, 30));
  await writeFile(shards[2] as string, 'no parquet file');
});

const run = (signal = new AbortController().signal): RunContext => ({
  signal,
  progress: silentProgress,
  configPath: 'test.yaml',
});
const curated = (paths: readonly string[], workers: number, name: string, signal?: AbortSignal) =>
  curate(
    parseConfig(
      `seed: 3\nworkers: ${workers}\ninput: {shards: ${JSON.stringify(paths)}, batchRows: 16}\nmix: {english: 0.6}\nimages: {minDeviation: 0, minEntropy: 0}`,
      'test.yaml',
    ),
    join(folder, name),
    run(signal),
  );

/** The entries of a run's dropped rows, without where they were read. */
async function verdictsIn(run: string): Promise<unknown[]> {
  const shard = await openShard(join(run, 'dropped', '00000.parquet'));
  const columns = [
    'key',
    'stage',
    'reason',
    'value',
    'threshold',
    'kept_key',
    'language',
    'row_group',
    'row',
  ];
  const groups = await Promise.all(shard.rowGroups.map(({ index }) => shard.readRowGroup(index, columns)));
  return groups.map((group) => columns.map((column) => group[column]));
}

describe('a curation by several workers', () => {
  it('gives the same bytes for 1, 2 and 3 of them, and the same counts', async () => {
    const reports: CurationReport[] = [];
    for (const workers of [1, 2, 3]) reports.push(await curated(shards, workers, `by-${workers}`));
    const [one, ...others] = await Promise.all([1, 2, 3].map((n) => outputs(join(folder, `by-${n}`))));
    expect(Object.keys(one ?? {}).length).toBeGreaterThanOrEqual(3);
    for (const other of others) expect(other).toEqual(one);
    for (const { read, kept, dropped, quarantined, quarantinedShards, reasons, languages } of reports) {
      expect({ read, quarantinedShards }).toEqual({ read: 70, quarantinedShards: 1 });
      expect(kept + dropped + quarantined).toBe(read);
      expect({ kept, reasons, languages }).toEqual({
        kept: reports[0]?.kept,
        reasons: reports[0]?.reasons,
        languages: reports[0]?.languages,
      });
    }
  });

  it('gives the same rows when shards have other names, in another order', async () => {
    const renamed = ['z', 'y', 'x'].map((name) => join(folder, 'in-other', `${name}.parquet`));
    await mkdir(join(folder, 'in-other'));
    for (const [i, path] of shards.entries()) await copyFile(path, renamed[i] as string);
    await curated([...renamed].reverse(), 1, 'renamed');
    const [one, other] = [await outputs(join(folder, 'by-1')), await outputs(join(folder, 'renamed'))];
    expect(other['shards/00000.parquet']).toBe(one['shards/00000.parquet']);
    // What is dropped is the same too, but for the names of the shards that it was read from.
    const [before, after] = [
      await verdictsIn(join(folder, 'by-1')),
      await verdictsIn(join(folder, 'renamed')),
    ];
    expect(after).toEqual(before);
    expect(before.length).toBeGreaterThan(0);
  });

  it('stops when it is told to', async () => {
    const stop = new AbortController();
    const stopped = curated(shards, 2, 'stopped', stop.signal);
    setTimeout(() => stop.abort(new Error('stopped')), 300);
    await expect(stopped).rejects.toThrow('stopped');
  });
});

describe('the plan of the first pass', () => {
  const groups = fc.array(fc.record({ rows: fc.nat(50), bytes: fc.nat(300) }), { maxLength: 12 });
  const shardsOf = (all: readonly (readonly { rows: number; bytes: number }[])[]): ShardFacts[] =>
    all.map((list, i) => ({
      path: `/in/${i}.parquet`,
      name: String(i),
      identity: `identity-${(i * 7919) % 1000}-${i}`,
      rowGroups: list.map((group, index) => ({ index, ...group })),
    }));

  it('takes every row group once, in order, and none of a task over the limit but a single one', () => {
    fc.assert(
      fc.property(fc.array(groups, { maxLength: 6 }), (all) => {
        const tasks = planTasks(shardsOf(all), 400);
        expect(tasks.map(({ position }) => position)).toEqual(tasks.map((_, i) => i));
        for (const [i, list] of all.entries()) {
          const own = tasks.filter(({ path }) => path === `/in/${i}.parquet`);
          const taken = own.flatMap(({ rowGroups: { from, to } = { from: 0, to: 0 } }) =>
            list.map((_, g) => g).slice(from, to),
          );
          expect(taken).toEqual(list.map((_, g) => g));
          expect(own.length).toBeGreaterThan(0);
          for (const { rowGroups: { from, to } = { from: 0, to: 0 }, rows } of own) {
            const part = list.slice(from, to);
            expect(rows).toBe(part.reduce((sum, group) => sum + group.rows, 0));
            if (part.length > 1)
              expect(part.reduce((sum, group) => sum + group.bytes, 0)).toBeLessThanOrEqual(400);
          }
        }
      }),
    );
  });

  it('is the same for any order of the shards', () => {
    fc.assert(
      fc.property(
        fc.array(groups, { maxLength: 6 }).chain((all) => {
          const facts = shardsOf(all);
          return fc.tuple(
            fc.constant(facts),
            fc.shuffledSubarray(facts, { minLength: facts.length, maxLength: facts.length }),
          );
        }),
        ([facts, shuffled]) => {
          expect(planTasks(shuffled)).toEqual(planTasks(facts));
        },
      ),
    );
  });

  it('knows a shard by what is in it', async () => {
    const [a, b] = [
      await readShardFacts(shards[0] as string, 'a'),
      await readShardFacts(shards[1] as string, 'b'),
    ];
    expect(a.rowGroups.length).toBeGreaterThan(1);
    expect(a.identity).not.toBe(b.identity);
    const copy = join(folder, 'copy.parquet');
    await copyFile(shards[0] as string, copy);
    expect((await readShardFacts(copy, 'copy')).identity).toBe(a.identity);
    expect((await readShardFacts(shards[2] as string, 'c')).rowGroups).toEqual([]);
  });
});
