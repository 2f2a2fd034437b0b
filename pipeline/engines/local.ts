import { availableParallelism } from 'node:os';
import PQueue from 'p-queue';
import type { FrozenRun } from '../curation/plan/plan-files.ts';
import type { PlannedTask } from '../curation/plan/tasks.ts';
import { type Engine, type EngineOptions, type PhaseWork, runPhases } from './engine.ts';
import type { ProcessOptions } from './processes.ts';
import { createTaskHandler, type TaskHandler } from './task-handler.ts';

/** Options of {@link localEngine}. */
export type LocalOptions = Partial<ProcessOptions>;

/** Runs the tasks in processes of this machine, one a core unless told, each one task at a time. */
export function localEngine({ workers = availableParallelism(), program }: LocalOptions = {}): Engine {
  return {
    name: 'local',
    run: (run, options) =>
      withHandler(run, options, { workers, program }, (handler) =>
        runPhases(run, options, (work) => runInProcesses(run, work, work.tasks, handler, workers)),
      ),
  };
}

/** Hands a task handler to what uses it, and ends its processes when that is done, or when the signal says so. */
export async function withHandler(
  run: FrozenRun,
  { signal }: Pick<EngineOptions, 'signal'>,
  options: ProcessOptions,
  use: (handler: TaskHandler) => Promise<void>,
): Promise<void> {
  signal.throwIfAborted();
  const handler = createTaskHandler(options);
  let abort = () => {};
  const stopped = new Promise<never>((_, reject) => {
    abort = () => reject(signal.reason);
    signal.addEventListener('abort', abort, { once: true });
  });
  stopped.catch(() => {});
  const used = use(handler);
  used.catch(() => {});
  try {
    await Promise.race([used, stopped]);
  } finally {
    signal.removeEventListener('abort', abort);
    await handler.close(run);
  }
}

/** Runs tasks of a phase, `workers` at a time. Throws what the first one throws that fails for good. */
export async function runInProcesses(
  run: FrozenRun,
  work: PhaseWork,
  tasks: readonly PlannedTask[],
  handler: TaskHandler,
  workers: number,
): Promise<void> {
  const queue = new PQueue({ concurrency: workers });
  await Promise.all(
    tasks.map((task) =>
      queue.add(async () => {
        try {
          await handler.run(run, task, (rows) => work.read(task, rows));
        } catch (error) {
          // The next one would begin before whoever waits for this one hears of it.
          queue.clear();
          throw error;
        }
        work.done(task);
      }),
    ),
  );
}
