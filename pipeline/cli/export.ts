import { type Command, Option } from 'commander';
import { createProgress } from '../progress.ts';
import { printReport, type Shell } from './shell.ts';
import { countOf } from './sources.ts';

interface ExportFlags {
  readonly format: 'webdataset' | 'parquet' | 'mds';
  readonly data: string;
  readonly out: string;
  readonly selections?: string;
  readonly shardRows: number;
  readonly json?: boolean;
}

/** `assay export`: curated or selected rows for trainers that read files. */
export function addExport(program: Command, shell: Shell): void {
  program
    .command('export')
    .description('write curated or selected rows for trainers that read files')
    .addOption(
      new Option('--format <name>', 'tars of WebDataset, parquet, or shards of MosaicML Streaming')
        .choices(['webdataset', 'parquet', 'mds'])
        .makeOptionMandatory(),
    )
    .requiredOption('--data <dir>', "a curation run's folder")
    .requiredOption('--out <dir>', 'a folder that is empty, or not there yet')
    .option('--selections <file>', 'a selections.parquet: its rows, in the order of their steps')
    .option('--shard-rows <n>', 'rows of a shard, of webdataset and parquet', countOf, 10_000)
    .option('--json', 'print the report as JSON')
    .action(async ({ json, ...flags }: ExportFlags) => {
      const { exportRows } = await import('../export.ts');
      const report = await exportRows(flags, { signal: shell.signal, progress: createProgress() });
      const { format, rows, files, bytes } = report;
      const size = `${(bytes / 1e6).toFixed(1)} MB`;
      printReport(report, [`${rows} rows as ${format}: ${files} files, ${size}: ${flags.out}`], json);
    });
}
