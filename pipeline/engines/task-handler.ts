import { ResumableError, UsageError } from '../errors.ts';
import type { FrozenRun } from '../plan/plan-files.ts';
import { nameOfTask, type PlannedTask } from '../plan/tasks.ts';
import type { Units } from '../tasks/context.ts';
import { unitsOf } from '../tasks/execute.ts';
import { removeAbandoned } from '../tasks/output.ts';
import { type Outcome, openProcesses, type ProcessOptions } from './processes.ts';

/** Runs tasks in processes, and sees to those that fail or end their process. */
export interface TaskHandler {
  /**
   * Runs a task. One that throws is tried once more, and then thrown as a {@link ResumableError}. One whose process ends is
   * tried once more in a process of its own; where that ends as well each of its units is tried alone, and those that end
   * theirs are quarantined, so that the run goes on.
   */
  run(run: FrozenRun, task: PlannedTask, read: (rows: number) => void): Promise<void>;
  /** Ends the processes, and clears away what they left unfinished of a run. */
  close(run?: FrozenRun): Promise<void>;
}

/** Makes a handler; as many tasks may be run at once as it has workers. */
export function createTaskHandler(options: ProcessOptions): TaskHandler {
  const processes = openProcesses(options);
  let closed = false;
  return {
    async run(run, task, read) {
      const request = (kind: 'execute' | 'probe', units: Units = {}) => ({
        ...{ kind, folder: run.folder, units },
        task: { plan: run.plan.hash, phase: task.phase, id: task.id },
      });
      const apart = async (kind: 'execute' | 'probe', units: Units = {}) => {
        const outcome = await processes.runApart(request(kind, units), read);
        if (closed) throw new Error('stopped');
        if (outcome.kind === 'crashed') await removeAbandoned(run.folder);
        return outcome;
      };
      const failed = (error: Error): Error => {
        if (error instanceof ResumableError || error instanceof UsageError) return error;
        return new ResumableError(`${nameOfTask(task)}: ${error.stack ?? error.message}`);
      };
      let outcome = await processes.run(request('execute'), read);
      if (closed) throw new Error('stopped');
      if (outcome.kind === 'done') return;
      if (outcome.kind === 'failed' && outcome.error !== failed(outcome.error)) {
        outcome = await processes.run(request('execute'), read);
        if (outcome.kind === 'done') return;
      }
      if (outcome.kind === 'failed') throw failed(outcome.error);
      await removeAbandoned(run.folder);
      outcome = await apart('execute');
      if (outcome.kind === 'crashed') outcome = await withoutCrashing(run, task, outcome.how, apart);
      if (outcome.kind === 'failed') throw failed(outcome.error);
      if (outcome.kind === 'crashed') {
        const advice = 'give the machine more memory, or fewer workers';
        throw new ResumableError(
          `${nameOfTask(task)}: the process working on it ${outcome.how}, twice: ${advice}`,
        );
      }
    },
    async close(run) {
      closed = true;
      await processes.stop();
      if (run !== undefined) await removeAbandoned(run.folder).catch(() => {});
    },
  };
}

/** Finds the units of a task that end their process, and runs it without them. */
async function withoutCrashing(
  run: FrozenRun,
  task: PlannedTask,
  how: string,
  apart: (kind: 'execute' | 'probe', units: Units) => Promise<Outcome>,
): Promise<Outcome> {
  const units = await unitsOf(run, task);
  if (units.length === 0) return { kind: 'crashed', how };
  const said = (end: string) => `the process working on it ${end}, and so did another one`;
  let skip: { unit: number; how: string }[] = [];
  if (units.length > 1) {
    for (const only of units) {
      const outcome = await apart('probe', { only });
      if (outcome.kind === 'failed') return outcome;
      if (outcome.kind === 'crashed') skip.push({ unit: only, how: said(outcome.how) });
    }
  }
  if (skip.length > 0) {
    const outcome = await apart('execute', { skip });
    if (outcome.kind !== 'crashed') return outcome;
  }
  // None does alone, or the others still do together.
  skip = units.map((unit) => ({ unit, how: said(how) }));
  return apart('execute', { skip });
}
