import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { ResumableError, UsageError } from '../../errors.ts';
import { type FrozenRun, openRun } from '../plan/plan-files.ts';
import { isReadTask, type Phase, type PlannedTask } from '../plan/tasks.ts';
import { admitEvaluation, admitRows, unitsOfRead } from './admit.ts';
import { commitRun, publish, tidy } from './commit.ts';
import {
  openTaskModels,
  type TaskContext,
  type TaskModels,
  type TaskOutcome,
  type Units,
} from './context.ts';
import { decideRows, readFinishTasks } from './decide.ts';
import { finishRows } from './finish.ts';
import { workLayout } from './layout.ts';
import { commitOutput, readRecord, type TaskRecord, temporaryName } from './output.ts';
import { pairRows, rankRows } from './reduce.ts';
import { rowsOfRange } from './rows.ts';

/** What names a task to a process that sees the run's folder. */
export interface TaskReference {
  /** The hash of the plan that it belongs to. */
  readonly plan: string;
  readonly phase: Phase;
  readonly id: string;
}

/** How a task is run. */
export interface ExecuteOptions {
  readonly signal?: AbortSignal | undefined;
  /** Told how many rows were worked on so far. */
  readonly progress?: ((rows: number) => void) | undefined;
  readonly units?: Units | undefined;
}

/** Runs tasks of runs: one for each process. What it opened for a run is kept until another run's task comes. */
export interface TaskRunner {
  /**
   * Runs a task, unless it is done. May be called at least once, by several processes at a time: the first one's output
   * stands. Throws a {@link UsageError} when the folder's plan isn't the task's, a {@link ResumableError} where something
   * outside must be put right, and whatever else the task throws; then nothing of it is left.
   */
  execute(folder: string, task: TaskReference, options?: ExecuteOptions): Promise<TaskRecord>;
  /** Runs a task's only unit (`options.units.only`) and throws its output away: to see whether it can be run. */
  probe(folder: string, task: TaskReference, options: ExecuteOptions): Promise<void>;
  dispose(): Promise<void>;
}

/**
 * Makes what runs tasks in this process, which is one of `processes` at work on the machine: images in flight are shared
 * among them.
 */
export function createTaskRunner({ processes = 1 }: { readonly processes?: number } = {}): TaskRunner {
  let held: { run: FrozenRun; models: TaskModels } | null = null;
  const open = async (folder: string, { plan }: TaskReference) => {
    if (held?.run.folder === folder && held.run.plan.hash === plan) return held;
    await held?.models.dispose();
    held = null;
    const run = await openRun(folder);
    if (run.plan.hash !== plan) {
      throw new UsageError(
        `${folder}: refused a task of another plan (${plan.slice(0, 12)}) than the folder's`,
      );
    }
    held = { run, models: openTaskModels(run, processes) };
    return held;
  };
  const prepare = async (folder: string, reference: TaskReference, options: ExecuteOptions) => {
    const { run, models } = await open(folder, reference);
    const task = (await tasksOf(run, reference.phase)).find(({ id }) => id === reference.id);
    if (task === undefined)
      throw new UsageError(`${folder}: its plan has no task ${reference.id} of ${reference.phase}`);
    const context: TaskContext = {
      run,
      config: models.config,
      teacher: models.teacher,
      database: models.database,
      signal: options.signal ?? new AbortController().signal,
      progress: options.progress ?? (() => {}),
      units: options.units ?? {},
    };
    return { run, task, context };
  };
  return {
    async execute(folder, reference, options = {}) {
      const { run, task, context } = await prepare(folder, reference, options);
      const started = performance.now();
      try {
        const done = await commitOutput(folder, task, {
          async write(temporary) {
            const { result, rows, quarantined = [] } = await runKind(context, task, temporary);
            return {
              ...{ phase: task.phase, id: task.id, position: task.position, plan: run.plan.hash },
              seconds: Math.round(performance.now() - started) / 1000,
              ...{ at: new Date().toISOString(), rows, quarantined, result },
            };
          },
          publish: (output) => (task.phase === 'commit' ? publish(run, output) : Promise.resolve()),
        });
        if (task.phase === 'commit') await tidy(run);
        return done;
      } catch (error) {
        // Another process may have done it, and cleared away what this one was reading.
        const done = await readRecord(folder, task).catch(() => null);
        if (done !== null) return done;
        throw explained(error, folder);
      }
    },
    async probe(folder, reference, options) {
      const { task, context } = await prepare(folder, reference, options);
      const temporary = join(workLayout(folder).temporary, temporaryName());
      await mkdir(temporary, { recursive: true });
      try {
        await runKind(context, task, temporary);
      } finally {
        await rm(temporary, { recursive: true, force: true });
      }
    },
    async dispose() {
      await held?.models.dispose();
      held = null;
    },
  };
}

/** The tasks of a phase. Throws where they are not planned yet: those of `finish` are by `decide`. */
export async function tasksOf(run: FrozenRun, phase: Phase): Promise<readonly PlannedTask[]> {
  return phase === 'finish' ? readFinishTasks(run) : run.tasks(phase);
}

/** Runs one task in this process, which opens what it needs for it alone. Throws as {@link TaskRunner} does. */
export async function executeTask(
  folder: string,
  task: TaskReference,
  options: ExecuteOptions = {},
): Promise<TaskRecord> {
  const runner = createTaskRunner();
  try {
    return await runner.execute(folder, task, options);
  } finally {
    await runner.dispose();
  }
}

/** The parts that a task can be split into, to find which one ends its process; none where it can't be. */
export async function unitsOf(run: FrozenRun, task: PlannedTask): Promise<number[]> {
  if (isReadTask(task)) return unitsOfRead(task);
  if (task.phase !== 'finish') return [];
  const units: number[] = [];
  for await (const _ of rowsOfRange(run, task)) units.push(units.length);
  return units;
}

function runKind(context: TaskContext, task: PlannedTask, folder: string): Promise<TaskOutcome<unknown>> {
  if (isReadTask(task)) return admitRows(context, task, folder);
  if (task.phase === 'admit') return admitEvaluation(context, task, folder);
  if ('share' in task) {
    return task.phase === 'rank' ? rankRows(context, task, folder) : pairRows(context, task, folder);
  }
  if (task.phase === 'finish') return finishRows(context, task, folder);
  if (task.phase === 'decide') return decideRows(context, task, folder);
  return commitRun(context, task, folder);
}

const explanations: Readonly<Record<string, string>> = {
  ENOSPC: 'no space is left on the device: free some',
  EDQUOT: 'the quota of the disk is used up: free some',
  EROFS: 'is on a read-only file system: mount it for writing',
  EACCES: "can't be written: give this user the right to",
  EPERM: "can't be written: give this user the right to",
};

function saidInWords(message: string): string | undefined {
  // What DuckDB may spill is bounded by what the disk has left when it opens.
  if (/no space left|failed to offload|max_temp_directory_size/i.test(message)) return 'ENOSPC';
  if (/disk quota exceeded/i.test(message)) return 'EDQUOT';
  if (/read-only file system/i.test(message)) return 'EROFS';
  return undefined;
}

/** What a task failed by, in one line where something outside is to be put right. */
export function explained(error: unknown, folder: string): unknown {
  const { code, message = '' } = error as NodeJS.ErrnoException;
  // DuckDB and Arrow say it in words.
  const found = code !== undefined && code in explanations ? code : (saidInWords(message) ?? '');
  const why = explanations[found];
  return why === undefined ? error : new ResumableError(`${folder}: ${why}`);
}
