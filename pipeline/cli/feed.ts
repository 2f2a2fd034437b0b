import { once } from 'node:events';
import { type Command, InvalidArgumentError } from 'commander';
import type { Shell } from './shell.ts';
import { wholeNumber } from './sources.ts';

interface FeedFlags {
  readonly data: string;
  readonly config: string;
  readonly out: string;
  readonly port: number;
  readonly host: string;
  readonly token?: string;
  readonly fresh?: boolean;
  readonly from?: number;
  readonly json?: boolean;
}

/** `assay feed`: super-batches, selections and batches for a trainer that runs elsewhere. */
export function addFeed(program: Command, shell: Shell): void {
  program
    .command('feed')
    .description(
      'serve one fine-tune that runs elsewhere: super-batches, selections, batches, as Arrow over HTTP',
    )
    .requiredOption('--data <dir>', "a curation run's folder")
    .requiredOption(
      '--config <file>',
      'the recipe (YAML): distill says what is selected, feed how it is served',
    )
    .option('--out <dir>', "the fine-tune's folder: its state, and selections.parquet", 'runs/feed')
    .option('--port <n>', '0 takes any that is free', portOf, 8791)
    .option('--host <address>', 'where it listens; others than the loopback need a token', '127.0.0.1')
    .option('--token <text>', 'what clients must send as a bearer token; ASSAY_TOKEN unless told')
    .option('--fresh', 'start over where a stopped fine-tune could go on')
    .option('--from <step>', 'forget the selections from this step on', wholeNumber)
    .option('--json', 'print where it listens as JSON')
    .action(async (flags: FeedFlags) => {
      const { loadConfig } = await import('../config.ts');
      const { serveFeed } = await import('../feed.ts');
      const config = await loadConfig(flags.config);
      const { data, out, port, host, fresh, from, json } = flags;
      const token = flags.token ?? process.env.ASSAY_TOKEN;
      const configPath = flags.config;
      const served = await serveFeed(config, {
        data,
        out,
        configPath,
        fresh,
        from,
        host,
        port,
        token,
        log: shell.log,
      });
      process.stdout.write(
        json ? `${JSON.stringify({ url: served.url, pid: process.pid })}\n` : `feed: ${served.url}\n`,
      );
      if (!shell.signal.aborted) await once(shell.signal, 'abort');
      await served.close();
      // A server that was asked to stop has done what it was asked.
      process.exitCode = 0;
    });
}

function portOf(text: string): number {
  const value = wholeNumber(text);
  if (value > 65_535) throw new InvalidArgumentError('a port is at most 65535');
  return value;
}
