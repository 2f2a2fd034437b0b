import { type Command, InvalidArgumentError, Option } from 'commander';
import type { SelectRequest } from '../select.ts';
import { printReport, type Shell } from './shell.ts';
import { countOf, wholeNumber } from './sources.ts';

type SelectFlags = Omit<SelectRequest, 'out' | 'normalize'> & {
  readonly out?: string;
  readonly normalize?: boolean;
  readonly json?: boolean;
};

/** `assay select`: a batch out of a super-batch's embeddings, for any trainer. */
export function addSelect(program: Command, shell: Shell): void {
  program
    .command('select')
    .description('select a batch from embeddings, jointly, for any trainer')
    .requiredOption(
      '--input <file>',
      'Arrow IPC file or stream, or parquet: key, and learner_image, learner_text, teacher_image, teacher_text ' +
        'as fixed-size lists of float32 or float16',
    )
    .requiredOption('--batch <n>', 'b: pairs to select', countOf)
    .option('--chunks <n>', 'N: chunks in which they are selected', countOf, 16)
    .addOption(
      new Option('--sampling <how>', 'draw by exp(logit), or take the highest')
        .choices(['gumbel', 'greedy'])
        .default('gumbel'),
    )
    .option('--seed <n>', 'of the draws', wholeNumber, 0)
    .addOption(
      new Option('--method <name>', 'hard needs no teacher, easy-reference no learner')
        .choices(['learnability', 'hard', 'easy-reference'])
        .default('learnability'),
    )
    .addOption(
      new Option('--loss <name>', 'the loss that scores pairs')
        .choices(['sigmoid', 'softmax'])
        .default('sigmoid'),
    )
    .option('--learner-scale <x>', 'as it multiplies: exp(t)', positive, 10)
    .option('--learner-bias <x>', 'of the sigmoid; a softmax has none', finite, -10)
    .option('--teacher-scale <x>', 'as it multiplies: exp(t)', positive, 10)
    .option('--teacher-bias <x>', 'of the sigmoid; a softmax has none', finite, -10)
    .option('--normalize', 'scale every row to unit length')
    .option(
      '--out <file>',
      'position, chunk, index, key, self_score, logit: .parquet or .arrow by its name; CSV on stdout unless told',
    )
    .option('--json', 'print the report as JSON; without --out, the selected rows with it')
    .action(async (flags: SelectFlags) => {
      const { select } = await import('../select.ts');
      const { csvLines } = await import('../select/write-selection.ts');
      const { json, out = null, normalize = false, ...rest } = flags;
      const { report, selected } = await select({ ...rest, out, normalize }, shell.signal);
      const { rows, batch, method, loss, sampling, precision, seconds } = report;
      printReport(
        out === null ? { ...report, selected } : report,
        out === null
          ? csvLines(selected)
          : [
              `${batch} of ${rows} pairs by ${method} (${loss}, ${sampling}, ${precision}): ` +
                `read in ${seconds.read.toFixed(2)} s, selected in ${seconds.select.toFixed(2)} s`,
              `mean self score ${report.meanSelfScore.toPrecision(4)}, mean logit ${report.meanLogit.toPrecision(4)}`,
              `selection: ${out}`,
            ],
        json,
      );
    });
}

function finite(text: string): number {
  const value = Number(text);
  if (text.trim() === '' || !Number.isFinite(value)) throw new InvalidArgumentError('a number is expected');
  return value;
}

function positive(text: string): number {
  const value = finite(text);
  if (value <= 0) throw new InvalidArgumentError('a number over 0 is expected');
  return value;
}
