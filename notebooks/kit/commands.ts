import { join, resolve } from 'node:path';
import { Command, InvalidArgumentError } from 'commander';
import { UsageError } from '../../pipeline/errors.ts';
import { buildNotebooks, notebookNames } from './build.ts';
import { openNotebookData } from './data.ts';
import { previewNotebooks } from './preview.ts';

function portOf(text: string): number {
  const port = Number(text);
  if (Number.isInteger(port) && port >= 0 && port <= 65_535) return port;
  throw new InvalidArgumentError('a port is a whole number up to 65535');
}

const program = new Command('notebooks').description('notebooks of a run');

program
  .command('build')
  .description('builds the notebooks of a run as pages that open from the disk, with no network')
  .argument('<run>', "a run's folder, or one that holds its curation and its distillation")
  .option('--out <folder>', 'where the pages go (default: notebooks/ in the run)')
  .option('--only <names...>', 'these notebooks alone')
  .action(async (run: string, { out, only }: { out?: string; only?: string[] }) => {
    const names = await notebookNames();
    const unknown = only?.find((name) => !names.includes(name));
    if (unknown !== undefined) {
      throw new UsageError(`--only: no notebook ${unknown}: there are ${names.join(', ')}`);
    }
    const data = await openNotebookData(run);
    try {
      const folder = resolve(out ?? join(run, 'notebooks'));
      await buildNotebooks(data.connection, folder, only ?? names, (path) => console.log(path));
    } finally {
      data.close();
    }
  });

program
  .command('edit')
  .description('serves the notebooks on the loopback address, and shows what is edited as it is saved')
  .argument('<run>', "a run's folder")
  .option('--port <number>', 'the port', portOf, 5173)
  .action(async (run: string, { port }: { port: number }) => {
    const data = await openNotebookData(run);
    const preview = await previewNotebooks(data.connection, port);
    console.log(`${preview.url}  (Ctrl-C ends)`);
    process.once('SIGINT', async () => {
      await preview.close();
      data.close();
    });
  });

try {
  await program.parseAsync();
} catch (error) {
  console.error(error instanceof Error ? error.message : String(error));
  process.exitCode = error instanceof UsageError ? 2 : 1;
}
