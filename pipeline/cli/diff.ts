import type { Command } from 'commander';
import { printReport, type Shell } from './shell.ts';

/** `assay diff`: what changed between two runs. */
export function addDiff(program: Command, _shell: Shell): void {
  program
    .command('diff')
    .description('tell what changed between two runs: rows, mix, scores, settings')
    .argument('<run-a>', 'the folder of the first')
    .argument('<run-b>', 'the folder of the second')
    .option('--json', 'print it as JSON, whole')
    .action(async (a: string, b: string, { json }: { readonly json?: boolean }) => {
      const { diffRuns } = await import('../inspect/diff.ts');
      const { diffLines } = await import('../inspect/diff-lines.ts');
      const diff = await diffRuns(a, b);
      printReport(diff, diffLines(diff), json);
    });
}
