import { hostname } from 'node:os';
import { fileURLToPath } from 'node:url';
import { FlowProducer, Worker } from 'bullmq';
import type { Logger } from 'pino';
import { redact } from '../../../schemas/redact.ts';
import { heapOptions } from '../processes.ts';
import { openGate } from './advance.ts';
import { assertAnswers, type RedisConnection } from './connection.ts';
import { queueNames, type TaskJob, taskJobSchema } from './queues.ts';
import { resolveRoots, type SandboxSettings, settingsVariable } from './roots.ts';
import type { JobResult } from './run-job.ts';

/** How a worker works. */
export interface WorkerOptions {
  readonly redis: RedisConnection;
  /** Tasks at a time, each in a process of its own. */
  readonly concurrency: number;
  /** Folders that runs must be under; any where there are none. */
  readonly roots: readonly string[];
  /** The program that serves tasks in a process of its own; the sandbox runs them itself unless told. */
  readonly program?: string | undefined;
  readonly log: Pick<Logger, 'info' | 'warn' | 'error'>;
  /** Told of a task that is done. */
  readonly done?: (task: TaskJob, result: JobResult) => void;
}

/** A worker that takes tasks until it is closed. */
export interface TaskWorker {
  /** Stops: tasks that are being worked on go back to the queue. Within 5 s, whatever they do. */
  close(): Promise<void>;
}

/**
 * A task whose worker is gone is taken by another one after so long. A worker that lives renews its lock twice in that
 * time, whatever its tasks do: they are in other processes.
 */
const lockMs = 5_000;
/** Times that a task may lose its worker. */
const mostStalls = 20;
const patienceMs = 2_500;

const sandbox = fileURLToPath(new URL('./sandbox.cjs', import.meta.url));

/** Starts a worker. Throws a {@link UsageError} when Redis doesn't answer, or a root isn't there. */
export async function startTaskWorker(options: WorkerOptions): Promise<TaskWorker> {
  const { redis, concurrency, log } = options;
  const roots = await resolveRoots(options.roots);
  await assertAnswers(redis);
  const settings: SandboxSettings = {
    roots,
    processes: concurrency,
    ...(options.program === undefined ? {} : { program: options.program }),
  };
  const shared = {
    connection: redis.options,
    name: `${hostname()}-${process.pid}`,
    lockDuration: lockMs,
    stalledInterval: lockMs,
    maxStalledCount: mostStalls,
  };
  const report = outages(log, redis.name);
  const tasks = new Worker(queueNames.tasks, sandbox, {
    ...shared,
    concurrency,
    workerForkOptions: {
      execArgv: [...heapOptions],
      env: { ...process.env, [settingsVariable]: JSON.stringify(settings) },
    },
  });
  const flows = new FlowProducer({ connection: redis.options });
  const gates = new Worker(queueNames.gates, ({ data }) => openGate(data, flows, roots), shared);
  flows.on('error', report.failed);
  const watch = (worker: Worker) => {
    worker.on('error', report.failed);
    worker.on('ready', report.answers);
    worker.on('failed', (job, error) => {
      const { run = '', phase = 'a gate', task = '' } = { ...job?.data };
      log.warn(`${run}: ${phase} ${String(task).slice(0, 8)}: ${redact(error.message)}`);
    });
    worker.on('stalled', (id) => log.warn(`${id}: its worker is gone: taken up again`));
  };
  watch(tasks);
  watch(gates);
  tasks.on('completed', (job, result) => {
    report.answers();
    options.done?.(taskJobSchema.parse(job.data), result);
  });
  await Promise.all([tasks.waitUntilReady(), gates.waitUntilReady()]);
  log.info(`working for ${redis.name}, ${concurrency} tasks at a time`);
  return {
    async close() {
      tasks.cancelAllJobs('the worker stops');
      const closing = Promise.all([tasks.close(), gates.close()]);
      const late = new Promise<'late'>((resolve) => setTimeout(resolve, patienceMs, 'late').unref());
      if ((await Promise.race([closing, late])) === 'late') {
        // Their locks run out, and others take them.
        await Promise.race([Promise.all([tasks.close(true), gates.close(true)]), soon()]);
      }
      await Promise.race([flows.close(), soon()]);
    },
  };
}

const soon = () => new Promise<void>((resolve) => setTimeout(resolve, 500).unref());

/** Says once that Redis is gone, and once that it is back, however many connections find out. */
function outages(log: WorkerOptions['log'], name: string) {
  let isGone = false;
  return {
    failed(error: Error) {
      const isOutage = /ECONN|EPIPE|ETIMEDOUT|closed|LOADING/i.test(error.message);
      if (isOutage && isGone) return;
      isGone ||= isOutage;
      log.warn(`${name}: ${redact(error.message)}${isOutage ? ': waiting for it to come back' : ''}`);
    },
    answers() {
      if (isGone) log.info(`${name}: answers again`);
      isGone = false;
    },
  };
}
