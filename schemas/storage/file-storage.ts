import { randomUUID } from 'node:crypto';
import type { Stats } from 'node:fs';
import { type FileHandle, mkdir, open, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { glob, isDynamicPattern } from 'tinyglobby';
import { StorageError, type StorageProblem } from './errors.ts';
import { absoluteLocation, type Location } from './locations.ts';
import type { ByteSource, ObjectFacts, ObjectWriter, Storage } from './storage.ts';

/** A read takes no more than this at once: the system's own limit is 2 GiB. */
const mostAtOnce = 2 ** 30;
const streamedBytes = 256 * 1024;

/** Files of this machine, by path or `file://` URL. */
export const fileStorage: Storage = {
  async stat(location) {
    const path = absoluteLocation(location);
    const facts = await statFile(path);
    return facts?.isFile() ? factsOf(path, facts) : null;
  },
  async *list(pattern) {
    const path = absoluteLocation(pattern);
    const isFolder = (await statFile(path))?.isDirectory() === true;
    if (!isFolder && !isDynamicPattern(path)) return;
    const found = isFolder
      ? await glob('**/*', { cwd: path, absolute: true, onlyFiles: true })
      : await glob(path, { cwd: dirname(path), absolute: true, onlyFiles: true });
    for (const one of found.sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))) {
      const facts = await statFile(one);
      if (facts?.isFile()) yield factsOf(one, facts);
    }
  },
  open: openFile,
  async *stream(location) {
    const source = await openFile(location);
    const file = await source.open();
    try {
      for (let at = 0; at < source.size; at += streamedBytes) {
        yield await file.read(at, Math.min(streamedBytes, source.size - at));
      }
    } finally {
      await file.close();
    }
  },
  async put(location, bytes) {
    const writer = await createFile(location);
    try {
      await writer.write(bytes);
      await writer.close();
    } catch (error) {
      await writer.abort();
      throw error;
    }
  },
  create: createFile,
  async delete(location) {
    const path = absoluteLocation(location);
    await rm(path, { force: true }).catch((error) => {
      throw problemOf(path, error);
    });
  },
  async close() {},
};

async function statFile(path: string): Promise<Stats | null> {
  try {
    return await stat(path);
  } catch (error) {
    if (isMissing(error)) return null;
    throw problemOf(path, error);
  }
}

const isMissing = (error: unknown) => ['ENOENT', 'ENOTDIR'].includes(codeOf(error));
const codeOf = (error: unknown): string => (error as NodeJS.ErrnoException | null)?.code ?? '';

const versionOf = ({ size, mtimeMs, ino }: Stats): string => `${size}-${mtimeMs}-${ino}`;

const factsOf = (location: string, facts: Stats): ObjectFacts => ({
  location,
  size: facts.size,
  version: versionOf(facts),
  sha256: null,
});

/** Reads a file by ranges, holding nothing open between them unless asked to. */
async function openFile(location: Location): Promise<ByteSource> {
  const path = absoluteLocation(location);
  const facts = await statFile(path);
  if (!facts?.isFile())
    throw new StorageError('missing', `${path}: there is no such file: put it back and go on`);
  const [size, version] = [facts.size, versionOf(facts)];
  const openAgain = async () => {
    try {
      const file = await open(path, 'r');
      if (versionOf(await file.stat()) === version) return file;
      await file.close();
    } catch (error) {
      throw problemOf(path, error);
    }
    throw new StorageError('changed', `${path}: the file changed while it was read: run it again`);
  };
  return {
    path: location,
    size,
    version,
    async read(start, length) {
      const file = await openAgain();
      try {
        return await readRange(path, file, size, start, length);
      } finally {
        await file.close();
      }
    },
    async open() {
      const file = await openAgain();
      return {
        read: (start, length, into) => readRange(path, file, size, start, length, into),
        close: () => file.close(),
      };
    },
  };
}

async function readRange(
  path: string,
  file: FileHandle,
  size: number,
  start: number,
  length: number,
  into?: Uint8Array<ArrayBuffer>,
) {
  if (start < 0 || length < 0 || start + length > size) {
    throw new Error(`bytes ${start} to ${start + length} are outside a file of ${size}`);
  }
  const bytes = into?.length === length ? into : new Uint8Array(length);
  for (let done = 0; done < length; ) {
    const most = Math.min(mostAtOnce, length - done);
    const { bytesRead } = await file.read(bytes, done, most, start + done).catch((error) => {
      throw problemOf(`${path}, bytes ${start} to ${start + length}`, error);
    });
    if (bytesRead === 0) {
      const what = `the file ends at ${start + done}: it shrank while it was read`;
      throw new StorageError('changed', `${path}: ${what}: run it again`);
    }
    done += bytesRead;
  }
  return bytes;
}

async function createFile(location: Location): Promise<ObjectWriter> {
  const path = absoluteLocation(location);
  // A name that lists pass over, beside the file, so that renaming it is one step.
  const temporary = join(dirname(path), `.${basename(path)}.${randomUUID()}.partial`);
  const wrap = (error: unknown): never => {
    throw problemOf(path, error);
  };
  await mkdir(dirname(path), { recursive: true }).catch(wrap);
  const file = await open(temporary, 'wx').catch(wrap);
  let isOpen = true;
  const closeFile = async () => {
    if (isOpen) await file.close();
    isOpen = false;
  };
  return {
    async write(bytes) {
      await file.writeFile(bytes).catch(wrap);
    },
    async close() {
      try {
        await file.sync();
        await closeFile();
        await rename(temporary, path);
      } catch (error) {
        wrap(error);
      }
    },
    async abort() {
      await closeFile().catch(() => {});
      await rm(temporary, { force: true }).catch(() => {});
    },
  };
}

const problems: Readonly<Record<string, readonly [StorageProblem, string]>> = {
  ENOENT: ['missing', 'there is no such file: put it back and go on'],
  ENOTDIR: ['missing', 'there is no such file: put it back and go on'],
  EACCES: ['denied', 'access is denied: check who may read or write it'],
  EPERM: ['denied', 'access is denied: check who may read or write it'],
  EROFS: ['denied', 'the file system is read-only: choose another folder'],
  ENOSPC: ['failed', 'the disk is full: make room and go on'],
  EDQUOT: ['failed', 'the disk quota is used up: make room and go on'],
};

function problemOf(where: string, error: unknown): StorageError {
  if (error instanceof StorageError) return error;
  const said = error instanceof Error ? error.message : String(error);
  const [problem, advice] = problems[codeOf(error)] ?? ['failed', `${said}: check the disk and go on`];
  return new StorageError(problem, `${where}: ${advice}`);
}
