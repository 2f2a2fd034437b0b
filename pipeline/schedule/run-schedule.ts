import { createHash } from 'node:crypto';
import { resolve } from 'node:path';
import { Queue, Worker } from 'bullmq';
import { Cron } from 'croner';
import type { Logger } from 'pino';
import { redact } from '../../schemas/redact.ts';
import { assertAnswers, type RedisConnection } from '../engines/bullmq/connection.ts';
import { UsageError } from '../errors.ts';
import type { Tick } from './run-increment.ts';

/** What a schedule does, and when. */
export interface Schedule {
  /** Five fields, or six with seconds first. */
  readonly cron: string;
  /** The data set's folder, by which the schedule is known to Redis. */
  readonly folder: string;
  /** Keeps the schedule in Redis, where several processes may share it: a tick is one process's. */
  readonly redis: RedisConnection | null;
  readonly signal: AbortSignal;
  readonly log: Pick<Logger, 'info' | 'warn' | 'error'>;
  readonly tick: () => Promise<Tick>;
}

/** How many ticks were skipped because a run was on. */
export interface Ticker {
  skipped(): number;
  /** Runs one tick, or says that it is skipped. What goes wrong is said, and the next tick goes on with it. */
  run(): Promise<void>;
}

/** Makes what runs ticks, one at a time. */
export function createTicker({ tick, log, signal }: Pick<Schedule, 'tick' | 'log' | 'signal'>): Ticker {
  let isOn = false;
  let skipped = 0;
  const skip = (why: string) => {
    skipped += 1;
    log.warn(`skipped: ${why}`);
  };
  return {
    skipped: () => skipped,
    async run() {
      if (isOn) return skip('the run before is still on');
      isOn = true;
      try {
        const ticked = await tick();
        if (ticked.kind === 'added') {
          const { added, report, number } = ticked;
          log.info(`increment ${number}: ${added.read} rows read, ${added.kept} kept; ${report.kept} in all`);
        } else if (ticked.why === 'nothing is new') log.info('nothing is new');
        else skip(ticked.why);
      } catch (error) {
        if (!signal.aborted) {
          log.error(`${redact((error as Error).message)}: the next run goes on from where this one was`);
        }
      } finally {
        isOn = false;
      }
    },
  };
}

/** Throws a {@link UsageError} when a pattern isn't one of cron's, or never comes. */
export function checkCron(pattern: string): void {
  let next: Date | null;
  try {
    next = new Cron(pattern, { paused: true, mode: '5-or-6-parts' }).nextRun();
  } catch (error) {
    throw new UsageError(`--cron: ${pattern}: ${(error as Error).message}`);
  }
  if (next === null) throw new UsageError(`--cron: ${pattern}: never comes`);
}

/** Runs ticks by cron until the signal says so, and waits for the one that is on. */
export async function runSchedule(schedule: Schedule, ticker: Ticker): Promise<void> {
  checkCron(schedule.cron);
  await (schedule.redis === null ? byCroner(schedule, ticker) : byRedis(schedule, schedule.redis, ticker));
}

const until = (signal: AbortSignal) =>
  new Promise<void>((done) => {
    if (signal.aborted) done();
    else signal.addEventListener('abort', () => done(), { once: true });
  });

async function byCroner({ cron, signal, log }: Schedule, ticker: Ticker): Promise<void> {
  const running = new Set<Promise<void>>();
  const job = new Cron(cron, { mode: '5-or-6-parts' }, () => {
    const one = ticker.run().finally(() => running.delete(one));
    running.add(one);
  });
  log.info(`next run: ${job.nextRun()?.toISOString()}`);
  await until(signal);
  job.stop();
  await Promise.all(running);
}

/** The queue of a schedule has jobs of nobody else: each is a tick, and says nothing but that it is time. */
async function byRedis(
  { cron, folder, signal, log }: Schedule,
  redis: RedisConnection,
  ticker: Ticker,
): Promise<void> {
  await assertAnswers(redis);
  const name = `assay-schedule-${createHash('sha256').update(resolve(folder)).digest('hex').slice(0, 16)}`;
  const connection = redis.options;
  const queue = new Queue(name, { connection });
  queue.on('error', () => {});
  const kept = { removeOnComplete: { count: 100 }, removeOnFail: { count: 100 } };
  await queue.upsertJobScheduler('tick', { pattern: cron }, { name: 'tick', data: {}, opts: kept });
  // Two at a time: the one that comes while another is on is skipped, and isn't run late.
  const worker = new Worker(name, () => ticker.run(), { connection, concurrency: 2 });
  worker.on('error', (error) => log.warn(`${redis.name}: ${redact(error.message)}`));
  log.info(`scheduled in ${redis.name}: ${cron}`);
  await until(signal);
  await Promise.race([worker.close(), new Promise((done) => setTimeout(done, 4_000).unref())]);
  await Promise.race([queue.close(), new Promise((done) => setTimeout(done, 500).unref())]);
}
