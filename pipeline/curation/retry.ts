import { access, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Config } from '../config.ts';
import { UsageError } from '../errors.ts';
import { taskFiles } from './admit/run-task.ts';
import { planRun } from './plan/freeze.ts';
import { type FrozenRun, openRun, writePlan } from './plan/plan-files.ts';
import { isReadTask, phases } from './plan/tasks.ts';
import { isWorthRetrying, tasksToRetry } from './tasks/commit.ts';
import { workLayout } from './tasks/layout.ts';
import { doneIn } from './tasks/output.ts';

/** A run made ready to try again what it quarantined. */
export interface Retry {
  readonly run: FrozenRun;
  /** Tasks of the first pass that are run again, or for the first time. */
  readonly again: number;
}

/**
 * Makes a run ready to try again what couldn't be read: plans it over its shards as they are now, and forgets the tasks
 * that quarantined what they couldn't read and all that was decided since. What the other tasks admitted stays as it
 * is. An engine then brings the folder to what a run of these shards would have made of it. Null when there is nothing
 * to try again.
 */
export async function prepareRetry(
  folder: string,
  config?: { readonly config: Config; readonly path: string },
): Promise<Retry | null> {
  const before = await openRun(folder);
  const layout = workLayout(folder);
  const failed = await tasksToRetry(before);
  const isWhole = !(await isWorthRetrying(before)) && (await doneIn(folder, 'commit')).size > 0;
  if (isWhole && config === undefined) return null;
  const { plan } = before;
  if (plan.earlier) {
    throw new UsageError(`${folder}: is an increment of a data set: assay schedule goes on with it`);
  }
  const recipe = config?.config ?? plan.config;
  // What can't be planned leaves the run as it is.
  const next = await planRun(recipe, config?.path ?? plan.configPath);
  for (const phase of [...phases].reverse()) {
    if (phase === 'admit') continue;
    // The records first: an output without one is taken up, a record without its output is not.
    await rm(layout.records(phase), { recursive: true, force: true });
    await rm(layout.outputs(phase), { recursive: true, force: true });
  }
  for (const task of failed) {
    await rm(layout.record(task), { force: true });
    await rm(layout.output(task), { recursive: true, force: true });
  }
  await writePlan(folder, next);
  const run = await openRun(folder);
  const planned = new Set(run.tasks('admit').map(({ id }) => id));
  for (const id of await readdir(layout.outputs('admit')).catch(() => [])) {
    if (!planned.has(id)) await rm(layout.output({ phase: 'admit', id }), { recursive: true, force: true });
  }
  for (const id of await doneIn(folder, 'admit')) {
    if (!planned.has(id)) await rm(layout.record({ phase: 'admit', id }), { force: true });
  }
  let again = 0;
  const done = await doneIn(folder, 'admit');
  for (const task of run.tasks('admit')) {
    const output = layout.output(task);
    const left = isReadTask(task) ? taskFiles(output).rows : join(output, 'evaluation.parquet');
    const isThere = await access(left).then(
      () => true,
      () => false,
    );
    // What was cleared away since is read again.
    if (done.has(task.id) && !isThere) {
      await rm(layout.record(task), { force: true });
      await rm(output, { recursive: true, force: true });
    }
    if (!done.has(task.id) || !isThere) again += 1;
  }
  return { run, again };
}
