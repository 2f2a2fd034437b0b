import type { Command } from 'commander';
import { printReport, publishTo, runContext, type Shell } from './shell.ts';
import { countOf } from './sources.ts';

interface CurateFlags {
  readonly config: string;
  readonly out: string;
  readonly workers?: number;
  readonly memory?: string;
  readonly json?: boolean;
}

/** `assay curate`: shards in, curated shards out. */
export function addCurate(program: Command, shell: Shell): void {
  program
    .command('curate')
    .description('clean, deduplicate, mix, label and embed shards')
    .requiredOption('--config <file>', 'the recipe (YAML)')
    .requiredOption('--out <dir>', "the run's folder, or s3://bucket/run")
    .option('--workers <n>', "processes that read and clean rows, whatever the recipe's workers say", countOf)
    .option('--memory <bytes>', 'what reading may hold at a time, such as 2GiB')
    .option('--json', 'print the report as JSON')
    .action(async (options: CurateFlags) => {
      const { loadConfig } = await import('../config.ts');
      const { curate } = await import('../curate.ts');
      const { memoryFlag } = await import('../memory.ts');
      const { openRunTarget } = await import('../publish-run.ts');
      const { writeCurationPage } = await import('../report/curation-page.ts');
      const { curationSummary } = await import('../report/summary.ts');
      const recipe = await loadConfig(options.config);
      const { workers = recipe.workers } = options;
      const memory = options.memory === undefined ? recipe.memory : memoryFlag(options.memory);
      const config = { ...recipe, workers, memory };
      const target = await openRunTarget(options.out);
      const report = await curate(config, target.folder, runContext(shell, options.config));
      await writeCurationPage(target.folder, report);
      await publishTo(target, shell);
      printReport(report, curationSummary(report, target.folder), options.json);
    });
}
