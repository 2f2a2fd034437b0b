import { cp, mkdir, mkdtemp, readdir, rename, rm } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { DuckDBConnection } from '@duckdb/node-api';
import { build } from 'vite';
import { viteSingleFile } from 'vite-plugin-singlefile';
import { viteOptions } from './vite-options.ts';

/** The folder of the notebooks. */
export const notebooksFolder = fileURLToPath(new URL('..', import.meta.url));

/** The names of the notebooks, without `.html`, the first page first. */
export async function notebookNames(): Promise<string[]> {
  const files = (await readdir(notebooksFolder)).filter((name) => name.endsWith('.html')).sort();
  const names = files.map((file) => basename(file, '.html'));
  return ['index', ...names.filter((name) => name !== 'index')];
}

/**
 * Builds notebooks into `out`: pages of one file each, which open from a disk and ask for nothing else. `connection`
 * answers their cells of SQL. A page is there whole or not at all. Throws where a cell's statement fails.
 */
export async function buildNotebooks(
  connection: DuckDBConnection,
  out: string,
  names: readonly string[],
  built: (path: string) => void = () => {},
): Promise<void> {
  // Beside the notebooks, so that what they import is found; apart from them, so that two builds don't meet.
  const scratch = join(notebooksFolder, '.observable');
  await mkdir(scratch, { recursive: true });
  const root = await mkdtemp(join(scratch, 'build-'));
  try {
    // What configures TypeScript there names the folder above by a path that ends elsewhere here.
    const filter = (path: string) => basename(path) !== 'tsconfig.json';
    await cp(join(notebooksFolder, 'parts'), join(root, 'parts'), { recursive: true, filter });
    await mkdir(out, { recursive: true });
    for (const name of names) {
      const page = `${name}.html`;
      await cp(join(notebooksFolder, page), join(root, page));
      const options = viteOptions(root, connection);
      await build({
        ...options,
        logLevel: 'error',
        plugins: [...(options.plugins ?? []), viteSingleFile()],
        build: { outDir: 'built', emptyOutDir: false, rollupOptions: { input: join(root, page) } },
      });
      const path = join(out, page);
      await cp(join(root, 'built', page), `${path}.partial`);
      await rename(`${path}.partial`, path);
      built(path);
    }
  } finally {
    await rm(root, { recursive: true });
  }
}
