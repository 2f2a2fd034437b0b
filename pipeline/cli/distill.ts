import type { Command } from 'commander';
import { printReport, runContext, type Shell } from './shell.ts';

/** `assay distill`: a learner from selected batches, beside one from uniform batches. */
export function addDistill(program: Command, shell: Shell): void {
  program
    .command('distill')
    .description('train a learner on batches selected by learnability, beside uniform ones')
    .requiredOption('--config <file>', 'the recipe (YAML)')
    .requiredOption('--data <dir>', "a curation run's folder")
    .requiredOption('--out <dir>', "the run's folder")
    .option('--json', 'print the report as JSON')
    .action(async (options: { config: string; data: string; out: string; json?: boolean }) => {
      const { loadConfig } = await import('../config.ts');
      const { distill } = await import('../distill.ts');
      const { writeDistillPage } = await import('../report/distill-page.ts');
      const { distillSummary } = await import('../report/summary.ts');
      const config = await loadConfig(options.config);
      const report = await distill(config, options.data, options.out, runContext(shell, options.config));
      await writeDistillPage(options.out, report);
      printReport(report, distillSummary(report, options.out), options.json);
    });
}
