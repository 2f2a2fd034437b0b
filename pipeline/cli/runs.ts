import { type Command, InvalidArgumentError, Option } from 'commander';
import type { Config } from '../config.ts';
import { type Phase, phases } from '../curation/plan/tasks.ts';
import { UsageError } from '../errors.ts';
import {
  addEngineFlags,
  engineFor,
  engineOf,
  finishAndReport,
  freezeTo,
  type RunFlags,
  resumable,
  serveRuns,
  workersOf,
} from './run-flags.ts';
import { printReport, runContext, type Shell } from './shell.ts';
import { countOf } from './sources.ts';

interface RecipeFlags extends RunFlags {
  readonly config?: string;
  readonly out?: string;
  readonly memory?: string;
}

interface ShareFlags extends RecipeFlags {
  readonly plan?: string;
  readonly taskIndex?: number;
  readonly of?: number;
  readonly phase?: Phase;
  readonly wait: number;
}

const workers = [
  '--workers <n>',
  'processes at work, whatever the recipe says; one a core unless told',
  countOf,
] as const;

/** A whole number from 0 on. */
function indexOf(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 0)
    throw new InvalidArgumentError('a whole number from 0 on is expected.');
  return value;
}

/** Reads a recipe, with what the flags say over it. */
export async function recipeOf({ config: path = '', workers: count, memory }: RecipeFlags): Promise<Config> {
  const { loadConfig } = await import('../config.ts');
  const { memoryFlag } = await import('../memory.ts');
  const recipe = await loadConfig(path);
  return {
    ...recipe,
    ...(count === undefined ? {} : { workers: count }),
    ...(memory === undefined ? {} : { memory: memoryFlag(memory) }),
  };
}

/** `assay plan`, `run`, `resume`, `retry` and `status`: runs that are frozen first, and survive being cut short. */
export function addRuns(program: Command, shell: Shell): void {
  program
    .command('plan')
    .description("freeze a run: its tasks, as data in the run's folder")
    .requiredOption('--config <file>', 'the recipe (YAML)')
    .requiredOption('--out <dir>', "the run's folder")
    .option('--memory <bytes>', 'what reading may hold at a time, such as 2GiB')
    .option('--json', 'print the plan as JSON')
    .action(async (flags: RecipeFlags & { out: string; config: string }) => {
      const run = await freezeTo(shell, flags.out, flags.config, await recipeOf(flags));
      const { hash } = run.plan;
      const tasks = Object.fromEntries(phases.map((phase) => [phase, run.tasks(phase).length]));
      const rows = run.tasks('admit').reduce((sum, task) => sum + task.rows, 0);
      const lines = [
        `Planned ${rows} rows in ${tasks.admit} tasks (plan ${hash.slice(0, 12)})`,
        `Run it: assay run --plan ${run.folder}`,
      ];
      printReport({ plan: hash, folder: run.folder, rows, tasks }, lines, flags.json);
    });

  addEngineFlags(program.command('run'))
    .description('run a recipe, or a plan: all of it, or one share of its tasks')
    .option('--config <file>', 'the recipe (YAML), which is planned first')
    .option('--out <dir>', "the run's folder")
    .option('--plan <dir>', 'the folder of a run that is planned')
    .option(...workers)
    .option('--memory <bytes>', 'what reading may hold at a time, such as 2GiB')
    .option('--task-index <i>', 'run only the i-th share of the tasks, from 0', indexOf)
    .option('--of <n>', 'of so many shares', countOf)
    .addOption(new Option('--phase <name>', 'run only this phase, and wait for nobody').choices([...phases]))
    .option('--wait <minutes>', 'how long to wait while no other share gets on', countOf, 60)
    .option('--json', 'print the report as JSON')
    .action((flags: ShareFlags) => runOrShare(shell, flags));

  addEngineFlags(program.command('resume'))
    .description('go on with a run that was cut short')
    .argument('<run>', "the run's folder")
    .option(...workers)
    .option('--json', 'print the report as JSON')
    .action(async (folder: string, flags: RunFlags) => {
      const { openRun } = await import('../curation/plan/plan-files.ts');
      const run = await openRun(folder);
      await finishAndReport(shell, run, await engineOf(run, flags, shell.log), flags);
    });

  addEngineFlags(program.command('retry'))
    .description("read again what a run couldn't, once it is put right")
    .argument('<run>', "the run's folder, or a data set's that assay schedule made")
    .option('--config <file>', 'the recipe (YAML), where it is what was put right')
    .option(...workers)
    .option('--memory <bytes>', 'what reading may hold at a time, such as 2GiB')
    .option('--json', 'print the report as JSON')
    .action(async (folder: string, flags: RecipeFlags) => {
      const { prepareRetry } = await import('../curation/retry.ts');
      const { openRun } = await import('../curation/plan/plan-files.ts');
      const { memoryFlag } = await import('../memory.ts');
      const { isDataSet } = await import('../schedule/data-set.ts');
      if (await isDataSet(folder)) return retryDataSet(shell, folder, flags);
      const { plan } = await openRun(folder);
      const config = flags.config === undefined ? plan.config : await recipeOf(flags);
      const memory = flags.memory === undefined ? config.memory : memoryFlag(flags.memory);
      const isAsked = flags.config !== undefined || flags.memory !== undefined;
      const given = { config: { ...config, memory }, path: flags.config ?? plan.configPath };
      const retry = await resumable(
        shell,
        folder,
        () => prepareRetry(folder, isAsked ? given : undefined),
        `assay retry ${folder}`,
      );
      if (retry === null) {
        printReport(
          { folder, again: 0 },
          [`${folder}: nothing to try again: every shard could be read`],
          flags.json,
        );
        return;
      }
      shell.log.info(`${retry.again} tasks of the first pass are run again`);
      await finishAndReport(shell, retry.run, await engineOf(retry.run, flags, shell.log), flags);
    });

  program
    .command('status')
    .description('how far a run is')
    .argument('<run>', "the run's folder")
    .option('--json', 'print it as JSON')
    .action(async (folder: string, flags: { json?: boolean }) => {
      const { statusLines, statusOf } = await import('../curation/status.ts');
      const status = await statusOf(folder);
      printReport(status, statusLines(status), flags.json);
    });
}

