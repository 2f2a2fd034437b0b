import type { Command } from 'commander';
import type { TeachingStageReport } from '../teach.ts';
import { percent, printReport, runContext, type Shell } from './shell.ts';

interface TeachFlags {
  readonly config: string;
  readonly data: string;
  readonly out: string;
  readonly fineTune?: string;
  readonly json?: boolean;
}

function stageLine({ stage, rows, steps, loss, evaluation }: TeachingStageReport): string {
  const scored = evaluation ? `, recall@1 ${percent(evaluation.recallAt1)}` : '';
  return `  ${stage}: ${steps} steps on ${rows} rows, loss ${loss.toFixed(3)}${scored}`;
}

/** `assay teach` and `assay teach-language`: the commands that make the committed models. */
export function addTeach(program: Command, shell: Shell): void {
  program
    .command('teach')
    .description('train a teacher on curated shards')
    .requiredOption('--config <file>', 'the recipe (YAML)')
    .requiredOption('--data <dir>', "a curation run's folder")
    .requiredOption('--out <file>', 'the checkpoint to write (safetensors)')
    .option('--fine-tune <dir>', "a curation run's folder: the high-quality part, for a second stage")
    .option('--json', 'print the report as JSON')
    .action(async (options: TeachFlags) => {
      const { loadConfig } = await import('../config.ts');
      const { teach } = await import('../teach.ts');
      const config = await loadConfig(options.config);
      const { data, out, fineTune } = options;
      const report = await teach(config, data, out, runContext(shell, options.config), { fineTune });
      const { evaluation, stages } = report;
      const lines = [
        `${report.steps} steps on ${report.rows} rows in ${report.seconds.toFixed(0)} s, loss ${report.loss.toFixed(3)}`,
        ...(stages.length > 1 ? stages.map(stageLine) : []),
        ...(evaluation
          ? [
              `held out: recall@1 ${percent(evaluation.recallAt1)} in English, ${percent(evaluation.languages?.recallAt1 ?? 0)} over ${evaluation.languages?.count} languages`,
            ]
          : []),
        `teacher: ${options.out}`,
      ];
      printReport(report, lines, options.json);
    });
  program
    .command('teach-language')
    .description('train the language identifier from CLDR')
    .requiredOption('--out <file>', 'the model to write')
    .action(async (options: { out: string }) => {
      const { trainLanguageModel } = await import('../train-language.ts');
      await trainLanguageModel(options.out);
      process.stdout.write(`language model: ${options.out}\n`);
    });
}
