import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdir, readFile, symlink } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { Job, Queue } from 'bullmq';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type RedisServer, redisMissing, startRedis } from '../../bench/faults/redis-server.ts';
import { curate, finishRun } from '../../pipeline/curate.ts';
import { freezeRun } from '../../pipeline/curation/plan/freeze.ts';
import { openRun } from '../../pipeline/curation/plan/plan-files.ts';
import { workLayout } from '../../pipeline/curation/tasks/layout.ts';
import { doneIn } from '../../pipeline/curation/tasks/output.ts';
import { assertAnswers, redisConnection } from '../../pipeline/engines/bullmq/connection.ts';
import { queueNames, type TaskJob, taskJobSchema } from '../../pipeline/engines/bullmq/queues.ts';
import { startTaskWorker, type TaskWorker } from '../../pipeline/engines/bullmq/worker.ts';
import { bullmqEngine } from '../../pipeline/engines/bullmq.ts';
import { inlineEngine } from '../../pipeline/engines/inline.ts';
import { localEngine } from '../../pipeline/engines/local.ts';
import { temporaryFolder } from '../support.ts';
import { testEngine } from './conformance.ts';
import { outputsOf, poolConfig, quietRun, writePool } from './pool.ts';
import { childrenOf, isRunning } from './processes.ts';

const program = new URL('../../pipeline/cli/assay.js', import.meta.url).pathname;
const missing = redisMissing();
const password = 'not-to-be-seen-by-anyone';

interface Started {
  readonly child: ChildProcess;
  readonly said: () => string;
  end(signal: NodeJS.Signals): Promise<number | null>;
}

function startWorker(url: string, ...flags: string[]): Started {
  const child = spawn(process.execPath, [program, 'worker', '--redis', url, ...flags], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let text = '';
  child.stdout.on('data', (chunk) => (text += String(chunk)));
  child.stderr.on('data', (chunk) => (text += String(chunk)));
  const ended = once(child, 'exit') as Promise<[number | null]>;
  return {
    child,
    said: () => text,
    async end(signal) {
      child.kill(signal);
      return (await ended)[0];
    },
  };
}

async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  for (let tries = 0; tries < 3000; tries += 1) {
    if (await condition()) return;
    await wait(50);
  }
  throw new Error('waited for too long');
}

