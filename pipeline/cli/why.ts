import type { Command } from 'commander';
import { printReport, type Shell } from './shell.ts';

/** `assay why`: the whole life of one row. */
export function addWhy(program: Command, _shell: Shell): void {
  program
    .command('why')
    .description('tell the whole life of one row: read, judged, kept or not, offered, selected')
    .argument('<run>', "the folder of a curation, a distillation, or the demo's")
    .argument('<key>', "the row's key")
    .option('--json', 'print it as JSON')
    .action(async (folder: string, key: string, { json }: { readonly json?: boolean }) => {
      const { openRun } = await import('../inspect/open-run.ts');
      const { why } = await import('../inspect/why.ts');
      const { whyLines } = await import('../inspect/why-lines.ts');
      const run = await openRun(folder);
      try {
        const told = await why(run, key);
        printReport(told, whyLines(told), json);
      } finally {
        await run.close();
      }
    });
}
