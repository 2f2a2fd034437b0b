import type { Command } from 'commander';
import { printReport, runContext, type Shell } from './shell.ts';
import { countOf } from './sources.ts';

/** `assay curate`: shards in, curated shards out. */
export function addCurate(program: Command, shell: Shell): void {
  program
    .command('curate')
    .description('clean, deduplicate, mix, label and embed shards')
    .requiredOption('--config <file>', 'the recipe (YAML)')
    .requiredOption('--out <dir>', "the run's folder")
    .option('--workers <n>', "processes that read and clean rows, whatever the recipe's workers say", countOf)
    .option('--json', 'print the report as JSON')
    .action(async (options: { config: string; out: string; workers?: number; json?: boolean }) => {
      const { loadConfig } = await import('../config.ts');
      const { curate } = await import('../curate.ts');
      const { writeCurationPage } = await import('../report/curation-page.ts');
      const { curationSummary } = await import('../report/summary.ts');
      const recipe = await loadConfig(options.config);
      const config = options.workers === undefined ? recipe : { ...recipe, workers: options.workers };
      const report = await curate(config, options.out, runContext(shell, options.config));
      await writeCurationPage(options.out, report);
      printReport(report, curationSummary(report, options.out), options.json);
    });
}
