import type { FrozenRun } from '../curation/plan/plan-files.ts';
import { type Phase, type PlannedTask, phases } from '../curation/plan/tasks.ts';
import { tasksOf } from '../curation/tasks/execute.ts';
import { doneIn } from '../curation/tasks/output.ts';

/** How far a run is, as its engine sees it. */
export interface EngineProgress {
  readonly phase: Phase;
  /** Tasks of the phase, and those that are done. */
  readonly tasks: number;
  readonly done: number;
  /** Rows of the phase, and those that were worked on, by tasks that aren't done as well. */
  readonly rows: number;
  readonly rowsDone: number;
}

/** What an engine is told of a run. */
export interface EngineOptions {
  readonly signal: AbortSignal;
  /** Told whenever a task is done, and now and then in between. */
  progress?(state: EngineProgress): void;
  /** The only phase that is run; all of them where absent. */
  readonly phase?: Phase | undefined;
}

/**
 * What runs the tasks of a frozen run, at least once each, phase by phase. It resolves when all are done, by whomever,
 * and rejects when a task has failed for good, or with the signal's reason.
 */
export interface Engine {
  readonly name: string;
  run(run: FrozenRun, options: EngineOptions): Promise<void>;
}

/** The tasks of one phase that are left to do, and how an engine says what becomes of them. */
export interface PhaseWork {
  readonly phase: Phase;
  /** Those that have no completion record, in their order. */
  readonly tasks: readonly PlannedTask[];
  /** Says that a task has worked on so many rows. */
  read(task: PlannedTask, rows: number): void;
  /** Says that a task is done. */
  done(task: PlannedTask): void;
}

/**
 * Goes through the phases of a run, each begun when the one before it is done, and has an engine run what is left of
 * each. Throws what the engine throws, and the signal's reason.
 */
export async function runPhases(
  run: FrozenRun,
  options: EngineOptions,
  runTasks: (work: PhaseWork) => Promise<void>,
): Promise<void> {
  const isDone = async () => (await doneIn(run.folder, 'commit')).size > 0;
  for (const phase of options.phase === undefined ? phases : [options.phase]) {
    options.signal.throwIfAborted();
    if (await isDone()) return;
    try {
      await runPhase(run, phase, options, runTasks);
    } catch (error) {
      // Another engine may have done it all, and cleared away what this one was looking at.
      if (options.signal.aborted || !(await isDone())) throw error;
    }
  }
}

async function runPhase(
  run: FrozenRun,
  phase: Phase,
  { progress }: EngineOptions,
  runTasks: (work: PhaseWork) => Promise<void>,
): Promise<void> {
  const tasks = await tasksOf(run, phase);
  const before = await doneIn(run.folder, phase);
  const left = tasks.filter(({ id }) => !before.has(id));
  const whole = new Set(tasks.filter(({ id }) => before.has(id)).map(({ id }) => id));
  const rows = tasks.reduce((sum, task) => sum + task.rows, 0);
  const worked = new Map<string, number>();
  // Kept as a sum: a phase may have many tasks, and a task many batches.
  let rowsDone = tasks.reduce((sum, task) => sum + (before.has(task.id) ? task.rows : 0), 0);
  const advance = ({ id }: PlannedTask, count: number) => {
    rowsDone += count - (worked.get(id) ?? 0);
    worked.set(id, count);
    progress?.({ phase, tasks: tasks.length, done: whole.size, rows, rowsDone });
  };
  progress?.({ phase, tasks: tasks.length, done: whole.size, rows, rowsDone });
  if (left.length === 0) return;
  await runTasks({
    phase,
    tasks: left,
    read: advance,
    done(task) {
      whole.add(task.id);
      advance(task, task.rows);
    },
  });
}
