import { randomBytes } from 'node:crypto';
import { realpath } from 'node:fs/promises';
import { resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { FlowProducer, Job, Queue } from 'bullmq';
import { redact } from '../../schemas/redact.ts';
import type { FrozenRun } from '../curation/plan/plan-files.ts';
import { nameOfTask, type Phase, phases } from '../curation/plan/tasks.ts';
import { tasksOf } from '../curation/tasks/execute.ts';
import { doneIn } from '../curation/tasks/output.ts';
import { ResumableError } from '../errors.ts';
import { advance } from './bullmq/advance.ts';
import { assertAnswers, type RedisConnection } from './bullmq/connection.ts';
import { type GateJob, gateId, queueNames, taskJobSchema } from './bullmq/queues.ts';
import type { Engine, EngineOptions } from './engine.ts';

/** Options of {@link bullmqEngine}. */
export interface BullmqOptions {
  readonly redis: RedisConnection;
  /** How often the run's folder and Redis are asked how far it is. */
  readonly pollMs?: number;
  /** Told of what a person should know: that no worker is there. */
  readonly warn?: (message: string) => void;
}

/**
 * Has the tasks of a run done by workers (`assay worker`) on whichever machines see its folder. The first phase is
 * enqueued as a flow: a gate that waits for its tasks. Whichever worker comes to the gate enqueues the next phase, so that
 * a run goes on to its end also when the process that began it is gone. What is done is read from the run's folder: Redis
 * may lose everything, and nothing is lost.
 */
export function bullmqEngine({ redis, pollMs = 500, warn = () => {} }: BullmqOptions): Engine {
  return {
    name: 'bullmq',
    async run(run, options) {
      options.signal.throwIfAborted();
      await assertAnswers(redis);
      const connection = redis.options;
      const driver: Driver = {
        run,
        flows: new FlowProducer({ connection }),
        tasks: new Queue(queueNames.tasks, { connection }),
        gates: new Queue(queueNames.gates, { connection }),
        gate: {
          // Not without its links, which are this machine's alone.
          run: resolve(run.folder),
          plan: run.plan.hash,
          token: randomBytes(8).toString('hex'),
          step: 0,
          ...(options.phase === undefined ? {} : { only: options.phase }),
        },
      };
      // Whatever goes wrong with a connection, it is opened again.
      driver.flows.on('error', () => {});
      driver.tasks.on('error', () => {});
      driver.gates.on('error', () => {});
      const stopped = new Promise<never>((_, reject) => {
        options.signal.addEventListener('abort', () => reject(options.signal.reason), { once: true });
      });
      stopped.catch(() => {});
      try {
        await Promise.race([drive(driver, options, { pollMs, warn }), stopped]);
      } catch (error) {
        // Nobody waits for them any more; Redis may be what is wrong.
        await withinSeconds(3, removeWaiting(driver)).catch(() => {});
        throw error;
      } finally {
        const closing = [driver.flows.close(), driver.tasks.close(), driver.gates.close()];
        await withinSeconds(1, Promise.all(closing)).catch(() => {
          // A connection that waits for a Redis that is gone would hold the process.
          for (const one of [driver.flows, driver.tasks, driver.gates]) one.disconnect().catch(() => {});
        });
      }
    },
  };
}

interface Driver {
  readonly run: FrozenRun;
  readonly flows: FlowProducer;
  readonly tasks: Queue;
  readonly gates: Queue;
  gate: GateJob;
}

async function drive(
  driver: Driver,
  { signal, progress, phase }: EngineOptions,
  { pollMs, warn }: { readonly pollMs: number; readonly warn: (message: string) => void },
): Promise<void> {
  await removeWaiting(driver);
  const watched = phase === undefined ? phases : [phase];
  let isLeft = await advance(driver.flows, driver.gate);
  const watch = watcher(driver, watched, progress);
  let polls = 0;
  while (isLeft) {
    if (polls % 20 === 10 && (await driver.tasks.getWorkersCount().catch(() => 1)) === 0) {
      warn('no worker is connected to Redis: start some (assay worker --redis URL)');
    }
    polls += 1;
    await delay(pollMs, undefined, { signal });
    isLeft = await untilDone(driver, async () => {
      await watch();
      return stepOn(driver);
    });
  }
  await watch();
}

/** Does what looks into a run's folder. A run whose last task is done meanwhile is cleared away: false then. */
async function untilDone({ run }: Driver, look: () => Promise<boolean>): Promise<boolean> {
  try {
    return await look();
  } catch (error) {
    if ((await doneIn(run.folder, 'commit')).size === 0) throw error;
    return false;
  }
}

/** Looks what became of the gate. Resolves to false when everything is done. Throws when a task has failed for good. */
async function stepOn(driver: Driver): Promise<boolean> {
  if ((await doneIn(driver.run.folder, 'commit')).size > 0) return false;
  const gate = await Job.fromId(driver.gates, gateId(driver.gate));
  const next = { ...driver.gate, step: driver.gate.step + 1 };
  if (gate === undefined) {
    // Redis has lost it, or its worker was quicker than we are: either way what is left is enqueued.
    driver.gate = next;
    return advance(driver.flows, next);
  }
  const state = await gate.getState();
  if (state === 'failed') throw await failureOf(driver, gate);
  if (state !== 'completed') return true;
  if (gate.returnvalue === false) return false;
  driver.gate = next;
  return true;
}

/** Why a gate has failed: by its task that did, or by itself. */
async function failureOf({ run, tasks }: Driver, gate: Job): Promise<Error> {
  const { failed = [] } = await gate.getDependencies({ failed: { count: 1 } }).catch(() => ({}) as never);
  const [key] = failed as readonly string[];
  const job = key === undefined ? undefined : await Job.fromId(tasks, key.split(':').at(-1) ?? '');
  if (job === undefined) return new ResumableError(redact(gate.failedReason));
  const { phase, task: wanted } = taskJobSchema.parse(job.data);
  const task = (await tasksOf(run, phase)).find(({ id }) => id === wanted);
  const why = redact(job.failedReason);
  return new ResumableError(why.includes(run.folder) || !task ? why : `${nameOfTask(task)}: ${why}`);
}

/** Removes what waits of this run: of another driver that is gone, or our own. Tasks that are worked on are finished. */
async function removeWaiting({ tasks, gates, gate: { run } }: Driver): Promise<void> {
  const real = await realpath(run);
  // The other one may have been told another path of the same folder.
  const isOurs = async (path: string | undefined) =>
    path !== undefined && (path === run || (await realpath(path).catch(() => null)) === real);
  for (const job of await gates.getJobs(['waiting-children', 'waiting', 'delayed', 'failed'])) {
    if (await isOurs(job?.data.run)) await job.remove({ removeChildren: true }).catch(() => {});
  }
  for (const job of await tasks.getJobs(['waiting', 'delayed', 'failed'])) {
    if (await isOurs(job?.data.run)) await job.remove().catch(() => {});
  }
}

/** Makes what tells how far a run is, by what is done and by what tasks say of themselves. */
function watcher({ run, tasks }: Driver, watched: readonly Phase[], tell: EngineOptions['progress']) {
  let at = 0;
  return async (): Promise<void> => {
    for (let phase = watched[at]; phase !== undefined; phase = watched[at]) {
      const isOver = (await doneIn(run.folder, 'commit')).size > 0;
      // Of a run that is over the records are cleared away, and with them how many shards it wrote.
      const planned = isOver ? run.tasks(phase) : await tasksOf(run, phase);
      const done = isOver ? new Set(planned.map(({ id }) => id)) : await doneIn(run.folder, phase);
      const worked = new Map<string, number>();
      for (const job of await tasks.getJobs(['active'])) {
        if (typeof job?.progress === 'number') worked.set(job.data.task, job.progress);
      }
      const rowsOf = (id: string, rows: number) => (done.has(id) ? rows : (worked.get(id) ?? 0));
      tell?.({
        phase,
        tasks: planned.length,
        done: planned.filter(({ id }) => done.has(id)).length,
        rows: planned.reduce((sum, { rows }) => sum + rows, 0),
        rowsDone: planned.reduce((sum, { id, rows }) => sum + rowsOf(id, rows), 0),
      });
      if (planned.some(({ id }) => !done.has(id))) return;
      at += 1;
    }
  };
}

async function withinSeconds<T>(seconds: number, work: Promise<T>): Promise<T> {
  const late = new Promise<never>((_, reject) => {
    setTimeout(() => reject(new Error(`not within ${seconds} s`)), 1000 * seconds).unref();
  });
  return Promise.race([work, late]);
}