describe.skipIf(missing !== null)('the bullmq engine', () => {
  let folder: string;
  let redis: RedisServer;
  let shards: string[];
  let expected: Record<string, string>;
  const workers: Started[] = [];
  const work = (...flags: string[]) => {
    const worker = startWorker(redis.url, ...flags);
    workers.push(worker);
    return worker;
  };
  const engine = () => bullmqEngine({ redis: redisConnection(redis.url), pollMs: 50 });
  const run = (name: string) =>
    curate(poolConfig(shards), join(folder, name), { ...quietRun(), engine: engine() });
  const asked = async <T>(ask: (queue: Queue) => Promise<T>) => {
    const queue = new Queue(queueNames.tasks, { connection: redisConnection(redis.url).options });
    queue.on('error', () => {});
    try {
      return await ask(queue);
    } finally {
      await queue.close();
    }
  };

  beforeAll(async () => {
    folder = await temporaryFolder();
    redis = await startRedis(password);
    shards = await writePool(join(folder, 'in'), [30, 20, 40]);
    await curate(poolConfig(shards), join(folder, 'inline'), { ...quietRun(), engine: inlineEngine() });
    expected = await outputsOf(join(folder, 'inline'));
    for (let i = 0; i < 2; i += 1) work('--root', folder, '--concurrency', '1');
  });

  afterAll(async () => {
    for (const { child } of workers) child.kill('SIGKILL');
    await redis.close();
  });

  it('gives the bytes of one process though a worker is killed at a task, two others working', async () => {
    const victim = work('--concurrency', '1');
    // All three are there before the first task is.
    await until(() => workers.every(({ said }) => said().includes('working for')));
    const ran = run('killed');
    const isAtWork = (queue: Queue) => async () => {
      const jobs = await queue.getJobs(['active']);
      return jobs.some((job) => job?.processedBy?.endsWith(`-${victim.child.pid}`));
    };
    await asked((queue) => until(isAtWork(queue)));
    await victim.end('SIGKILL');
    const report = await ran;
    expect(report.balanced).toBe(true);
    expect(await outputsOf(join(folder, 'killed'))).toEqual(expected);
  }, 240_000);

  it("does a task again whose own process is killed, in one that is the task's alone", async () => {
    const ran = run('process-killed');
    const { temporary } = workLayout(join(folder, 'process-killed'));
    // What is being written says whose process writes it.
    const writers = async () =>
      (await readdir(temporary).catch(() => [])).map((name) => Number(name.split('~')[1]));
    await until(async () => (await writers()).length > 0);
    for (const pid of await writers()) process.kill(pid, 'SIGKILL');
    expect((await ran).balanced).toBe(true);
    expect(await outputsOf(join(folder, 'process-killed'))).toEqual(expected);
    expect(workers.some(({ said }) => said().includes('Unexpected exit code'))).toBe(true);
  }, 240_000);

  it('goes on when Redis is killed and started again', async () => {
    const ran = run('restarted');
    await until(async () => (await doneIn(join(folder, 'restarted'), 'admit')).size > 0);
    await redis.kill();
    await redis.start();
    await ran;
    expect(await outputsOf(join(folder, 'restarted'))).toEqual(expected);
  }, 240_000);

  it('refuses tasks of a plan that it cannot verify, and runs that are not under its roots', async () => {
    const elsewhere = await temporaryFolder();
    const frozen = await freezeRun(poolConfig(shards), join(elsewhere, 'run'), 'test.yaml');
    const outside = engine().run(frozen, { signal: new AbortController().signal });
    await expect(outside).rejects.toThrow(/not under a --root/);
    const inside = await freezeRun(poolConfig(shards), join(folder, 'verified'), 'test.yaml');
    const [task] = inside.tasks('admit');
    const reason = await asked(async (queue) => {
      const data: TaskJob = {
        run: inside.folder,
        plan: '0'.repeat(64),
        phase: 'admit',
        task: task?.id ?? '',
      };
      const job = await queue.add('admit', data);
      await until(async () => (await job.getState()) === 'failed');
      return (await Job.fromId(queue, job.id ?? ''))?.failedReason;
    });
    expect(reason).toMatch(/refused a task of another plan/);
    expect((await doneIn(inside.folder, 'admit')).size).toBe(0);
  }, 120_000);

  it('lets the password go nowhere: not into jobs, logs or the run', async () => {
    const names = await readdir(join(folder, 'restarted'), { recursive: true, withFileTypes: true });
    for (const name of names.filter((one) => one.isFile())) {
      expect((await readFile(join(name.parentPath, name.name))).includes(password)).toBe(false);
    }
    for (const { said } of workers) expect(said()).not.toContain(password);
    const jobs = await asked((queue) => queue.getJobs());
    expect(jobs.length).toBeGreaterThan(5);
    for (const job of jobs) expect(JSON.stringify(job)).not.toContain(password);
    const keys = Object.keys(taskJobSchema.shape).sort();
    for (const job of jobs) expect(Object.keys(job.data).sort()).toEqual(keys);
  });

  it('refuses messages that nobody who plans runs would send', async () => {
    const elsewhere = await temporaryFolder();
    const { folder: outside, plan } = await freezeRun(
      poolConfig(shards),
      join(elsewhere, 'run'),
      'test.yaml',
    );
    await symlink(outside, join(folder, 'link'));
    const [task] = (await openRun(outside)).tasks('admit');
    const sound = { run: outside, plan: plan.hash, phase: 'admit', task: task?.id ?? '' };
    const up = `${folder}/${'../'.repeat(folder.split('/').length)}`;
    const gate = { run: join(folder, 'link'), plan: plan.hash, token: '0'.repeat(16), step: 0 };
    const forged = [
      [queueNames.tasks, { ...sound, run: join(folder, 'link') }, /not under a --root/],
      [queueNames.tasks, { ...sound, run: `${up}${outside}` }, /not under a --root/],
      [queueNames.tasks, { ...sound, run: 'run' }, /is absolute/],
      [queueNames.tasks, { ...sound, run: `${folder}\u0000` }, /sees no such folder/],
      [queueNames.tasks, { ...sound, program: '/bin/sh' }, /no task of a run/],
      [queueNames.tasks, { ...sound, task: '../../out' }, /no task of a run/],
      [queueNames.tasks, [sound], /no task of a run/],
      [queueNames.gates, gate, /not under a --root/],
      [queueNames.gates, { ...gate, only: 'sh' }, /no gate of a run/],
    ] as const;
    for (const [name, data, why] of forged) {
      const queue = new Queue(name, { connection: redisConnection(redis.url).options });
      try {
        const job = await queue.add('forged', data);
        await until(async () => (await job.getState()) === 'failed');
        expect((await Job.fromId(queue, job.id ?? ''))?.failedReason).toMatch(why);
        await job.remove();
      } finally {
        await queue.close();
      }
    }
    expect(await readdir(join(outside, 'work'))).toEqual(['plan.json', 'plan.parquet']);
  }, 120_000);

  it('goes on by another engine where the process that began it was stopped, its tasks with it', async () => {
    const { folder: at } = await freezeRun(poolConfig(shards), join(folder, 'driven'), 'test.yaml');
    const flags = ['run', '--plan', at, '--engine', 'bullmq', '--redis', redis.url];
    const driver = spawn(process.execPath, [program, ...flags], {
      stdio: ['ignore', 'ignore', 'pipe'],
      detached: true,
    });
    let text = '';
    driver.stderr.on('data', (chunk) => (text += String(chunk)));
    const ended = once(driver, 'close');
    await until(async () => (await doneIn(at, 'admit')).size > 0);
    process.kill(-(driver.pid ?? 0), 'SIGINT');
    expect((await ended)[0]).toBe(130);
    expect(text).toContain(`stopped; to go on: assay resume ${at}`);
    const waiting = await asked((queue) => queue.getJobs(['waiting', 'delayed']));
    expect(waiting.filter((job) => job.data.run === at)).toEqual([]);
    await finishRun(await openRun(at), { ...quietRun(), engine: localEngine({ workers: 2 }) });
    expect(await outputsOf(at)).toEqual(expected);
  }, 240_000);

  it('stops within seconds when it is told to', async () => {
    for (const { end, child } of workers.filter((one) => one.child.exitCode === null && !one.child.killed)) {
      expect(await end('SIGTERM')).toBe(143);
      expect(child.signalCode).toBeNull();
    }
  });

  it('leaves no process behind, also where they are stuck, and others do its tasks', async () => {
    const stuck = work('--root', folder, '--concurrency', '2');
    await until(() => stuck.said().includes('working for'));
    const ran = run('stuck');
    const { temporary } = workLayout(join(folder, 'stuck'));
    await until(async () => (await readdir(temporary).catch(() => [])).length > 0);
    const children = await childrenOf(stuck.child);
    expect(children.length).toBeGreaterThan(0);
    for (const pid of children) process.kill(pid, 'SIGSTOP');
    expect(await stuck.end('SIGTERM')).toBe(143);
    for (const pid of children) await until(async () => !(await isRunning(pid)));
    work('--root', folder, '--concurrency', '2');
    expect((await ran).balanced).toBe(true);
    expect(await outputsOf(join(folder, 'stuck'))).toEqual(expected);
  }, 240_000);
});

