import { availableParallelism } from 'node:os';
import { type Command, Option } from 'commander';
import { StorageError } from '../../schemas/storage/errors.ts';
import { useStorage } from '../../schemas/storage/open-storage.ts';
import type { Config } from '../config.ts';
import type { FrozenRun } from '../curation/plan/plan-files.ts';
import type { Engine } from '../engines/engine.ts';
import { ResumableError, UsageError } from '../errors.ts';
import { printReport, publishTo, runContext, type Shell } from './shell.ts';
import { countOf } from './sources.ts';

/** What commands that run tasks can be told. */
export interface RunFlags {
  readonly workers?: number;
  readonly engine?: string;
  /** Where Redis is, for the engine bullmq. */
  readonly redis?: string;
  readonly metricsPort?: number;
  readonly metricsHost?: string;
  readonly token?: string;
  readonly json?: boolean;
}

/** Engines by the name that `--engine` gives them; each is imported when it is asked for. */
const engines: Readonly<
  Record<string, (workers: number, flags: RunFlags, log: Shell['log']) => Promise<Engine>>
> = {
  local: async (workers) => (await import('../engines/local.ts')).localEngine({ workers }),
  bullmq: async (_, { redis }, log) => {
    const { bullmqEngine } = await import('../engines/bullmq.ts');
    const { requiredRedis } = await import('../engines/bullmq/connection.ts');
    return bullmqEngine({ redis: requiredRedis(redis), warn: (message) => log.warn(message) });
  },
};

/** The names that `--engine` takes. */
export const engineNames = Object.keys(engines);

/** Adds what says how a run is done, and where it can be watched meanwhile. */
export function addEngineFlags(command: Command): Command {
  return addMetricsFlags(
    command
      .addOption(
        new Option('--engine <name>', 'what runs the tasks').choices([...engineNames]).default('local'),
      )
      .option('--redis <url>', 'where Redis is, for --engine bullmq; ASSAY_REDIS unless told'),
  );
}

/** Adds where metrics are served. */
export function addMetricsFlags(command: Command): Command {
  return command
    .option('--metrics-port <n>', 'serve /metrics at this port; with Redis the queues at /queues', countOf)
    .option('--metrics-host <host>', 'the address to serve them at; a loopback address unless told')
    .option('--token <text>', 'what callers must know where others can reach it; or ASSAY_TOKEN');
}

/** How many processes a run has: as many as the flag says, else its recipe, else the machine has cores. */
export function workersOf({ plan }: FrozenRun, { workers }: RunFlags): number {
  return workers ?? plan.config.workers ?? availableParallelism();
}

/** The engine that the flags ask for. Throws a {@link UsageError} when there is none of that name. */
export function engineOf(run: FrozenRun, flags: RunFlags, log: Shell['log']): Promise<Engine> {
  return engineFor(workersOf(run, flags), flags, log);
}

/** The engine that the flags ask for, of so many processes, one a core unless told. Throws as {@link engineOf} does. */
export function engineFor(
  workers: number = availableParallelism(),
  flags: RunFlags,
  log: Shell['log'],
): Promise<Engine> {
  const { engine = 'local' } = flags;
  const open = engines[engine];
  if (open === undefined) throw new UsageError(`--engine: ${engine} is none of ${engineNames.join(', ')}`);
  return open(workers, flags, log);
}

/**
 * Freezes a run where `--out` says: in a folder, or in one of this machine whose files go to an object store at the end.
 * Throws as planning does.
 */
export async function freezeTo(
  shell: Shell,
  out: string,
  configPath: string,
  config: Config,
): Promise<FrozenRun> {
  const { freezeRun } = await import('../curation/plan/freeze.ts');
  const { openRunTarget, rememberTarget } = await import('../publish-run.ts');
  const target = await openRunTarget(out);
  const context = runContext(shell, configPath);
  return freezing(shell, target.folder, async () => {
    const run = await freezeRun(config, target.folder, configPath, context);
    await rememberTarget(target);
    return run;
  });
}

