import type { FrozenRun } from '../curation/plan/plan-files.ts';
import { createTaskRunner } from '../curation/tasks/execute.ts';
import { type Engine, runPhases } from './engine.ts';

/** Runs the tasks one after the other in this process: the reference, for programs and tests that want no other process. */
export function inlineEngine(): Engine {
  return {
    name: 'inline',
    async run(run: FrozenRun, options) {
      const runner = createTaskRunner();
      try {
        await runPhases(run, options, async (work) => {
          for (const task of work.tasks) {
            options.signal.throwIfAborted();
            const reference = { plan: run.plan.hash, phase: task.phase, id: task.id };
            const progress = (rows: number) => work.read(task, rows);
            await runner.execute(run.folder, reference, { signal: options.signal, progress });
            work.done(task);
          }
        });
      } finally {
        await runner.dispose();
      }
    },
  };
}
