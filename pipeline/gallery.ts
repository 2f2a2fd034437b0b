import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import type { Logger } from 'pino';
import { UsageError } from './errors.ts';
import { buildPage } from './gallery/build-page.ts';
import { openGallery } from './gallery/server.ts';
import { checkBinding, isLoopback } from './http/guard.ts';

/** Where a gallery listens. */
export interface GalleryAddress {
  readonly port: number;
  readonly host: string;
  readonly token?: string | undefined;
}

/**
 * Serves a run's gallery until the signal: its address goes to stdout once it listens. Throws a {@link UsageError}
 * when the folder holds no run, or the address can't be had.
 */
export async function serveGallery(
  folder: string,
  { port, host, token }: GalleryAddress,
  { log, signal }: { readonly log: Logger; readonly signal: AbortSignal },
): Promise<void> {
  checkBinding({ host, token });
  const page = await buildPage();
  const gallery = await openGallery(folder, page, { host, token }, (error) => log.error(error));
  try {
    await gallery.app.listen({ port, host }).catch((error: NodeJS.ErrnoException) => {
      const known = ['EADDRINUSE', 'EACCES', 'EADDRNOTAVAIL', 'ENOTFOUND'].includes(error.code ?? '');
      throw known ? new UsageError(`--host ${host} --port ${port}: ${error.message}`) : error;
    });
    const { port: actual } = gallery.app.server.address() as AddressInfo;
    const shown = host.includes(':') ? `[${host}]` : host;
    process.stdout.write(
      `Gallery: http://${shown}:${actual}/${token === undefined ? '' : '?token=(the token)'}\n`,
    );
    if (!isLoopback(host))
      log.warn('other machines can reach this page, unencrypted: the token is all that keeps them out');
    if (!signal.aborted) await once(signal, 'abort');
  } finally {
    await gallery.close();
  }
}
