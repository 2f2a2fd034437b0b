import { execFileSync } from 'node:child_process';
import { copyFile, mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { freezing, resumable } from '../../pipeline/cli/run-flags.ts';
import { parseConfig } from '../../pipeline/config.ts';
import { finishRun, readReport } from '../../pipeline/curate.ts';
import { openDatabase } from '../../pipeline/curation/duplicates/database.ts';
import { freezeRun } from '../../pipeline/curation/plan/freeze.ts';
import { type FrozenRun, openRun } from '../../pipeline/curation/plan/plan-files.ts';
import { prepareRetry } from '../../pipeline/curation/retry.ts';
import { statusOf } from '../../pipeline/curation/status.ts';
import { explained } from '../../pipeline/curation/tasks/execute.ts';
import { inlineEngine } from '../../pipeline/engines/inline.ts';
import { localEngine } from '../../pipeline/engines/local.ts';
import { openProcesses } from '../../pipeline/engines/processes.ts';
import { createLog } from '../../pipeline/log.ts';
import { silentProgress } from '../../pipeline/progress.ts';
import { openShard } from '../../schemas/parquet-reader.ts';
import { createRandom } from '../../schemas/random.ts';
import { temporaryFolder, writeSource } from '../support.ts';
import { faultyProgram, outputsOf, sourceRows } from './conformance.ts';
import type { Fault } from './faulty-worker.ts';
import { keepingRecipe } from './pool.ts';
import { childrenOf, isRunning } from './processes.ts';
import { assay, ended, isAtWork, recordsIn, until } from './program.ts';

const random = createRandom('moments of faults');

/** Mounts need root; a machine where they don't work says what isn't tested. */
const canMount = (() => {
  if (process.getuid?.() !== 0) return false;
  try {
    execFileSync('unshare', ['--mount', 'true'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
})();
if (!canMount)
  console.warn('full and read-only disks are not tested: this needs root, and the right to mount');

let folder: string;
let recipe: string;
let whole: Record<string, string>;
const mounts: string[] = [];

const config = () => parseConfig(recipe, 'test.yaml');
const engineContext = (engine = inlineEngine()) => ({
  ...{ signal: new AbortController().signal, progress: silentProgress, configPath: 'test.yaml', engine },
});
const frozen = (name: string) => freezeRun(config(), join(folder, name), 'test.yaml');

/** Every file of a run that rows end in; that every row is accounted for; and that nothing unfinished is left. */
async function wholeOutputs(run: string): Promise<Record<string, string>> {
  const { read, kept, dropped, quarantined } = await readReport(run);
  expect(read).toBe(kept + dropped + quarantined);
  expect(await readdir(join(run, 'work'))).not.toContain('temporary');
  return outputsOf(run);
}

beforeAll(async () => {
  folder = await temporaryFolder();
  const input = join(folder, 'in');
  await mkdir(input);
  const rows = await sourceRows(60);
  await writeSource(join(input, 'a.parquet'), rows.slice(0, 40), 6_000);
  await writeSource(join(input, 'b.parquet'), rows.slice(40));
  const bytes = await readFile(join(input, 'b.parquet'));
  const footer = Buffer.from(bytes);
  footer.fill(0xff, bytes.length - 200, bytes.length - 8);
  const page = Buffer.from(bytes);
  page.fill(0x5a, 40, Math.round(bytes.length / 3));
  await writeFile(join(input, 'truncated.parquet'), bytes.subarray(0, bytes.length / 2));
  await writeFile(join(input, 'footer.parquet'), footer);
  await writeFile(join(input, 'page.parquet'), page);
  await writeFile(join(input, 'empty.parquet'), '');
  recipe = keepingRecipe(input);
  await writeFile(join(folder, 'recipe.yaml'), recipe);
  // Its name is what a folder with wildcards in its name would be taken for.
  const run = await frozen("[x]'=1/a'whole");
  await finishRun(run, engineContext());
  whole = await wholeOutputs(run.folder);
});

afterAll(() => {
  for (const path of mounts) execFileSync('umount', ['--lazy', path]);
});

describe('shards that are broken', () => {
  it('are quarantined with their reasons, and the others are read', async () => {
    const report = await readReport(join(folder, "[x]'=1/a'whole"));
    expect(report.kept).toBeGreaterThan(20);
    const shard = await openShard(join(folder, "[x]'=1/a'whole", 'quarantine', '00000.parquet'));
    const columns = await shard.readRowGroup(0, ['shard', 'reason']);
    const found = new Map<string, string>();
    Array.from(columns.shard ?? []).forEach((path, i) => {
      found.set(String(path).replace(/.*\//, ''), String(columns.reason?.[i]));
    });
    expect([...found.keys()].sort()).toEqual([
      'empty.parquet',
      'footer.parquet',
      'page.parquet',
      'truncated.parquet',
    ]);
    for (const reason of found.values()) expect(reason).toMatch(/^[a-z]+(-[a-z]+)*$/);
  });
});

describe('a run whose process is killed or told to stop', () => {
  it('is whole after it, with other numbers of workers, another engine, and wildcards in its name', async () => {
    const run = join(folder, "[x]'=1", "a*[w]'?");
    await freezeRun(config(), run, 'test.yaml');
    for (const workers of ['2', '3']) {
      const { child, ended: over } = assay('resume', run, '--workers', workers);
      const enough = (await recordsIn(run)) + random.integer(3);
      await until(child, async () => (await recordsIn(run)) >= enough && (await isAtWork(run)));
      await delay(random.integer(80));
      const children = await childrenOf(child);
      const status = await statusOf(run);
      child.kill('SIGKILL');
      expect((await over).signal).toBe('SIGKILL');
      expect(status.state).toBe('unfinished');
      await ended(children);
    }
    const share = await assay('run', '--plan', run, '--task-index', '0', '--of', '1', '--workers', '1').ended;
    expect(share.said).toEqual([]);
    expect(share.code).toBe(0);
    expect(await wholeOutputs(run)).toEqual(whole);
    expect(await statusOf(run)).toMatchObject({ state: 'done', inHand: 0 });
  });

  it.each([
    ['SIGTERM', 143],
    ['SIGINT', 130],
  ] as const)(
    'ends on %s with code %i, also where its workers are stuck, and says how it goes on',
    async (signal, code) => {
      const run = join(folder, signal);
      const { child, ended: over } = assay(
        'run',
        '--config',
        join(folder, 'recipe.yaml'),
        '--out',
        run,
        '--workers',
        '2',
      );
      await until(child, () => isAtWork(run));
      const children = await childrenOf(child);
      expect(children.length).toBeGreaterThan(0);
      for (const pid of children) process.kill(pid, 'SIGSTOP');
      // As a terminal does: to all of its processes.
      process.kill(-(child.pid ?? 0), signal);
      const { said, ...end } = await over;
      expect(end).toEqual({ code, signal: null, stdout: '' });
      expect(said).toEqual([expect.stringContaining(signal), `stopped; to go on: assay resume ${run}`]);
      for (const pid of children) expect(await isRunning(pid)).toBe(false);
      expect(await isAtWork(run)).toBe(false);
      if (signal === 'SIGINT') return;
      await finishRun(await openRun(run), engineContext());
      expect(await wholeOutputs(run)).toEqual(whole);
    },
  );
});

describe('what is told to stop', () => {
  it('starts no process after that', async () => {
    const processes = openProcesses({ workers: 1 });
    await processes.stop();
    const request = { kind: 'execute', folder, task: { plan: '', phase: 'admit', id: '' } } as const;
    const stopped = { kind: 'failed', error: expect.objectContaining({ message: 'stopped' }) };
    expect(await processes.run(request, () => {})).toEqual(stopped);
    expect(await processes.apart().run(request, () => {})).toEqual(stopped);
  });

  it('is not waited for longer than seconds, and what is not planned yet is not to be resumed', async () => {
    vi.useFakeTimers();
    try {
      const stop = new AbortController();
      const shell = { signal: stop.signal, log: createLog() };
      const forever = () => new Promise<never>(() => {});
      const said = Promise.all(
        [resumable(shell, 'runs/mine', forever), freezing(shell, 'runs/mine', forever)].map((outcome) =>
          outcome.catch(({ message }: Error) => message),
        ),
      );
      stop.abort(new Error('stopped'));
      await vi.advanceTimersByTimeAsync(4000);
      expect(await said).toEqual([
        'stopped; to go on: assay resume runs/mine',
        'stopped: nothing is planned yet',
      ]);
    } finally {
      vi.useRealTimers();
    }
  });
});

describe('a shard that goes while a run is at it', () => {
  it('stops the run in one line, until it is put back', async () => {
    const run = await frozen('gone');
    const shard = join(folder, 'in', 'b.parquet');
    await rename(shard, join(folder, 'away'));
    const { code, said } = await assay('resume', run.folder, '--workers', '1').ended;
    expect(code).toBe(1);
    expect(said).toHaveLength(1);
    expect(said[0]).toMatch(/b\.parquet: was there .*put it back; then: assay resume \S+gone$/);
    await copyFile(join(folder, 'in', 'a.parquet'), shard);
    await expect(finishRun(run, engineContext())).rejects.toThrow(/b\.parquet: isn't the file .*planned for/);
    await rename(join(folder, 'away'), shard);
    await finishRun(run, engineContext());
    expect(await wholeOutputs(run.folder)).toEqual(whole);
  });
});

describe.skipIf(!canMount)('a disk', () => {
  const mounted = async (name: string, size: string): Promise<string> => {
    const path = join(folder, name);
    await mkdir(path);
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${size}`, 'tmpfs', path]);
    mounts.push(path);
    return path;
  };
  const remount = (path: string, options: string) =>
    execFileSync('mount', ['-o', `remount,${options}`, path]);

  it('that is full, or read-only, stops a run in one line, and it goes on from there', async () => {
    const disk = await mounted('disk', '64k');
    const run = join(disk, 'run');
    const outcome = async (...args: string[]) => {
      const { code, said, stdout } = await assay(...args, '--workers', '1').ended;
      expect({ code, stdout, lines: said.length }).toEqual({ code: 1, stdout: '', lines: 1 });
      return said[0];
    };
    await freezeRun(config(), run, 'test.yaml');
    const full = `${run}: no space is left on the device: free some; then: assay resume ${run}`;
    expect(await outcome('resume', run)).toBe(full);
    remount(disk, 'size=16m,ro');
    expect(await outcome('resume', run)).toBe(
      `${run}: is on a read-only file system: mount it for writing; then: assay resume ${run}`,
    );
    // Where nothing is planned nothing can be resumed.
    const other = join(disk, 'other');
    expect(await outcome('run', '--config', join(folder, 'recipe.yaml'), '--out', other)).toBe(
      `${other}: is on a read-only file system: mount it for writing`,
    );
    remount(disk, 'size=16m,rw');
    await finishRun(await openRun(run), engineContext());
    expect(await wholeOutputs(run)).toEqual(whole);
  });

  it('that a database finds full is said to be full', async () => {
    const disk = await mounted('database', '1m');
    const database = await openDatabase(disk);
    const fails = (sql: string) =>
      database.run(sql).then(
        () => 'no error',
        (error) => explained(error, disk),
      );
    const random = 'SELECT random() AS a, random() AS b FROM range(3000000)';
    const full = { name: 'ResumableError', message: expect.stringContaining('no space is left') };
    expect(await fails(`COPY (${random}) TO '${disk}/x.parquet' (FORMAT parquet)`)).toMatchObject(full);
    await rm(join(disk, 'x.parquet'), { force: true });
    await database.run("SET memory_limit = '40MB'");
    expect(await fails(`CREATE TABLE t AS ${random} ORDER BY a, b`)).toMatchObject(full);
    database.close();
  });
});

describe('rows that end the process that is at them', () => {
  it('are quarantined, in both passes; and once that is put right a retry brings all back', async () => {
    const at = join(folder, 'faults');
    await mkdir(at);
    const faults: Fault[] = [
      { how: 'heap', phase: 'admit', rowGroup: 1, times: 100 },
      { how: 'abort', phase: 'finish', batch: { position: 0, unit: 1 }, times: 100 },
    ];
    await writeFile(join(at, 'faults.json'), JSON.stringify(faults));
    const before = { ...process.env };
    Object.assign(process.env, { ASSAY_TEST_FAULTS: at, NODE_OPTIONS: '--max-old-space-size=120' });
    const run = await frozen('crashing');
    try {
      await finishRun(run, engineContext(localEngine({ workers: 1, program: faultyProgram })));
    } finally {
      process.env = before;
    }
    const lost = (await readReport(run.folder)).reasons.quarantined;
    const rowsOf = (stage: string) => lost.find((entry) => entry.stage === stage)?.rows ?? 0;
    const shard = await openShard(join(folder, 'in', 'a.parquet'));
    expect(lost).toContainEqual({
      ...{ stage: 'read-shards', reason: 'crashed-reader', rows: shard.rowGroups[1]?.rows },
    });
    expect(rowsOf('label-and-write')).toBeGreaterThan(0);
    expect(rowsOf('label-and-write')).toBeLessThanOrEqual(8);
    expect(await wholeOutputs(run.folder)).not.toEqual(whole);
    const { quarantined } = await statusOf(run.folder);
    expect(quarantined).toContainEqual(expect.objectContaining({ reason: 'crashed-worker' }));
    const retry = await prepareRetry(run.folder);
    await finishRun(retry?.run as FrozenRun, engineContext());
    expect(await wholeOutputs(run.folder)).toEqual(whole);
  });
});
