import { type Command, InvalidArgumentError } from 'commander';
import type { Shell } from './shell.ts';

interface GalleryFlags {
  readonly port: number;
  readonly host: string;
  readonly token?: string;
}

/** `assay gallery`: a run's pictures, texts and reasons on a page. */
export function addGallery(program: Command, shell: Shell): void {
  program
    .command('gallery')
    .description("serve a page to look through a run's rows: kept, dropped, quarantined, and why")
    .argument('<run>', "the run's folder")
    .option('--port <n>', 'the port; 0 for any that is free', portOf, 7109)
    .option('--host <address>', 'the address to listen on', '127.0.0.1')
    .option(
      '--token <token>',
      'what callers must know; needed on other than a loopback address (ASSAY_TOKEN)',
    )
    .action(async (run: string, { port, host, token }: GalleryFlags) => {
      const { serveGallery } = await import('../gallery.ts');
      await serveGallery(run, { port, host, token: token ?? process.env.ASSAY_TOKEN }, shell);
    });
}

function portOf(text: string): number {
  const port = Number(text);
  if (/^\d+$/.test(text) && port < 65_536) return port;
  throw new InvalidArgumentError('a number from 0 to 65535 is needed');
}
