import type { Command } from 'commander';
import { engineOf, finishAndReport, freezeTo, type RunFlags } from './run-flags.ts';
import { recipeOf } from './runs.ts';
import type { Shell } from './shell.ts';
import { countOf } from './sources.ts';

interface CurateFlags extends RunFlags {
  readonly config: string;
  readonly out: string;
  readonly memory?: string;
}

/** `assay curate`: shards in, curated shards out; `assay run` by its older name. */
export function addCurate(program: Command, shell: Shell): void {
  program
    .command('curate')
    .description('clean, deduplicate, mix, label and embed shards')
    .requiredOption('--config <file>', 'the recipe (YAML)')
    .requiredOption('--out <dir>', "the run's folder, or s3://bucket/run")
    .option('--workers <n>', 'processes at work, whatever the recipe says; one a core unless told', countOf)
    .option('--memory <bytes>', 'what reading may hold at a time, such as 2GiB')
    .option('--json', 'print the report as JSON')
    .action(async (flags: CurateFlags) => {
      const run = await freezeTo(shell, flags.out, flags.config, await recipeOf(flags));
      await finishAndReport(shell, run, await engineOf(run, flags, shell.log), flags);
    });
}
