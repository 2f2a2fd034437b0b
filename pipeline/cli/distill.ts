import type { Command } from 'commander';
import { resumable } from './run-flags.ts';
import { printReport, publishTo, runContext, type Shell } from './shell.ts';

interface DistillFlags {
  readonly config: string;
  readonly data: string;
  readonly out: string;
  readonly fresh?: boolean;
  readonly json?: boolean;
}

/** `assay distill`: a learner from selected batches, beside one from uniform batches. */
export function addDistill(program: Command, shell: Shell): void {
  program
    .command('distill')
    .description('train a learner on batches selected by learnability, beside uniform ones')
    .requiredOption('--config <file>', 'the recipe (YAML)')
    .requiredOption('--data <dir>', "a curation run's folder, or s3://bucket/run")
    .requiredOption('--out <dir>', "the run's folder, or s3://bucket/run")
    .option('--fresh', 'start over where a stopped run could go on')
    .option('--json', 'print the report as JSON')
    .action(async (options: DistillFlags) => {
      const { loadConfig } = await import('../config.ts');
      const { distill } = await import('../distill.ts');
      const { openRunTarget } = await import('../publish-run.ts');
      const { writeDistillPage } = await import('../report/distill-page.ts');
      const { distillSummary } = await import('../report/summary.ts');
      const config = await loadConfig(options.config);
      const { data, out, fresh } = options;
      const target = await openRunTarget(out);
      const again = `assay distill --config ${options.config} --data ${data} --out ${out}`;
      const report = await resumable(
        shell,
        target.folder,
        async () => {
          const made = await distill(config, data, target.folder, runContext(shell, options.config), {
            fresh,
          });
          await writeDistillPage(target.folder, made);
          await publishTo(target, shell);
          return made;
        },
        again,
      );
      printReport(report, distillSummary(report, target.folder), options.json);
    });
}
