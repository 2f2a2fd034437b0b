import { type SandboxedJob, UnrecoverableError, WaitingError } from 'bullmq';
import sharp from 'sharp';
import { redact } from '../../../schemas/redact.ts';
import { openRun } from '../../curation/plan/plan-files.ts';
import { createTaskRunner, tasksOf } from '../../curation/tasks/execute.ts';
import { readRecord, type TaskRecord } from '../../curation/tasks/output.ts';
import { ResumableError, UsageError } from '../../errors.ts';
import { createTaskHandler } from '../task-handler.ts';
import { type TaskJob, taskJobSchema } from './queues.ts';
import { realUnderRoots, sandboxSettingsSchema, settingsVariable } from './roots.ts';

/** What a task's job comes to. */
export type JobResult = Pick<TaskRecord, 'rows' | 'seconds' | 'quarantined'>;

// A worker that is killed takes its processes with it: else they would go on, and be heard by no one.
process.once('disconnect', () => process.exit());
// Ctrl-C reaches the whole group of processes: the worker says when this one ends, and what becomes of its task.
process.removeAllListeners('SIGINT');
process.on('SIGINT', () => {});
// Images are decoded several at a time, and by several processes: one thread each is enough.
sharp.concurrency(1);
sharp.cache(false);

const settings = sandboxSettingsSchema.parse(JSON.parse(process.env[settingsVariable] ?? '{}'));
const runner = createTaskRunner({ processes: settings.processes });
const progressMs = 1_000;

/**
 * Runs one job in a process of its own, which is kept for the next one. What it throws goes to Redis and to logs, so it
 * is without secrets; where trying again is no use it says so.
 */
export async function runJob(
  job: SandboxedJob<TaskJob, JobResult>,
  token: string,
  signal: AbortSignal,
): Promise<JobResult> {
  let told = Date.now();
  const progress = (rows: number) => {
    if (Date.now() - told < progressMs) return;
    told = Date.now();
    job.updateProgress(rows).catch(() => {});
  };
  try {
    const asked = checkedData(job.data);
    const data = { ...asked, run: await realUnderRoots(asked.run, settings.roots) };
    if (settings.program !== undefined || endedItsProcess(job)) return await runCarefully(data, progress);
    const reference = { plan: data.plan, phase: data.phase, id: data.task };
    return resultOf(await runner.execute(data.run, reference, { signal, progress }));
  } catch (error) {
    if (!signal.aborted) throw shown(error);
    // The worker stops: others take the task, which has lost none of its tries.
    await job.moveToWait(token);
    throw new WaitingError();
  }
}

function checkedData(data: unknown): TaskJob {
  const parsed = taskJobSchema.safeParse(data);
  if (!parsed.success) throw new UsageError('refused a job that is no task of a run');
  return parsed.data;
}

const resultOf = ({ rows, seconds, quarantined }: TaskRecord): JobResult => ({ rows, seconds, quarantined });

/** What BullMQ says when the process of a job has ended. */
function endedItsProcess({ failedReason }: Pick<SandboxedJob, 'failedReason'>): boolean {
  return failedReason?.includes('Unexpected exit code') ?? false;
}

/** Runs a task that has ended its process: in one of its own, and without the part that ends it where there is one. */
async function runCarefully(data: TaskJob, progress: (rows: number) => void): Promise<JobResult> {
  const run = await openRun(data.run);
  if (run.plan.hash !== data.plan) throw new UsageError(`${data.run}: refused a task of another plan`);
  const task = (await tasksOf(run, data.phase)).find(({ id }) => id === data.task);
  if (task === undefined) throw new UsageError(`${data.run}: its plan has no task ${data.task}`);
  const handler = createTaskHandler({ workers: settings.processes, program: settings.program });
  try {
    await handler.run(run, task, progress);
  } finally {
    await handler.close(run);
  }
  const record = await readRecord(data.run, task);
  if (record === null) throw new Error(`the task ${data.phase} ${task.position} left no record`);
  return resultOf(record);
}

/** An error as Redis and logs may have it. */
function shown(error: unknown): Error {
  const { name, message, stack = '' } = error instanceof Error ? error : new Error(String(error));
  const isFinal = error instanceof UsageError || error instanceof ResumableError;
  const clean = isFinal ? new UnrecoverableError(redact(message)) : new Error(redact(message));
  clean.stack = redact(isFinal ? `${name}: ${message}` : stack);
  return clean;
}
