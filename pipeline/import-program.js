// Plain JavaScript: it runs before anything can read TypeScript.
import { createHash, randomBytes } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { open, readdir, readFile, rename, rm, stat, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const cache = join(root, 'node_modules', '.cache', 'assay');

/** A bundle that nothing was started from for so long is removed when another one is made. */
const keptDays = 30;

/**
 * @typedef {object} Programs
 * @property {readonly string[]} names where they begin: paths of the project, without their endings
 * @property {readonly string[]} folders where all of their sources are
 */

/** What browsers run is built elsewhere. */
const elsewhere = join('pipeline', 'gallery', 'page');
const sourceFolders = ['schemas', 'models', 'stages', 'pipeline'];
const names = [
  'pipeline/cli/main',
  'pipeline/distill/scoring-thread',
  'pipeline/engines/bullmq/run-job',
  'pipeline/engines/worker',
];

/**
 * Imports a program of the project by the path of its source without the ending, as `pipeline/cli/main`. The sources are
 * bundled as JavaScript once, into `node_modules/.cache/assay/`, under a name made of their content: to load hundreds of
 * modules one by one, each through a loader, costs most of a second a process. Where that folder can't be written the
 * sources are run as they are. Rejects for a name that isn't a program's, and with what the program throws.
 * @param {string} name
 * @returns {Promise<any>} what it exports
 */
export async function importProgram(name) {
  if (!names.includes(name)) throw new Error(`${name} is no program: import-program.js names them`);
  return importFrom({ names, folders: sourceFolders }, name);
}

/**
 * Imports a program that isn't a part of what users run, as those of tests, in the same way.
 * @param {string} name
 * @param {string} folder where it has sources of its own
 * @returns {Promise<any>} what it exports
 */
export async function importProgramOf(name, folder) {
  return importFrom({ names: [name], folders: [...sourceFolders, folder] }, name);
}

/** @param {Programs} programs @param {string} name */
async function importFrom(programs, name) {
  const folder = await bundle(programs).catch(() => null);
  if (folder === null) {
    const { register } = await import('tsx/esm/api');
    register();
    return import(pathToFileURL(join(root, `${name}.ts`)).href);
  }
  process.setSourceMapsEnabled(true);
  return import(pathToFileURL(join(folder, `${name}.js`)).href);
}

/**
 * Bundles the sources as they are, unless that was done before. Rejects where nothing can be written.
 * @param {Programs} programs
 */
async function bundle(programs) {
  const sources = sourcesIn(programs.folders).sort();
  const hash = createHash('sha256').update(`${process.version} ${root} ${programs.names}`);
  hash.update(readFileSync(join(root, 'package.json')));
  for (const path of sources) hash.update(`${path}\0`).update(readFileSync(join(root, path)));
  const folder = join(cache, hash.digest('hex').slice(0, 20));
  if (existsSync(folder)) {
    keepInUse(folder);
    return folder;
  }
  const unfinished = `${folder}.${randomBytes(6).toString('hex')}`;
  try {
    await build(programs, unfinished);
    // A bundle that has its name is whole, also where the machine lost its power since.
    await syncTree(unfinished);
    // Whoever else has bundled the same sources meanwhile made the same files.
    await rename(unfinished, folder).catch((error) => {
      if (!existsSync(folder)) throw error;
    });
  } finally {
    await rm(unfinished, { recursive: true, force: true });
  }
  keepInUse(folder);
  await removeUnused().catch(() => {});
  return folder;
}

/**
 * Says of a bundle that it is in use, now and for as long as this process lives: it may import parts of it much later.
 * @param {string} folder
 */
function keepInUse(folder) {
  const touch = () => utimes(folder, new Date(), new Date()).catch(() => {});
  touch();
  setInterval(touch, 86_400_000).unref();
}

/** Has what a folder holds reach the disk. @param {string} folder */
async function syncTree(folder) {
  const entries = await readdir(folder, { recursive: true });
  for (const name of ['', ...entries]) {
    const entry = await open(join(folder, name), 'r');
    await entry.sync().finally(() => entry.close());
  }
}

/** Removes bundles of sources that are long gone. */
async function removeUnused() {
  for (const name of await readdir(cache)) {
    const path = join(cache, name);
    const { mtimeMs } = await stat(path);
    if (Date.now() - mtimeMs > keptDays * 86_400_000) await rm(path, { recursive: true, force: true });
  }
}

/** @param {readonly string[]} within @returns {string[]} */
function sourcesIn(within) {
  return within.flatMap((folder) =>
    readdirSync(join(root, folder), { withFileTypes: true }).flatMap((entry) => {
      const path = join(folder, entry.name);
      if (entry.isDirectory()) return path === elsewhere ? [] : sourcesIn([path]);
      return /\.[jt]s$/.test(entry.name) ? [path] : [];
    }),
  );
}

/** @param {Programs} programs @param {string} outdir */
async function build(programs, outdir) {
  const esbuild = await import('esbuild');
  const built = esbuild.build({
    absWorkingDir: root,
    entryPoints: programs.names.map((name) => `${name}.ts`),
    outbase: root,
    outdir,
    bundle: true,
    splitting: true,
    packages: 'external',
    format: 'esm',
    platform: 'node',
    target: `node${process.versions.node}`,
    keepNames: true,
    sourcemap: true,
    logLevel: 'silent',
    plugins: [inPlace],
  });
  // Its own process would live as long as this one.
  await built.finally(() => esbuild.stop());
}

/**
 * Has a bundled module find what lies beside its source.
 * @type {import('esbuild').Plugin}
 */
const inPlace = {
  name: 'in-place',
  setup({ onLoad }) {
    onLoad({ filter: /\.ts$/ }, async ({ path }) => {
      const source = await readFile(path, 'utf8');
      const here = JSON.stringify(pathToFileURL(path).href);
      return { contents: source.replaceAll('import.meta.url', here), loader: 'ts' };
    });
  },
};