/**
 * Has an engine do what is left of a run, writes its page and prints its report. What stops it from outside, or by a signal,
 * is thrown as one line that says how to go on.
 */
export async function finishAndReport(
  shell: Shell,
  run: FrozenRun,
  engine: Engine,
  flags: RunFlags,
): Promise<void> {
  const { finishRun } = await import('../curate.ts');
  const { writeCurationPage } = await import('../report/curation-page.ts');
  const { curationSummary } = await import('../report/summary.ts');
  const metrics = await serveRuns(shell, flags);
  metrics.add(run.folder);
  const report = await resumable(shell, run.folder, () =>
    finishRun(run, { ...runContext(shell, run.plan.configPath), engine }),
  ).finally(() => metrics.close());
  await resumable(shell, run.folder, () => writeCurationPage(run.folder, report));
  const { rememberedTarget } = await import('../publish-run.ts');
  const place = await rememberedTarget(run.folder);
  if (place) {
    // A run that is gone on with has read no recipe since.
    useStorage(run.plan.config.storage);
    await resumable(shell, run.folder, () => publishTo(place, shell));
  }
  printReport(report, curationSummary(report, run.folder), flags.json);
}

/** Metrics of runs that are served while a command is at them. */
export interface ServedRuns {
  /** Shows a run, by its folder, from here on. */
  add(folder: string): void;
  close(): Promise<void>;
}

/** Serves the metrics of runs where the flags ask for it. Throws a {@link UsageError} where they can't be. */
export async function serveRuns({ log }: Shell, flags: RunFlags): Promise<ServedRuns> {
  if (flags.metricsPort === undefined) return { add() {}, close: async () => {} };
  const { createRunWatch } = await import('../metrics/run-figures.ts');
  const { serveMetrics } = await import('../metrics/serve.ts');
  const { givenRedis } = await import('../engines/bullmq/connection.ts');
  const watch = createRunWatch();
  const redis = flags.engine === 'bullmq' ? givenRedis(flags.redis) : null;
  const served = await serveMetrics(flags, { runs: watch.figures, redis, log });
  return { add: watch.add, close: async () => served?.close() };
}

/** How long, in milliseconds, what is told to stop may take to clear up before it is left as it is. */
const patienceMs = 3000;

/**
 * Does something to a run's folder; what stops it says in one line how the run goes on, by `assay resume` unless `goOn` is
 * another command; null where nothing was planned that could go on. Throws within seconds of a signal, whatever is in hand:
 * a task that is cut short leaves nothing but temporary files.
 */
export async function resumable<Result>(
  { signal }: Shell,
  folder: string,
  act: () => Promise<Result>,
  goOn: string | null = `assay resume ${folder}`,
): Promise<Result> {
  let timer: NodeJS.Timeout | undefined;
  let abort = () => {};
  const late = new Promise<never>((_, reject) => {
    abort = () => {
      timer = setTimeout(() => reject(signal.reason), patienceMs);
    };
    signal.addEventListener('abort', abort, { once: true });
  });
  try {
    signal.throwIfAborted();
    return await Promise.race([act(), late]);
  } catch (error) {
    if (signal.aborted)
      throw new ResumableError(
        goOn === null ? 'stopped: nothing is planned yet' : `stopped; to go on: ${goOn}`,
      );
    const { explained } = await import('../curation/tasks/execute.ts');
    const found = explained(error, folder);
    const isOutside = found instanceof ResumableError || found instanceof StorageError;
    if (!isOutside || goOn === null) throw found;
    throw new ResumableError(`${found.message}; then: ${goOn}`);
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', abort);
  }
}

/** Freezes a run by `act`; what stops that says so in one line. */
export function freezing<Result>(shell: Shell, folder: string, act: () => Promise<Result>): Promise<Result> {
  return resumable(shell, folder, act, null);
}
