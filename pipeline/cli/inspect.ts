import { type Command, Option } from 'commander';
import { UsageError } from '../errors.ts';
import { questions } from '../inspect/questions/index.ts';
import type { InspectRequest } from '../inspect/write-answer.ts';
import type { Shell } from './shell.ts';

interface InspectFlags {
  readonly sql?: string;
  readonly format?: InspectRequest['format'];
  readonly out?: string;
  readonly export?: string;
  readonly questions?: boolean;
  readonly views?: boolean;
  readonly unrestricted?: boolean;
}

const listOfQuestions = Object.entries(questions)
  .map(([name, { description }]) => `  ${name.padEnd(13)} ${description}`)
  .join('\n');

/** `assay inspect`: SQL over a run's folder, typed or ready. */
export function addInspect(program: Command, shell: Shell): void {
  program
    .command('inspect')
    .description("ask a run's folder anything, in SQL")
    .argument('<run>', "the folder of a curation, a distillation, or the demo's")
    .argument('[question]', 'a ready question: asks it and ends')
    .option('--sql <text>', 'answers it and ends; without it or a question, a prompt opens')
    .addOption(
      new Option('--format <name>', 'of the answer: parquet needs --out')
        .choices(['table', 'csv', 'json', 'markdown', 'parquet'])
        .default('table'),
    )
    .option('--out <file>', 'where the answer goes, rather than to standard output')
    .option('--export <file>', 'writes a database that any DuckDB client opens')
    .option('--questions', 'lists the ready questions')
    .option('--views', 'lists the views and their columns')
    .option('--unrestricted', 'lets SQL write, read other files and load extensions')
    .addHelpText('after', `\nReady questions:\n${listOfQuestions}`)
    .action(async (folder: string, question: string | undefined, flags: InspectFlags) => {
      const { unrestricted = false, format = 'table', out = null } = flags;
      if (flags.questions || flags.views) {
        const { questionLines, viewLines } = await import('../inspect/prompt.ts');
        const { viewNames } = await import('../inspect/views.ts');
        if (flags.questions) process.stdout.write(questionLines());
        if (!flags.views) return;
        for (const name of viewNames) {
          process.stdout.write(`${name}\n${viewLines(name).replace(/^/gm, '  ').trimEnd()}\n\n`);
        }
        return;
      }
      if (flags.export !== undefined) {
        const { exportDatabase } = await import('../inspect/export-database.ts');
        const { path, bytes, rows } = await exportDatabase(folder, flags.export);
        const tables = Object.entries(rows).map(([name, count]) => `${name} ${count}`);
        process.stdout.write(`${path}: ${bytes} bytes\nrows: ${tables.join(', ')}\n`);
        return;
      }
      if (question !== undefined && flags.sql !== undefined) {
        throw new UsageError('--sql: a ready question is asked already: give one of the two');
      }
      const sql = question === undefined ? flags.sql : readyQuestion(question);
      if (sql === undefined) {
        const { historyPath, prompt } = await import('../inspect/prompt.ts');
        const { stdin: input, stdout: output } = process;
        await prompt(folder, { input, output, unrestricted, history: historyPath() });
        return;
      }
      const { inspect } = await import('../inspect/write-answer.ts');
      const bytes = await inspect(folder, { sql, format, out, unrestricted }, shell.signal);
      if (bytes !== null) process.stdout.write(`${out}: ${bytes} bytes\n`);
    });
}

function readyQuestion(name: string): string {
  const question = Object.hasOwn(questions, name) ? questions[name] : undefined;
  if (question !== undefined) return question.sql;
  throw new UsageError(`no ready question ${name}: there are ${Object.keys(questions).join(', ')}`);
}
