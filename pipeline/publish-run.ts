import { createHash } from 'node:crypto';
import { lstat, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import PQueue from 'p-queue';
import { glob } from 'tinyglobby';
import { StorageError } from '../schemas/storage/errors.ts';
import { absoluteLocation, isS3, joinLocation } from '../schemas/storage/locations.ts';
import { storageOf, streamObject } from '../schemas/storage/open-storage.ts';
import type { Storage } from '../schemas/storage/storage.ts';
import { UsageError } from './errors.ts';
import { type FileFacts, fileFacts, writeText } from './run-folder.ts';

/** Where a run's files are made, and what brings them to where they were asked for. */
export interface RunTarget {
  /** The folder on this machine. */
  readonly folder: string;
  /** The place in an object store; null where the folder is all. */
  readonly location: string | null;
  /** Brings the finished run to its place; null where it is there already. Throws a {@link StorageError}. */
  publish(signal: AbortSignal): Promise<PublishReport | null>;
}

/** What publishing a run came to, in files. */
export interface PublishReport {
  readonly location: string;
  readonly uploaded: number;
  readonly bytes: number;
  /** There already, with the same size and checksum. */
  readonly skipped: number;
  /** Of an earlier run in that place. */
  readonly removed: number;
}

/** A file that is there already. */
export interface PublishedFile {
  readonly name: string;
  readonly bytes: number;
  readonly sha256: string | null;
}

/** What is to be done, in this order: `first`, then `last` one by one. */
export interface PublishPlan {
  readonly first: readonly FileFacts[];
  readonly last: readonly FileFacts[];
  readonly skipped: readonly FileFacts[];
  readonly remove: readonly string[];
}

/** The file of a run's working folder that says where the run is to go. */
const targetName = 'target';
/** Says that a run is being brought here: it may be gone on with, and is no run yet. */
const unfinished = 'unfinished.json';
/** A reader that finds these finds all the rest; the manifest is the last. */
const lastNames = ['report.json', 'report.html', 'manifest.json'];
/** Objects that are sent at a time. */
const filesAtOnce = 2;
/** The folder of this working directory in which runs are made that go to an object store. */
const localFolder = '.assay';

/**
 * Opens the place that `--out` names: a folder as it is, and for `s3://bucket/run` a folder of this machine, whose
 * files go there when the run is finished. Throws a {@link UsageError} when the place holds what no run made.
 */
export async function openRunTarget(out: string): Promise<RunTarget> {
  if (!isS3(out)) {
    const folder = /^file:\/\//i.test(out) ? absoluteLocation(out) : out;
    return { folder, location: null, publish: async () => null };
  }
  const location = placeOf(out);
  const there = await publishedFiles(await storageOf(location), location, false);
  const names = there.map(({ name }) => name);
  if (names.length > 0 && !names.includes('manifest.json') && !names.includes(unfinished)) {
    throw new UsageError(
      `--out: ${location} holds ${names.slice(0, 3).join(', ')} and no manifest.json, so it may be data: choose an empty prefix`,
    );
  }
  const folder = join(localFolder, localName(location));
  return placeFor(folder, location);
}

function placeFor(folder: string, location: string): RunTarget {
  return { folder, location, publish: (signal) => publishRun(folder, location, signal) };
}

/** Writes down in a planned run's folder where its files are to go, for who goes on with it. */
export async function rememberTarget({ folder, location }: RunTarget): Promise<void> {
  if (location !== null) await writeText(join(folder, 'work', targetName), location);
}

/** The place that a run's files are to go to; undefined where that is its folder. */
export async function rememberedTarget(folder: string): Promise<RunTarget | undefined> {
  const location = await readFile(join(folder, 'work', targetName), 'utf8').catch(() => null);
  return location === null ? undefined : placeFor(folder, location);
}

function placeOf(out: string): string {
  try {
    return absoluteLocation(out).replace(/\/+$/, '');
  } catch (error) {
    throw error instanceof StorageError ? new UsageError(`--out: ${error.message}`) : error;
  }
}

/** A folder's name for a place: the end of it, as far as that is a plain name, and a digest of all of it. */
export function localName(location: string): string {
  const plain = location
    .slice(location.lastIndexOf('/') + 1)
    .replace(/[^\w-]+/g, '-')
    .slice(0, 40);
  return `${plain}-${createHash('sha256').update(location).digest('hex').slice(0, 12)}`;
}

/**
 * Brings a finished run's folder to a place: shards first, the manifest last, so that a place that has a manifest has
 * all of the run. What is there with the same size and checksum isn't sent again: a publication that was cut short is
 * gone on with by doing it again. What an earlier run left in the run's folders is taken away.
 */
export async function publishRun(
  folder: string,
  location: string,
  signal: AbortSignal,
): Promise<PublishReport> {
  const storage = await storageOf(location);
  const plan = planPublication(await runFiles(folder), await publishedFiles(storage, location, true));
  const at = (name: string) => joinLocation(location, name);
  const uploads = [...plan.first, ...plan.last];
  if (uploads.length + plan.remove.length > 0) {
    await storage.put(at(unfinished), Buffer.from('{"unfinished":true}\n'));
    // Until the new manifest is there, the place is no run.
    if (uploads.length > 0) await storage.delete(at('manifest.json'));
    const queue = new PQueue({ concurrency: filesAtOnce });
    const send = (file: FileFacts) => upload(storage, join(folder, file.path), at(file.path), file, signal);
    try {
      await queue.addAll(plan.first.map((file) => () => send(file)));
    } finally {
      // The first failure ends the rest, and is told once they are still.
      queue.clear();
      await queue.onIdle();
    }
    for (const name of plan.remove) await storage.delete(at(name));
    const manifest = plan.skipped.find(({ path }) => path === 'manifest.json');
    for (const file of [...plan.last, ...(manifest && uploads.length > 0 ? [manifest] : [])])
      await send(file);
  }
  await storage.delete(at(unfinished));
  return {
    location,
    uploaded: uploads.length,
    bytes: uploads.reduce((sum, { bytes }) => sum + bytes, 0),
    skipped: plan.skipped.length,
    removed: plan.remove.length,
  };
}

/** What is to be sent, left and taken away. Pure. */
export function planPublication(local: readonly FileFacts[], there: readonly PublishedFile[]): PublishPlan {
  const known = new Map(there.map((file) => [file.name, file]));
  const isThere = ({ path, bytes, sha256 }: FileFacts) =>
    known.get(path)?.bytes === bytes && known.get(path)?.sha256 === sha256;
  const folders = new Set([
    // A run that kept nothing has none of these, and the one before may have.
    ...['shards', 'lineage', 'dropped', 'quarantine'],
    ...local.flatMap(({ path }) => (path.includes('/') ? [topOf(path)] : [])),
  ]);
  const names = new Set(local.map(({ path }) => path));
  const rank = ({ path }: FileFacts) => lastNames.indexOf(path);
  const missing = local.filter((file) => !isThere(file));
  return {
    first: missing.filter((file) => rank(file) < 0),
    last: missing.filter((file) => rank(file) >= 0).sort((a, b) => rank(a) - rank(b)),
    skipped: local.filter(isThere),
    remove: there.map(({ name }) => name).filter((name) => !names.has(name) && folders.has(topOf(name))),
  };
}

const topOf = (name: string): string => name.slice(0, Math.max(0, name.indexOf('/')));

/** The finished files of a run's folder, shards first: no links, nothing hidden, nothing of its working folder. */
async function runFiles(folder: string): Promise<FileFacts[]> {
  const names = await glob('**/*', { cwd: folder, ignore: ['work/**'], followSymbolicLinks: false });
  const files: FileFacts[] = [];
  for (const name of names.sort((a, b) => orderOf(a) - orderOf(b) || (a < b ? -1 : 1))) {
    const path = join(folder, name);
    if (name.endsWith('.partial') || !(await lstat(path)).isFile()) continue;
    files.push(await fileFacts(path, name));
  }
  return files;
}

const orderOf = (name: string): number => (name.startsWith('shards/') ? 0 : 1);

async function publishedFiles(
  storage: Storage,
  location: string,
  withChecksums: boolean,
): Promise<PublishedFile[]> {
  const files: PublishedFile[] = [];
  for await (const facts of storage.list(joinLocation(location, ''))) {
    const name = facts.location.slice(location.length + 1);
    const whole = withChecksums ? await storage.stat(facts.location) : null;
    files.push({ name, bytes: facts.size, sha256: whole?.sha256 ?? null });
  }
  return files;
}

async function upload(
  storage: Storage,
  path: string,
  to: string,
  { bytes, sha256 }: FileFacts,
  signal: AbortSignal,
): Promise<void> {
  signal.throwIfAborted();
  const writer = await storage.create(to, { sha256 });
  try {
    const hash = createHash('sha256');
    let sent = 0;
    for await (const chunk of streamObject(path)) {
      signal.throwIfAborted();
      hash.update(chunk);
      sent += chunk.length;
      await writer.write(chunk);
    }
    if (sent !== bytes || hash.digest('hex') !== sha256) {
      throw new StorageError('changed', `${path}: the file changed while it was published: run it again`);
    }
    await writer.close();
  } catch (error) {
    await writer.abort();
    throw error;
  }
}
