import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, readdir, readFile, rename, rm } from 'node:fs/promises';
import { homedir, tmpdir } from 'node:os';
import { extname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

/** One file of a built page, in memory. */
export interface PageFile {
  readonly type: string;
  readonly bytes: Buffer;
}

/** A built page's files by their path in an address, such as `/assets/index-abc.js`. */
export type PageFiles = ReadonlyMap<string, PageFile>;

const types: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
};

const sources = fileURLToPath(new URL('page', import.meta.url));

/**
 * Builds the page with Vite, once for each state of its sources: what was built is kept in the user's cache folder.
 * Its files are held in memory, so that an address never becomes a path.
 */
export async function buildPage(cache: string = cacheFolder()): Promise<PageFiles> {
  const built = join(cache, `gallery-${await identityOf()}`);
  const kept = await readAll(built);
  if (kept.has('/index.html')) return kept;
  await mkdir(cache, { recursive: true, mode: 0o700 }).catch(() => {});
  // A cache that can't be written to, as of a read-only home, is made anew each time.
  const under = await mkdtemp(join(cache, 'building-')).catch(() =>
    mkdtemp(join(tmpdir(), 'assay-gallery-')),
  );
  try {
    const { build } = await import('vite');
    await build({
      root: sources,
      configFile: false,
      envFile: false,
      logLevel: 'error',
      build: {
        outDir: join(under, 'page'),
        target: 'es2022',
        modulePreload: { polyfill: false },
        assetsInlineLimit: 0,
        reportCompressedSize: false,
      },
    });
    const files = await readAll(join(under, 'page'));
    // Another process may have been quicker: its files are the same.
    await rename(join(under, 'page'), built).catch(() => {});
    return files;
  } finally {
    await rm(under, { recursive: true, force: true });
  }
}

function cacheFolder(): string {
  return join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'assay');
}

/** What the page is made of: its sources, what they import of the server's, and the builder's version. */
async function identityOf(): Promise<string> {
  const hash = createHash('sha256');
  const api = fileURLToPath(new URL('api.ts', import.meta.url));
  for (const path of [...(await filesOf(sources)), api]) {
    const bytes = await readFile(path);
    hash.update(`${relative(sources, path)} ${bytes.length}\n`).update(bytes);
  }
  hash.update(await readFile(fileURLToPath(new URL(import.meta.resolve('vite/package.json')))));
  return hash.digest('hex').slice(0, 16);
}

async function filesOf(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true, recursive: true }).catch(() => []);
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .sort();
}

async function readAll(folder: string): Promise<Map<string, PageFile>> {
  const files = new Map<string, PageFile>();
  for (const path of await filesOf(folder)) {
    const type = types[extname(path)];
    if (type === undefined) continue;
    files.set(`/${relative(folder, path).replaceAll('\\', '/')}`, { type, bytes: await readFile(path) });
  }
  return files;
}
