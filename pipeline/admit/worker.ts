import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Teacher } from '../../models/teacher.ts';
import type { Config } from '../config.ts';
import { silentProgress } from '../progress.ts';
import { openExecutorOf, openTeacher, resolveTeacher } from '../teacher.ts';
import { ledgerName, openLedgerFile } from './ledger-file.ts';
import type { AdmitTask } from './plan.ts';
import { createTaskRunner, type TaskResult, type TaskRunner } from './run-task.ts';

/** What a worker is asked: first which recipe it works by, then one task after another. */
export type WorkerRequest =
  | { readonly kind: 'recipe'; readonly config: Config }
  | { readonly kind: 'task'; readonly task: AdmitTask; readonly folder: string };

/** What it answers. */
export type WorkerAnswer =
  | { readonly kind: 'read'; readonly rows: number }
  | { readonly kind: 'done'; readonly result: TaskResult }
  | { readonly kind: 'failed'; readonly message: string };

// Ctrl-C reaches the whole group of processes: the run that started this one says when it ends.
process.on('SIGINT', () => {});
process.on('disconnect', () => process.exit());

let runner: TaskRunner | null = null;
const answer = (message: WorkerAnswer) => process.send?.(message);
const never = new AbortController().signal;

process.on('message', (request: WorkerRequest) => {
  if (request.kind === 'recipe') runner = createTaskRunner(request.config, () => teacherOf(request.config));
  else
    run(request.task, request.folder).then(
      (result) => answer({ kind: 'done', result }),
      (error) =>
        answer({ kind: 'failed', message: error instanceof Error ? (error.stack ?? '') : String(error) }),
    );
});

async function teacherOf(config: Config): Promise<Teacher | null> {
  if (!config.teacher) return null;
  const executor = await openExecutorOf(config, 'teacher.checkpoint');
  const run = { signal: never, progress: silentProgress };
  const checkpoint = await resolveTeacher(config.teacher, 'teacher.checkpoint', run);
  return openTeacher(checkpoint, executor, config);
}

async function run(task: AdmitTask, folder: string): Promise<TaskResult> {
  if (runner === null) throw new Error('a worker was given a task before its recipe');
  await mkdir(folder, { recursive: true });
  const ledger = openLedgerFile(join(folder, ledgerName));
  try {
    return await runner(task, folder, {
      context: { signal: never, drop: ledger.drop, quarantine: ledger.quarantine },
      async afterBatch(rows) {
        await ledger.flush();
        answer({ kind: 'read', rows });
      },
    });
  } finally {
    await ledger.close();
  }
}
