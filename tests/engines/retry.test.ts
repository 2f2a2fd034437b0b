import { mkdir, readdir, readFile, rename, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { parseConfig } from '../../pipeline/config.ts';
import { finishRun, readReport } from '../../pipeline/curate.ts';
import { freezeRun, planRun } from '../../pipeline/curation/plan/freeze.ts';
import {
  type FrozenRun,
  openRun,
  readTasks,
  writePlan,
  writeTasks,
} from '../../pipeline/curation/plan/plan-files.ts';
import { isReadTask, type PlannedTask, phases } from '../../pipeline/curation/plan/tasks.ts';
import { prepareRetry } from '../../pipeline/curation/retry.ts';
import { readFinishTasks } from '../../pipeline/curation/tasks/decide.ts';
import { createTaskRunner, tasksOf } from '../../pipeline/curation/tasks/execute.ts';
import { workLayout } from '../../pipeline/curation/tasks/layout.ts';
import { doneIn } from '../../pipeline/curation/tasks/output.ts';
import { inlineEngine } from '../../pipeline/engines/inline.ts';
import { silentProgress } from '../../pipeline/progress.ts';
import { temporaryFolder, writeSource } from '../support.ts';
import { outputsOf, sourceRows } from './conformance.ts';
import { keepingRecipe } from './pool.ts';

let folder: string;
let shard: string;

const configOf = (more = '') => parseConfig(keepingRecipe(join(folder, 'in'), more), 'test.yaml');
const frozen = (name: string, config = configOf()) => freezeRun(config, join(folder, name), 'test.yaml');
const finish = (run: FrozenRun, phase?: 'admit' | 'rank' | 'pairs' | 'decide') =>
  phase === undefined
    ? finishRun(run, {
        ...{ signal: new AbortController().signal, progress: silentProgress, configPath: 'test.yaml' },
        engine: inlineEngine(),
      })
    : inlineEngine().run(run, { signal: new AbortController().signal, phase });
const rightFromTheStart = async (name: string, config = configOf()) => {
  const run = await frozen(name, config);
  await finish(run);
  return outputsOf(run.folder);
};

beforeAll(async () => {
  folder = await temporaryFolder();
  await mkdir(join(folder, 'in'));
  const rows = await sourceRows(60);
  shard = join(folder, 'in', 'b.parquet');
  await writeSource(join(folder, 'in', 'a.parquet'), rows.slice(0, 40), 6_000);
  await writeSource(shard, rows.slice(40));
});

describe('a retry', () => {
  it('brings a run to what it would have been right from the start, once a shard is replaced', async () => {
    const sound = await readFile(shard);
    await writeFile(shard, sound.subarray(0, sound.length / 2));
    const run = await frozen('retried');
    await finish(run);
    expect((await readReport(run.folder)).quarantinedShards).toBe(1);
    expect((await prepareRetry(run.folder))?.again).toBe(1);
    await finish(await openRun(run.folder));
    await writeFile(shard, sound);
    const retry = await prepareRetry(run.folder);
    expect(retry?.again).toBe(1);
    await finish(retry?.run as FrozenRun);
    expect(await outputsOf(run.folder)).toEqual(await rightFromTheStart('sound'));
    expect(await prepareRetry(run.folder)).toBeNull();
  });

  it('is run by a process that has run it before, whose second pass was another', async () => {
    const sound = await readFile(shard);
    // A page is mended and its file's footer is as it was, and so the plan.
    const torn = Uint8Array.from(sound);
    torn.fill(0, 4, 200);
    await writeFile(shard, torn);
    const runner = createTaskRunner();
    const runAll = async (run: FrozenRun) => {
      for (const phase of phases) {
        for (const { id } of await tasksOf(run, phase)) {
          await runner.execute(run.folder, { plan: run.plan.hash, phase, id });
        }
      }
    };
    try {
      const run = await frozen('again');
      await runAll(run);
      await writeFile(shard, sound);
      const retry = (await prepareRetry(run.folder))?.run as FrozenRun;
      expect(retry.plan.hash).toBe(run.plan.hash);
      await runAll(retry);
      expect(await outputsOf(run.folder)).toEqual(await rightFromTheStart('at-once'));
    } finally {
      await runner.dispose();
      await writeFile(shard, sound);
    }
  });

  it('goes by another recipe, where that is what was put right', async () => {
    const run = await frozen('recipe');
    await finish(run);
    const other = configOf('texts: {minCharacters: 25}');
    const retry = await prepareRetry(run.folder, { config: other, path: 'other.yaml' });
    await finish(retry?.run as FrozenRun);
    const outputs = await outputsOf(run.folder);
    expect(outputs).toEqual(await rightFromTheStart('other', other));
    expect(outputs).not.toEqual(await outputsOf(join(folder, 'sound')));
  });

  it('that is cut short while it writes its plan leaves one that can be gone on with', async () => {
    const run = await frozen('between');
    const { plan, tasks, nextTasks } = workLayout(run.folder);
    const [before, table] = [await readFile(plan), await readFile(tasks)];
    const other = configOf('texts: {minCharacters: 25}');
    await writePlan(run.folder, await planRun(other, 'other.yaml'));
    const after = (await openRun(run.folder)).plan.hash;
    // The table of its tasks is written, its plan isn't.
    await rename(tasks, nextTasks);
    await writeFile(tasks, table);
    const written = await readFile(plan);
    await writeFile(plan, before);
    expect((await openRun(run.folder)).plan.hash).toBe(run.plan.hash);
    // Its plan is in force, and the table hasn't got its name.
    await writeFile(plan, written);
    expect((await openRun(run.folder)).plan.hash).toBe(after);
    expect((await readTasks(tasks)).map(({ id }) => id)).not.toEqual(run.tasks('admit').map(({ id }) => id));
  });
});

describe('a plan that somebody has changed', () => {
  it.each<[string, (task: PlannedTask) => object]>([
    ['an id that leads out of the folder', (task) => ({ ...task, id: '../../../out' })],
    ['another id', (task) => ({ ...task, id: task.id.replace(/^./, (c) => (c === '0' ? '1' : '0')) })],
    [
      'other row groups',
      (task) => (isReadTask(task) && task.rowGroups ? { ...task, rowGroups: { from: 0, to: 9 } } : task),
    ],
    ['another partition', (task) => ('share' in task ? { ...task, of: 9 } : task)],
    ['something that no task is told', (task) => ({ ...task, folder: '/tmp' })],
    ['an id among what it is told', (task) => ({ ...task, detail: { id: '../../../out' } })],
  ])('is refused: %s', async (_, change) => {
    const run = await frozen('tampered');
    const { tasks } = workLayout(run.folder);
    await writeTasks(tasks, run.plan.tasks.map(change) as PlannedTask[]);
    await expect(openRun(run.folder)).rejects.toMatchObject({ name: 'UsageError' });
    const [task] = run.tasks('admit') as [PlannedTask];
    const reference = { plan: run.plan.hash, phase: task.phase, id: task.id };
    await expect(createTaskRunner().execute(run.folder, reference)).rejects.toMatchObject({
      name: 'UsageError',
    });
  });

  it('is refused where its recipe is another, or a task names another plan', async () => {
    const run = await frozen('tampered');
    const [task] = run.tasks('admit') as [PlannedTask];
    const refused = createTaskRunner().execute(run.folder, {
      plan: 'x'.repeat(64),
      phase: 'admit',
      id: task.id,
    });
    await expect(refused).rejects.toThrow(/refused a task of another plan/);
    const { plan } = workLayout(run.folder);
    await writeFile(plan, (await readFile(plan, 'utf8')).replace('"seed": 3', '"seed": 4'));
    await expect(openRun(run.folder)).rejects.toThrow(/isn't the one that was frozen/);
  });

  it.each(['shards', 'work/tasks', 'work/temporary', 'work/done/admit'])(
    'is refused where %s is a link, and what that leads to stays as it is',
    async (part) => {
      const run = await frozen(`linked-${part.replaceAll('/', '-')}`);
      const elsewhere = await temporaryFolder();
      await writeFile(join(elsewhere, '00007.parquet'), 'precious');
      await mkdir(dirname(join(run.folder, part)), { recursive: true });
      await symlink(elsewhere, join(run.folder, part));
      await expect(finish(run)).rejects.toThrow(/is a link/);
      expect(await readdir(elsewhere)).toEqual(['00007.parquet']);
    },
  );

  it('leads nowhere: what tasks left, and the table of the second pass, name no files', async () => {
    const run = await frozen('led');
    for (const phase of ['admit', 'rank', 'pairs', 'decide'] as const) await finish(run, phase);
    const layout = workLayout(run.folder);
    const [decide] = run.tasks('decide') as [PlannedTask];
    const table = join(layout.output(decide), 'finish.parquet');
    const planned = await readFinishTasks(run);
    const away = { path: '../../../../out', folder: '../..', id: '../../../../out' };
    await writeTasks(table, planned.map((task) => ({ ...task, ...away })) as PlannedTask[]);
    await expect(finish(run)).rejects.toThrow();
    await writeTasks(table, planned);
    // A record that says that its task was another one's, elsewhere.
    for (const id of await doneIn(run.folder, 'admit')) {
      const path = layout.record({ phase: 'admit', id });
      const record = JSON.parse(await readFile(path, 'utf8'));
      await writeFile(path, JSON.stringify({ ...record, ...away }));
    }
    await finish(run);
    expect(await outputsOf(run.folder)).toEqual(await outputsOf(join(folder, 'sound')));
    expect(await readFile(join(folder, 'out')).catch(() => 'nothing')).toBe('nothing');
  });
});
