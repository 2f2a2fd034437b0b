import { createHash } from 'node:crypto';
import { mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { redact } from '../schemas/redact.ts';
import { absoluteLocation, isS3 } from '../schemas/storage/locations.ts';
import { streamObject } from '../schemas/storage/open-storage.ts';
import { UsageError } from './errors.ts';
import { syncOne, writeDurably } from './to-disk.ts';

/** What a run's folder may hold: anything else in it isn't ours, and is never touched. */
const ours = [
  'shards',
  'quarantine',
  'dropped',
  'lineage',
  'notebooks',
  'checkpoints',
  'export',
  'work',
  'manifest.json',
  'report.json',
  'report.html',
  'selections.parquet',
  'offers.parquet',
  'metrics.jsonl',
];

/**
 * Makes a run's folder ready: an earlier run's files are cleared away. Throws a {@link UsageError} when the folder
 * holds anything that a run doesn't make, or shards that no run left there.
 */
export async function prepareRunFolder(folder: string): Promise<void> {
  const facts = await stat(folder).catch(() => null);
  if (facts !== null && !facts.isDirectory())
    throw new UsageError(`--out: ${folder} is a file, not a folder`);
  const names = facts === null ? [] : await readdir(folder);
  // What is written whole or not at all leaves its temporary name when it is killed.
  const foreign = names.filter((name) => !ours.includes(name.replace(/\.partial$/, '')));
  if (foreign.length > 0) {
    throw new UsageError(
      `--out: ${folder} holds ${foreign.slice(0, 3).join(', ')}, which no run made: choose an empty folder`,
    );
  }
  // Shards alone may be somebody's data: a run has a manifest, and one that was cut short its working folder.
  if (names.length > 0 && !names.includes('manifest.json') && !names.includes('work')) {
    throw new UsageError(
      `--out: ${folder} holds ${names.slice(0, 3).join(', ')} and no manifest.json, so it may be data: choose an empty folder`,
    );
  }
  if (/\\/.test(resolve(folder)))
    throw new UsageError(`--out: ${folder}: a run's folder can't have a backslash in its path`);
  // What tells a run's folder goes last: one that is cut short while it is cleared is still known as ours.
  await makeFolder(join(folder, 'work'));
  for (const name of names) if (name !== 'work') await rm(join(folder, name), { recursive: true });
  await rm(join(folder, 'work'), { recursive: true });
  await makeFolder(join(folder, 'work'));
}

/** Makes a folder, and those that it is in. Throws what is really wrong: a recursive `mkdir` says of a read-only disk `ENOENT`. */
export async function makeFolder(path: string): Promise<void> {
  await mkdir(path, { recursive: true }).catch(async (error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT') throw error;
    let missing = resolve(path);
    while (missing !== dirname(missing) && (await stat(dirname(missing)).catch(() => null)) === null) {
      missing = dirname(missing);
    }
    await mkdir(missing);
    await mkdir(path, { recursive: true });
  });
}

/** Writes a JSON file whole or not at all. */
export async function writeJson(path: string, value: unknown): Promise<void> {
  await writeText(path, `${JSON.stringify(value, null, 2)}\n`);
}

/** Writes a text file whole or not at all, and to the disk, without the secrets that may be in the text. */
export async function writeText(path: string, text: string): Promise<void> {
  const partial = `${path}.partial`;
  // A link by that name would be written through.
  await rm(partial, { force: true });
  await writeDurably(partial, redact(text));
  await rename(partial, path);
  await syncOne(dirname(path));
}

/** One file of a manifest. */
export interface FileFacts {
  readonly path: string;
  readonly bytes: number;
  readonly sha256: string;
}

/** A file's size and sha256, streamed. */
export async function fileFacts(path: string, name: string = path): Promise<FileFacts> {
  const hash = createHash('sha256');
  let bytes = 0;
  for await (const chunk of isS3(path)
    ? streamObject(path)
    : readInto(Buffer.allocUnsafeSlow(2 ** 20), path)) {
    hash.update(chunk);
    bytes += chunk.length;
  }
  return { path: name, bytes, sha256: hash.digest('hex') };
}

/** A file's bytes through one buffer: what is yielded holds until the next is asked for. */
async function* readInto(buffer: Buffer, path: string): AsyncGenerator<Buffer> {
  const file = await open(absoluteLocation(path), 'r');
  try {
    for (;;) {
      const { bytesRead } = await file.read(buffer, 0, buffer.length, null);
      if (bytesRead === 0) return;
      yield buffer.subarray(0, bytesRead);
    }
  } finally {
    await file.close();
  }
}
