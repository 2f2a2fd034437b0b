import type { Units } from '../curation/tasks/context.ts';
import type { TaskReference, TaskRunner } from '../curation/tasks/execute.ts';

/** What a process that runs tasks is asked: one task after another. */
export interface TaskRequest {
  readonly kind: 'execute' | 'probe';
  readonly folder: string;
  readonly task: TaskReference;
  readonly units?: Units | undefined;
}

/** What it answers. */
export type TaskAnswer =
  | { readonly kind: 'read'; readonly rows: number }
  | { readonly kind: 'done' }
  | { readonly kind: 'failed'; readonly name: string; readonly message: string; readonly stack: string };

/** Serves tasks to the process that started this one, until it goes. */
export function serveTasks(runner: TaskRunner): void {
  // Ctrl-C reaches the whole group of processes: the one that started this one says when it ends.
  process.on('SIGINT', () => {});
  process.on('disconnect', () => process.exit());
  const answer = (message: TaskAnswer) => {
    if (process.connected) process.send?.(message);
  };
  process.on('message', ({ kind, folder, task, units }: TaskRequest) => {
    const progress = (rows: number) => answer({ kind: 'read', rows });
    runner[kind](folder, task, { units, progress }).then(
      () => answer({ kind: 'done' }),
      (error) => {
        const { name, message, stack } = error instanceof Error ? error : new Error(String(error));
        answer({ kind: 'failed', name, message, stack: stack ?? message });
      },
    );
  });
}
