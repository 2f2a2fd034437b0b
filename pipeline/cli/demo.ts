import type { Command } from 'commander';
import { printReport, runContext, type Shell } from './shell.ts';
import { countOf } from './sources.ts';

/** The recipe of the main job. */
const recipe = new URL('../recipes/emoji-109.yaml', import.meta.url).pathname;

/** `assay demo` (`npm start`): sources, curation, distillation, one report. */
export function addDemo(program: Command, shell: Shell): void {
  program
    .command('demo')
    .description('the whole story on emoji-109: build, curate, distil, report')
    .option('--config <file>', 'the recipe (YAML)', recipe)
    .option('--out <dir>', 'where everything goes', 'runs/demo')
    .option('--rows <n>', 'rows of the pool', countOf, 10_000)
    .option('--steps <n>', 'training steps of each learner; the recipe says unless told', countOf)
    .option('--json', 'print the report as JSON')
    .action(
      async (options: { config: string; out: string; rows: number; steps?: number; json?: boolean }) => {
        const { demo } = await import('../demo.ts');
        const { localEngine } = await import('../engines/local.ts');
        const { curationSummary, distillSummary } = await import('../report/summary.ts');
        const { config, out, rows, steps } = options;
        const report = await demo(
          { config, out, rows, steps },
          {
            ...runContext(shell, config),
            engine: localEngine(),
          },
        );
        const lines = [
          ...curationSummary(report.curation, report.folders.curated),
          ...distillSummary(report.distillation, report.folders.distilled),
          '',
          `report: ${report.page}`,
        ];
        printReport(report, lines, options.json);
      },
    );
}
