import { createHash, randomUUID } from 'node:crypto';
import { mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join, relative } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

/** What a process is started with: Node's options, and a file. */
export interface Program {
  readonly path: string;
  readonly execArgv: readonly string[];
}

const root = fileURLToPath(new URL('../..', import.meta.url));
const sources = ['models', 'pipeline', 'schemas', 'stages'];
const require = createRequire(import.meta.url);
const typescript = pathToFileURL(require.resolve('tsx')).href;

/** The programs that processes are started with, by what they are called when they are compiled. */
const programs = { worker: 'worker.ts', sandbox: 'bullmq/sandbox.cjs' } as const;
/** What they are compiled from. */
const entries = { worker: 'worker.ts', 'run-job': 'bullmq/run-job.ts' } as const;

const pathOf = (name: string) => join(root, 'pipeline', 'engines', name);

/** A program as it is run where it isn't compiled: each module is translated when it is loaded. */
export function translated(path: string): Program {
  return { path, execArgv: ['--import', typescript] };
}

/** Where packages are found from what is compiled. */
const usualCache = join(root, 'node_modules', '.cache', 'assay');

const compiled = new Map<string, Promise<string>>();

/**
 * A program that runs tasks, compiled: its modules in one file, its packages as they are. It is loaded in less than half the
 * processor time (docs/decisions/running-typescript.md). It is compiled once for each state of the sources, into a cache
 * that is within `node_modules`; where that can't be it is the one that {@link translated} says.
 */
export async function programOf(name: keyof typeof programs, cache: string = usualCache): Promise<Program> {
  const folder = compiled.get(cache) ?? compile(cache);
  compiled.set(cache, folder);
  return folder.then(
    (folder) => ({ path: join(folder, `${name}.mjs`), execArgv: ['--enable-source-maps'] }),
    () => translated(pathOf(programs[name])),
  );
}

/** Compiles into a folder of a cache that is named after the sources; resolves to it. */
async function compile(cache: string): Promise<string> {
  const folder = join(cache, await identityOf());
  if ((await stat(folder).catch(() => null)) !== null) return folder;
  const { build, stop } = await import('esbuild');
  const partial = join(cache, `partial-${randomUUID()}`);
  await mkdir(partial, { recursive: true });
  try {
    await build({
      entryPoints: Object.fromEntries(Object.entries(entries).map(([name, path]) => [name, pathOf(path)])),
      bundle: true,
      // What is imported when it is needed is so still.
      splitting: true,
      packages: 'external',
      platform: 'node',
      format: 'esm',
      target: 'node20',
      outdir: partial,
      // Errors say where they are in the sources.
      sourcemap: 'linked',
      sourcesContent: false,
      outExtension: { '.js': '.mjs' },
      logLevel: 'silent',
      plugins: [{ name: 'places', setup: ({ onLoad }) => onLoad({ filter: /\.ts$/ }, inItsPlace) }],
    });
    await writeFile(join(partial, 'sandbox.mjs'), "export { runJob as default } from './run-job.mjs';\n");
    await removeOld(cache);
    await rename(partial, folder).catch(async (error) => {
      // Another process may have been quicker: its files are the same.
      if ((await stat(folder).catch(() => null)) === null) throw error;
    });
    return folder;
  } finally {
    await rm(partial, { recursive: true, force: true });
    await stop();
  }
}

/** A module whose files are found beside its source. */
async function inItsPlace({ path }: { readonly path: string }) {
  const text = await readFile(path, 'utf8');
  const place = JSON.stringify(pathToFileURL(path).href);
  return { contents: text.replace(/\bimport\.meta\.url\b/g, place), loader: 'ts' } as const;
}

/** What the program is made of: its sources, where they are, and the builder's version. */
async function identityOf(): Promise<string> {
  const hash = createHash('sha256').update(root);
  hash.update(await readFile(require.resolve('esbuild/package.json')));
  const lists = await Promise.all(
    sources.map(async (name) => {
      const found = await readdir(join(root, name), { withFileTypes: true, recursive: true });
      return found.filter((entry) => entry.isFile() && entry.name.endsWith('.ts'));
    }),
  );
  const paths = lists.flat().map(({ parentPath, name }) => join(parentPath, name));
  const texts = await Promise.all(paths.sort().map((path) => readFile(path)));
  for (const [i, path] of paths.entries()) {
    const text = texts[i] ?? Buffer.alloc(0);
    hash.update(`${relative(root, path)} ${text.length}\n`).update(text);
  }
  return hash.digest('hex').slice(0, 16);
}

const week = 7 * 24 * 3_600_000;

/** Removes what was compiled of sources that are long gone: a process may still read what it was started with. */
async function removeOld(cache: string): Promise<void> {
  for (const name of await readdir(cache)) {
    const { mtimeMs } = (await stat(join(cache, name)).catch(() => null)) ?? { mtimeMs: Date.now() };
    if (Date.now() - mtimeMs > week) await rm(join(cache, name), { recursive: true, force: true });
  }
}
