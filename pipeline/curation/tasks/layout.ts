import { join } from 'node:path';
import { exactly } from '../../sql-text.ts';
import type { Phase, Task } from '../plan/tasks.ts';

/** Where the parts of a run's working folder are. */
export function workLayout(folder: string) {
  const work = join(folder, 'work');
  return {
    work,
    plan: join(work, 'plan.json'),
    tasks: join(work, 'plan.parquet'),
    /** The table of a plan that isn't in force yet. */
    nextTasks: join(work, 'plan.next.parquet'),
    /** Outputs of tasks, by phase and id; each is there whole or not at all. */
    outputs: (phase: Phase) => join(work, 'tasks', phase),
    output: (task: Pick<Task, 'phase' | 'id'>) => join(work, 'tasks', task.phase, task.id),
    /** Completion records, by phase and id. */
    records: (phase: Phase) => join(work, 'done', phase),
    record: (task: Pick<Task, 'phase' | 'id'>) => join(work, 'done', task.phase, `${task.id}.json`),
    /** What is being written. */
    temporary: join(work, 'temporary'),
  };
}

/**
 * The files that tasks of the first pass leave for the reduction; one of each a task. With the folder of what earlier
 * runs left, those too: a folder each.
 */
export function factFiles(folder: string, before: string | null = null) {
  const { tasks, outputs } = workLayout(folder);
  const files = (name: string) => ({
    glob: join(exactly(outputs('admit')), '*', `${name}.parquet`),
    tasks,
    earlier: before === null ? null : join(exactly(before), '*', `${name}.parquet`),
  });
  return {
    facts: files('facts'),
    fingerprints: files('fingerprints'),
    terms: files('terms'),
    texts: files('texts'),
  };
}