describe.skipIf(missing !== null)('as every engine', () => {
  let redis: RedisServer;
  let usual: TaskWorker | null = null;
  const quiet = { info() {}, warn() {}, error() {} };
  const start = (program?: string) =>
    startTaskWorker({
      ...{ redis: redisConnection(redis.url), concurrency: 2, roots: [], log: quiet, program },
    });

  beforeAll(async () => {
    redis = await startRedis();
  });

  afterAll(async () => {
    await usual?.close();
    await redis.close();
  });

  testEngine('bullmq', (program) => ({
    name: 'bullmq',
    async run(run, options) {
      const engine = bullmqEngine({ redis: redisConnection(redis.url), pollMs: 50 });
      if (program === undefined) {
        usual ??= await start();
        return engine.run(run, options);
      }
      await usual?.close();
      usual = null;
      // Faults are told to the processes of a worker as it starts.
      const faulty = await start(program);
      try {
        await engine.run(run, options);
      } finally {
        await faulty.close();
      }
    },
  }));
});

describe('a Redis that is not there', () => {
  it('is said in one line, without its password', async () => {
    const redis = redisConnection(`redis://someone:${password}@127.0.0.1:1`);
    const lost = assertAnswers(redis);
    await expect(lost).rejects.toThrow(/^--redis: redis:\/\/127.0.0.1:1 does not answer/);
    await expect(lost).rejects.not.toThrow(new RegExp(password));
    expect(() => redisConnection(`http://someone:${password}@host`)).toThrow(/^((?!not-to-be-seen).)*$/);
  });

  it.each(['/', '?', '#', '%', '%zz'])(
    'is said without its password, where that has a %s which no URL can have',
    (letter) => {
      const url = `redis://:se${letter}cret@127.0.0.1:1`;
      expect(() => redisConnection(url)).toThrow(/^--redis: a URL (?!.*cret)/);
    },
  );

  it('is said to be none where something listens and says nothing, and a command that waits for it can be stopped', async () => {
    const silent = createServer().listen(0, '127.0.0.1');
    await once(silent, 'listening');
    try {
      const { port } = silent.address() as AddressInfo;
      const url = `redis://127.0.0.1:${port}`;
      await expect(assertAnswers(redisConnection(url))).rejects.toThrow(/does not answer \(nothing within/);
      const waiting = once(silent, 'connection');
      const worker = startWorker(url);
      await waiting;
      expect(await worker.end('SIGTERM')).toBe(143);
    } finally {
      silent.close();
    }
  });
});
