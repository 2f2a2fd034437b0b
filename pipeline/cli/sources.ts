import { type Command, InvalidArgumentError } from 'commander';
import { createProgress } from '../progress.ts';
import { buildEmojiSources } from '../sources/emoji/build.ts';
import { emojiSourceOptionsSchema } from '../sources/emoji/options.ts';
import type { Shell } from './shell.ts';

/** `assay sources emoji`: builds the source shards of emoji-109. */
export function addSources(program: Command, shell: Shell): void {
  program
    .command('sources')
    .description('build a source data set')
    .command('emoji')
    .description('emoji art and CLDR names in 109 languages, with planted defects')
    .requiredOption('--out <dir>', 'where the shards go')
    .option('--rows <n>', 'rows of the pool', wholeNumber)
    .option('--seed <n>', 'the seed of everything drawn', wholeNumber)
    .option('--clean', 'plant no defects')
    .option('--json', 'print the summary as JSON')
    .action(
      async (options: { out: string; rows?: number; seed?: number; clean?: boolean; json?: boolean }) => {
        const { json, clean, ...settings } = options;
        const parsed = emojiSourceOptionsSchema.parse({
          ...settings,
          ...(clean ? { defects: noDefects() } : {}),
        });
        const task = createProgress().start('building emoji-109', parsed.rows, 'rows');
        const summary = await buildEmojiSources(parsed, {
          signal: shell.signal,
          progress: (done) => task.update(done),
        });
        task.end();
        process.stdout.write(
          json
            ? `${JSON.stringify(summary)}\n`
            : `emoji-109: ${summary.rows} rows in ${summary.languages} languages: ${options.out}\n`,
        );
      },
    );
}

/** A whole number over 0. Throws for commander, which names the flag. */
export function wholeNumber(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 0) throw new InvalidArgumentError('a whole number is expected');
  return value;
}

function noDefects(): Record<string, number> {
  return Object.fromEntries(
    Object.keys(emojiSourceOptionsSchema.parse({ out: '.' }).defects).map((name) => [name, 0]),
  );
}
