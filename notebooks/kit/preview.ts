import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { DuckDBConnection } from '@duckdb/node-api';
import { createServer } from 'vite';
import { notebooksFolder } from './build.ts';
import { viteOptions } from './vite-options.ts';

/** A preview that is being served. */
export interface Preview {
  readonly url: string;
  close(): Promise<void>;
}

/**
 * Serves the notebooks as they are edited, on the loopback address: a page is built anew when its file or what it
 * imports changes, and its cells of SQL are asked again.
 */
export async function previewNotebooks(connection: DuckDBConnection, port: number): Promise<Preview> {
  // Answers of another run would be found by their statements.
  await rm(join(notebooksFolder, '.observable', 'cache'), { recursive: true, force: true });
  const server = await createServer({
    ...viteOptions(notebooksFolder, connection),
    base: '/',
    logLevel: 'warn',
    server: { host: '127.0.0.1', port, fs: { allow: [join(notebooksFolder, '..')] } },
  });
  await server.listen();
  const [url = ''] = server.resolvedUrls?.local ?? [];
  return { url, close: () => server.close() };
}
