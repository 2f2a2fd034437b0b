import { availableParallelism } from 'node:os';
import type { Command } from 'commander';
import { addMetricsFlags } from './run-flags.ts';
import type { Shell } from './shell.ts';
import { countOf } from './sources.ts';

interface WorkerFlags {
  readonly redis?: string;
  readonly concurrency?: number;
  readonly root: readonly string[];
  readonly metricsPort?: number;
  readonly metricsHost?: string;
  readonly token?: string;
}

/** `assay worker`: takes tasks of runs from Redis until it is stopped. */
export function addWorker(program: Command, shell: Shell): void {
  addMetricsFlags(program.command('worker'))
    .description('take tasks of runs from Redis, on any machine that sees their folders')
    .option('--redis <url>', 'redis://user:password@host:port/database; ASSAY_REDIS unless told')
    .option(
      '--concurrency <n>',
      'tasks at a time, each in a process of its own; one a core unless told',
      countOf,
    )
    .option('--root <dir>', 'take runs under this folder only; may be given again', collected, [])
    .action(async (flags: WorkerFlags) => {
      const { requiredRedis } = await import('../engines/bullmq/connection.ts');
      const { endChildrenWithThis } = await import('../engines/end-children.ts');
      const { startTaskWorker } = await import('../engines/bullmq/worker.ts');
      const { serveMetrics } = await import('../metrics/serve.ts');
      const { createRunWatch } = await import('../metrics/run-figures.ts');
      const redis = requiredRedis(flags.redis);
      endChildrenWithThis();
      const watch = createRunWatch();
      const { log, signal } = shell;
      const metrics = await serveMetrics(flags, { runs: watch.figures, redis, log });
      const { concurrency = availableParallelism(), root: roots } = flags;
      try {
        const done = ({ run }: { readonly run: string }) => watch.add(run);
        const worker = await startTaskWorker({ redis, concurrency, roots, log, done });
        if (!signal.aborted) {
          await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
        }
        await worker.close();
      } finally {
        await metrics?.close();
      }
      // A connection that never came back holds the process.
      process.exit();
    });
}

/** A flag that may be given several times. */
function collected(value: string, before: readonly string[]): string[] {
  return [...before, value];
}
