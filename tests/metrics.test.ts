import { join } from 'node:path';
import { Queue } from 'bullmq';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { redisMissing, startRedis } from '../bench/faults/redis-server.ts';
import { curate } from '../pipeline/curate.ts';
import { freezeRun } from '../pipeline/curation/plan/freeze.ts';
import { redisConnection } from '../pipeline/engines/bullmq/connection.ts';
import { queueNames } from '../pipeline/engines/bullmq/queues.ts';
import { inlineEngine } from '../pipeline/engines/inline.ts';
import { createRunWatch, quarantinedIn, rateOf } from '../pipeline/metrics/run-figures.ts';
import { type MetricsServer, serveMetrics } from '../pipeline/metrics/serve.ts';
import { poolConfig, quietRun, writePool } from './engines/pool.ts';
import { temporaryFolder } from './support.ts';

const log = { info() {}, warn() {} };
const missing = redisMissing();

describe('the metrics of runs', () => {
  let folder: string;
  let server: MetricsServer;
  const watch = createRunWatch();
  const lines = async () => (await (await fetch(`${server.url}/metrics`)).text()).split('\n');

  beforeAll(async () => {
    folder = await temporaryFolder();
    server = (await serveMetrics(
      { metricsPort: 0 },
      { runs: watch.figures, skipped: () => 2, log },
    )) as MetricsServer;
  });

  afterAll(() => server.close());

  it('say how far a run is, before and after', async () => {
    const config = poolConfig(await writePool(join(folder, 'in'), [20, 12]));
    const run = await freezeRun(config, join(folder, 'planned'), 'test.yaml');
    watch.add(run.folder);
    expect(await lines()).toContain(`assay_tasks{run="${run.folder}",phase="admit",state="left"} 3`);
    const done = join(folder, 'done');
    const report = await curate(config, done, { ...quietRun(), engine: inlineEngine() });
    watch.add(done);
    const after = await lines();
    expect(after).toContain(`assay_tasks{run="${done}",phase="admit",state="done"} 3`);
    expect(after).toContain(`assay_tasks{run="${done}",phase="commit",state="done"} 1`);
    expect(after).toContain(`assay_rows{run="${done}",state="read"} ${report.read}`);
    expect(after).toContain(`assay_eta_seconds{run="${done}"} 0`);
    for (const { stage, reason, rows } of report.reasons.quarantined) {
      expect(after).toContain(
        `assay_quarantined_rows{run="${done}",stage="${stage}",reason="${reason}"} ${rows}`,
      );
    }
    expect(after).toContain('assay_schedule_skipped 2');
  });

  it('are told to no page of another site, and to other machines with a token only', async () => {
    const foreign = await fetch(`${server.url}/metrics`, { headers: { origin: 'https://example.org' } });
    expect(foreign.status).toBe(403);
    const open = serveMetrics({ metricsPort: 0, metricsHost: '0.0.0.0' }, { runs: watch.figures, log });
    await expect(open).rejects.toThrow(/give a --token/);
    expect(await serveMetrics({}, { runs: watch.figures, log })).toBeNull();
  });

  it('take the rate of a phase over its last minutes', () => {
    const now = Date.parse('2026-01-01T00:10:00Z');
    const record = (phase: string, at: string, seconds: number, rows: number) => ({
      ...{ phase, at, seconds, rows },
    });
    const records = [
      record('admit', '2026-01-01T00:01:00Z', 60, 99_999),
      record('admit', '2026-01-01T00:09:00Z', 60, 600),
      record('admit', '2026-01-01T00:09:30Z', 30, 600),
      record('finish', '2026-01-01T00:09:30Z', 30, 7),
    ];
    expect(rateOf(records, 'admit', now)).toBeCloseTo(1200 / 120);
    expect(rateOf([], 'admit', now)).toBe(0);
    const bad = { stage: 'read-shards', reason: 'unreadable-row-group', rows: 3, shards: 1 };
    expect(quarantinedIn([{ quarantined: [bad] }, { quarantined: [bad] }])).toEqual([
      { stage: 'read-shards', reason: 'unreadable-row-group', rows: 6 },
    ]);
  });
});

describe.skipIf(missing !== null)('the queues of a Redis', () => {
  it('are counted, and shown on a board that changes nothing', async () => {
    const redis = await startRedis('not-to-be-seen-by-anyone');
    const connection = redisConnection(redis.url);
    const queue = new Queue(queueNames.tasks, { connection: connection.options });
    const server = (await serveMetrics(
      { metricsPort: 0 },
      { runs: async () => [], redis: connection, log },
    )) as MetricsServer;
    try {
      await queue.add('admit', {});
      const text = await (await fetch(`${server.url}/metrics`)).text();
      expect(text).toContain('assay_queue_jobs{queue="assay-tasks",state="waiting"} 1');
      const page = await fetch(`${server.url}/queues/`);
      expect([page.status, await page.text()]).toEqual([200, expect.stringContaining('Assay')]);
      const shown = await (await fetch(`${server.url}/queues/api/queues`)).text();
      expect(shown).toContain('assay-tasks');
      expect(shown).not.toContain('not-to-be-seen');
      const cleared = await fetch(`${server.url}/queues/api/queues/${queueNames.tasks}/pause`, {
        method: 'PUT',
      });
      expect(cleared.status).toBe(405);
      expect(await queue.isPaused()).toBe(false);
    } finally {
      await server.close();
      await queue.close();
      await redis.close();
    }
  });
});
