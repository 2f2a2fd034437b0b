import { describe, expect, it } from 'vitest';
import { redisMissing, startRedis } from '../../bench/faults/redis-server.ts';
import { redisConnection } from '../../pipeline/engines/bullmq/connection.ts';
import type { Tick } from '../../pipeline/schedule/run-increment.ts';
import { checkCron, createTicker, runSchedule } from '../../pipeline/schedule/run-schedule.ts';

const missing = redisMissing();
const nothing: Tick = { kind: 'skipped', why: 'nothing is new' };

function listening() {
  const said: string[] = [];
  const say = (text: unknown) => said.push(String(text));
  return { said, log: { info: say, warn: say, error: say } };
}

/** A schedule of every second whose first tick takes until another one has come. */
async function overlapping(redis: ReturnType<typeof redisConnection> | null) {
  const { said, log } = listening();
  const stop = new AbortController();
  let runs = 0;
  const ticker = createTicker({
    log,
    signal: stop.signal,
    async tick() {
      runs += 1;
      while (ticker.skipped() === 0) await new Promise((resolve) => setTimeout(resolve, 20));
      stop.abort();
      return nothing;
    },
  });
  const schedule = { cron: '* * * * * *', folder: 'set', redis, signal: stop.signal, log };
  await runSchedule({ ...schedule, tick: async () => nothing }, ticker);
  return { runs, skipped: ticker.skipped(), said };
}

describe('a schedule', () => {
  it('skips a run that would overlap, and says so', async () => {
    const { runs, skipped, said } = await overlapping(null);
    expect([runs, skipped]).toEqual([1, 1]);
    expect(said).toContain('skipped: the run before is still on');
    expect(said.at(-1)).toBe('nothing is new');
  });

  it.skipIf(missing !== null)('does the same when it is kept in Redis', async () => {
    const server = await startRedis();
    try {
      const { runs, skipped, said } = await overlapping(redisConnection(server.url));
      expect(runs).toBe(1);
      expect(skipped).toBeGreaterThan(0);
      expect(said).toContain('skipped: the run before is still on');
    } finally {
      await server.close();
    }
  });

  it('says what went wrong, without secrets, and goes on', async () => {
    const { said, log } = listening();
    const ticker = createTicker({
      log,
      signal: new AbortController().signal,
      tick: async () => {
        throw new Error('redis://someone:something-secret@host is gone');
      },
    });
    await ticker.run();
    await ticker.run();
    expect(said.length).toBe(2);
    expect(said[0]).toMatch(/is gone: the next run goes on from where this one was/);
    expect(said.join()).not.toContain('something-secret');
  });

  it('refuses what is no time', () => {
    expect(() => checkCron('61 * * * *')).toThrow(/--cron: 61/);
    expect(() => checkCron('never')).toThrow(/--cron: never/);
    expect(() => checkCron('0 3 * * *')).not.toThrow();
  });
});
