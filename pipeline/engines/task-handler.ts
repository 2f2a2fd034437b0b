import type { FrozenRun } from '../curation/plan/plan-files.ts';
import { nameOfTask, type PlannedTask } from '../curation/plan/tasks.ts';
import type { Units } from '../curation/tasks/context.ts';
import { unitsOf } from '../curation/tasks/execute.ts';
import { removeAbandoned } from '../curation/tasks/output.ts';
import { ResumableError, UsageError } from '../errors.ts';
import { type Outcome, openProcesses, type ProcessApart, type ProcessOptions } from './processes.ts';

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
      const ask = async (
        process: Pick<ProcessApart, 'run'>,
        kind: 'execute' | 'probe' = 'execute',
        units: Units = {},
      ) => {
        const outcome = await process.run(request(kind, units), read);
        if (closed) throw new Error('stopped');
        if (outcome.kind === 'crashed') await removeAbandoned(run.folder);
        return outcome;
      };
      const failed = (error: Error): Error => {
        if (error instanceof ResumableError || error instanceof UsageError) return error;
        return new ResumableError(`${nameOfTask(task)}: ${error.stack ?? error.message}`);
      };
      let outcome = await ask(processes);
      if (outcome.kind === 'failed' && outcome.error !== failed(outcome.error)) {
        outcome = await ask(processes);
      }
      if (outcome.kind === 'done') return;
      if (outcome.kind === 'failed') throw failed(outcome.error);
      const apart = processes.apart();
      try {
        outcome = await ask(apart);
        if (outcome.kind === 'crashed') {
          outcome = await withoutCrashing(run, task, outcome.how, {
            isFresh: apart.isFresh,
            ask: (kind, units) => ask(apart, kind, units),
          });
        }
      } finally {
        await apart.end();
      }
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

interface Apart extends Pick<ProcessApart, 'isFresh'> {
  ask(kind: 'execute' | 'probe', units: Units): Promise<Outcome>;
}

/** Finds the units of a task that end their process, and runs it without them. */
async function withoutCrashing(
  run: FrozenRun,
  task: PlannedTask,
  how: string,
  { isFresh, ask }: Apart,
): Promise<Outcome> {
  const units = await unitsOf(run, task);
  if (units.length === 0) return { kind: 'crashed', how };
  const said = (end: string) => `the process working on it ${end}, and so did another one`;
  let skip: { unit: number; how: string }[] = [];
  if (units.length > 1) {
    for (const only of units) {
      const wasFresh = isFresh();
      let outcome = await ask('probe', { only });
      // What the units before it left may have been too much for it: it is tried in a process that had no other.
      if (outcome.kind === 'crashed' && !wasFresh) outcome = await ask('probe', { only });
      if (outcome.kind === 'failed') return outcome;
      if (outcome.kind === 'crashed') skip.push({ unit: only, how: said(outcome.how) });
    }
  }
  if (skip.length > 0) {
    const outcome = await ask('execute', { skip });
    if (outcome.kind !== 'crashed') return outcome;
  }
  // None does alone, or the others still do together.
  skip = units.map((unit) => ({ unit, how: said(how) }));
  return ask('execute', { skip });
}
