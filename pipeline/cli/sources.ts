import { type Command, InvalidArgumentError } from 'commander';
import { createProgress } from '../progress.ts';
import type { Shell } from './shell.ts';

interface SourcesFlags {
  readonly out: string;
  readonly rows?: number;
  readonly seed?: number;
  readonly emoji?: number;
  readonly clean?: boolean;
  readonly json?: boolean;
}

/** `assay sources emoji`: builds the source shards of emoji-109. */
export function addSources(program: Command, shell: Shell): void {
  program
    .command('sources')
    .description('build a source data set')
    .command('emoji')
    .description('emoji art and CLDR names in 109 languages, with planted defects')
    .requiredOption('--out <dir>', 'where the shards go')
    .option('--rows <n>', 'rows of the pool', countOf)
    .option('--seed <n>', 'the seed of everything drawn', wholeNumber)
    .option('--emoji <n>', 'emoji that pictures are drawn of; all unless told', countOf)
    .option('--clean', 'plant no defects')
    .option('--json', 'print the summary as JSON')
    .action(async (options: SourcesFlags) => {
      const { buildEmojiSources } = await import('../sources/emoji/build.ts');
      const { emojiSourceOptionsSchema } = await import('../sources/emoji/options.ts');
      const { json, clean, ...settings } = options;
      const { defects } = emojiSourceOptionsSchema.parse({ out: '.' });
      const none = Object.fromEntries(Object.keys(defects).map((name) => [name, 0]));
      const parsed = emojiSourceOptionsSchema.parse({
        ...settings,
        ...(clean ? { defects: none } : {}),
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
    });
}

/** A whole number, 0 or more. Throws for commander, which names the flag. */
export function wholeNumber(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 0) throw new InvalidArgumentError('a whole number is expected');
  return value;
}

/** A whole number over 0. Throws for commander, which names the flag. */
export function countOf(text: string): number {
  const value = wholeNumber(text);
  if (value === 0) throw new InvalidArgumentError('a whole number over 0 is expected');
  return value;
}
