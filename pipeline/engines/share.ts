import { setTimeout as delay } from 'node:timers/promises';
import type { FrozenRun } from '../curation/plan/plan-files.ts';
import { type Phase, phases } from '../curation/plan/tasks.ts';
import { tasksOf } from '../curation/tasks/execute.ts';
import { doneIn } from '../curation/tasks/output.ts';
import { ResumableError } from '../errors.ts';
import { type Engine, type EngineOptions, runPhases } from './engine.ts';
import { runInProcesses, withHandler } from './local.ts';
import type { ProcessOptions } from './processes.ts';

/** Options of {@link shareEngine}. */
export interface ShareOptions extends ProcessOptions {
  /** Which share of each phase's tasks this is, from 0, and of how many. */
  readonly index: number;
  readonly of: number;
  /** How long to wait, in milliseconds, without another share's task being done. */
  readonly patienceMs: number;
  /** How often other shares' completion records are looked for. */
  readonly pollMs?: number;
}

/**
 * Runs one share of each phase's tasks, and waits between phases until those of the others are done: for job arrays,
 * whose jobs see one folder. With a `phase` it runs its share of that and waits for nobody; what must be done before is an
 * error where it isn't. Rejects with a {@link ResumableError} when the others have stood still for too long.
 */
export function shareEngine({ index, of, patienceMs, pollMs = 1000, ...processes }: ShareOptions): Engine {
  return {
    name: 'share',
    run: (run, options) =>
      withHandler(run, options, processes, async (handler) => {
        if (options.phase !== undefined) await requireBefore(run, options.phase);
        await runPhases(run, options, async (work) => {
          const own = work.tasks.filter(({ position }) => position % of === index);
          await runInProcesses(run, work, own, handler, processes.workers);
          if (options.phase !== undefined) return;
          await waitFor(run, work.phase, options, { patienceMs, pollMs });
          for (const task of work.tasks) if (task.position % of !== index) work.done(task);
        });
      }),
  };
}

async function requireBefore(run: FrozenRun, phase: Phase): Promise<void> {
  const before = phases[phases.indexOf(phase) - 1];
  if (before === undefined || (await doneIn(run.folder, 'commit')).size > 0) return;
  await requireBefore(run, before);
  const left = await leftOf(run, before);
  if (left > 0)
    throw new ResumableError(
      `${run.folder}: ${left} tasks of the phase ${before} are not done: run them first`,
    );
}

async function leftOf(run: FrozenRun, phase: Phase): Promise<number> {
  const done = await doneIn(run.folder, phase);
  if (phase === 'commit' ? done.size > 0 : (await doneIn(run.folder, 'commit')).size > 0) return 0;
  return (await tasksOf(run, phase)).filter(({ id }) => !done.has(id)).length;
}

async function waitFor(
  run: FrozenRun,
  phase: Phase,
  { signal }: EngineOptions,
  { patienceMs, pollMs }: { readonly patienceMs: number; readonly pollMs: number },
): Promise<void> {
  let before = Number.POSITIVE_INFINITY;
  let since = Date.now();
  for (;;) {
    signal.throwIfAborted();
    const left = await leftOf(run, phase);
    if (left === 0) return;
    if (left < before) since = Date.now();
    before = left;
    if (Date.now() - since > patienceMs) {
      const minutes = Math.round(patienceMs / 60_000);
      throw new ResumableError(
        `${run.folder}: waited ${minutes} minutes for ${left} tasks of the phase ${phase} that others were to do: see whether they run`,
      );
    }
    await delay(pollMs, undefined, { signal });
  }
}