/** Reads again what the increments of a data set couldn't, and appends it. */
async function retryDataSet(shell: Shell, folder: string, flags: RecipeFlags): Promise<void> {
  const { memoryFlag } = await import('../memory.ts');
  const { recipeOfDataSet } = await import('../schedule/data-set.ts');
  const { retryIncrements } = await import('../schedule/run-increment.ts');
  const { curationSummary } = await import('../report/summary.ts');
  const given = flags.config === undefined ? await recipeOfDataSet(folder) : await recipeOf(flags);
  const memory = flags.memory === undefined ? given.memory : memoryFlag(flags.memory);
  const config = { ...given, memory };
  const configPath = flags.config ?? folder;
  const engine = await engineFor(flags.workers ?? config.workers, flags, shell.log);
  const metrics = await serveRuns(shell, flags);
  const context = { ...runContext(shell, configPath), engine, onRun: metrics.add };
  const ticked = await resumable(
    shell,
    folder,
    () => retryIncrements(config, folder, context),
    `assay retry ${folder}`,
  ).finally(() => metrics.close());
  if (ticked.kind === 'skipped') {
    printReport({ folder, again: 0, why: ticked.why }, [`${folder}: ${ticked.why}`], flags.json);
  } else printReport(ticked.report, curationSummary(ticked.report, folder), flags.json);
}

async function runOrShare(shell: Shell, flags: ShareFlags): Promise<void> {
  const { config, out, plan, taskIndex, of, phase } = flags;
  if ((config === undefined) === (plan === undefined))
    throw new UsageError('either --config or --plan is needed');
  if (config !== undefined && out === undefined) throw new UsageError('--config needs --out');
  if ((taskIndex === undefined) !== (of === undefined))
    throw new UsageError('--task-index and --of go together');
  if (config !== undefined && (of ?? 1) > 1)
    throw new UsageError('shares are of one plan: assay plan first, then assay run --plan');
  const { openRun } = await import('../curation/plan/plan-files.ts');
  const run =
    config !== undefined && out !== undefined
      ? await freezeTo(shell, out, config, await recipeOf(flags))
      : await openRun(plan ?? '');
  if (taskIndex === undefined && phase === undefined) {
    await finishAndReport(shell, run, await engineOf(run, flags, shell.log), flags);
    return;
  }
  if (taskIndex !== undefined && taskIndex >= (of ?? 1))
    throw new UsageError('--task-index counts from 0, and is less than --of');
  const { shareEngine } = await import('../engines/share.ts');
  const share = shareEngine({
    ...{ index: taskIndex ?? 0, of: of ?? 1, workers: workersOf(run, flags) },
    patienceMs: flags.wait * 60_000,
  });
  // One of the shares says what came of it.
  if (taskIndex === 0 && phase === undefined) return finishAndReport(shell, run, share, flags);
  const { signal } = runContext(shell, run.plan.configPath);
  await resumable(shell, run.folder, () => share.run(run, { signal, phase }));
  if (phase === 'commit') return finishAndReport(shell, run, share, flags);
  printReport(
    { folder: run.folder, share: taskIndex ?? 0, of: of ?? 1, phase: phase ?? null },
    [`Share ${taskIndex ?? 0} of ${of ?? 1} is done${phase === undefined ? '' : ` with the phase ${phase}`}`],
    flags.json,
  );
}
