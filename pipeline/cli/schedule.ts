import type { Command } from 'commander';
import { addMetricsFlags, resumable } from './run-flags.ts';
import { printReport, runContext, type Shell } from './shell.ts';
import { countOf } from './sources.ts';

interface ScheduleFlags {
  readonly config: string;
  readonly out: string;
  readonly cron?: string;
  readonly once?: boolean;
  readonly redis?: string;
  readonly workers?: number;
  readonly metricsPort?: number;
  readonly metricsHost?: string;
  readonly token?: string;
  readonly json?: boolean;
}

/** `assay schedule`: a data set that grows by what is new, whenever it is time. */
export function addSchedule(program: Command, shell: Shell): void {
  addMetricsFlags(program.command('schedule'))
    .description('curate what is new of the shards by cron, and append it to a data set')
    .requiredOption('--config <file>', 'the recipe (YAML)')
    .requiredOption('--out <dir>', "the data set's folder")
    .option('--cron <pattern>', 'when: five fields, or six with seconds first; such as "0 3 * * *"')
    .option('--once', 'curate what is new now, and end')
    .option('--redis <url>', 'keep the schedule in Redis, and have workers (assay worker) do the work')
    .option('--workers <n>', 'processes that work on a run, where no Redis is', countOf)
    .option('--json', 'with --once: print the report of the whole data set as JSON')
    .action(async (flags: ScheduleFlags) => {
      const { UsageError } = await import('../errors.ts');
      const { loadConfig } = await import('../config.ts');
      const { bullmqEngine } = await import('../engines/bullmq.ts');
      const { localEngine } = await import('../engines/local.ts');
      const { givenRedis } = await import('../engines/bullmq/connection.ts');
      const { runIncrement } = await import('../schedule/run-increment.ts');
      const { checkCron, createTicker, runSchedule } = await import('../schedule/run-schedule.ts');
      const { createRunWatch } = await import('../metrics/run-figures.ts');
      const { serveMetrics } = await import('../metrics/serve.ts');
      const { curationSummary } = await import('../report/summary.ts');
      const { cron, once, out, workers } = flags;
      if ((cron === undefined) === (once === undefined)) {
        throw new UsageError('--cron: when it is run is required, or --once to run it now');
      }
      const { isS3 } = await import('../../schemas/storage/locations.ts');
      if (isS3(out)) throw new UsageError(`--out: a data set grows in a folder, and not in ${out}`);
      if (cron !== undefined) checkCron(cron);
      const { log, signal } = shell;
      const redis = givenRedis(flags.redis);
      // What is wrong with the recipe is said at once, and not at three in the morning.
      await loadConfig(flags.config);
      const watch = createRunWatch();
      const tick = async () => {
        const config = await loadConfig(flags.config);
        const count = workers ?? config.workers;
        const engine = redis
          ? bullmqEngine({ redis, warn: (text) => log.warn(text) })
          : localEngine(count === undefined ? {} : { workers: count });
        const context = runContext(shell, flags.config);
        return runIncrement(config, out, { ...context, engine, onRun: watch.add });
      };
      const ticker = createTicker({ tick, log, signal });
      const metrics = await serveMetrics(flags, { runs: watch.figures, skipped: ticker.skipped, redis, log });
      try {
        if (cron !== undefined) await runSchedule({ cron, folder: out, redis, signal, log, tick }, ticker);
        else {
          const ticked = await resumable(shell, out, tick, 'the same command again');
          if (ticked.kind === 'skipped') printReport(ticked, [`skipped: ${ticked.why}`], flags.json);
          else printReport(ticked.report, curationSummary(ticked.report, out), flags.json);
        }
      } finally {
        await metrics?.close();
      }
      // Connections to a Redis that is gone would hold the process.
      process.exit();
    });
}
