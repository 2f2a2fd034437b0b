import { open, readFile, realpath, stat } from 'node:fs/promises';
import { basename, dirname, isAbsolute, join, relative, sep } from 'node:path';
import type { z } from 'zod';

const mebibyte = 2 ** 20;

/** The most bytes that a file of a model is read with. */
export const mostBytes = {
  json: 4 * mebibyte,
  /** Gemma's, with 256,000 pieces, has 34 MB. */
  tokenizer: 128 * mebibyte,
  /** No protobuf message is larger. */
  graph: 2048 * mebibyte,
  /** Weights beside a graph, all of them. */
  weights: 16 * 1024 * mebibyte,
} as const;

/**
 * The path of a file of a model's folder, or null where there is none. Throws when it lies outside, by `..` or by a link
 * (a hub cache's links to its own `blobs` are inside), isn't a file, or has more bytes than it may.
 */
export async function fileOf(folder: string, name: string, most: number): Promise<string | null> {
  const path = join(folder, name);
  const outside = () => new Error(`${path}: a model's files must lie in its folder`);
  if (isAbsolute(name) || !isInside(folder, path)) throw outside();
  let real: string;
  try {
    real = await realpath(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw new Error(`${path}: ${(error as Error).message}`);
  }
  if (!isInside(await rootOf(folder), real)) throw outside();
  const facts = await stat(real);
  if (!facts.isFile()) throw new Error(`${path}: not a file`);
  if (facts.size > most) throw new Error(`${path}: ${facts.size} bytes, where at most ${most} are read`);
  return path;
}

/** What links may lead to: the folder, or of a snapshot in a hub's cache the model's whole cache. */
async function rootOf(folder: string): Promise<string> {
  const real = await realpath(folder);
  return basename(dirname(real)) === 'snapshots' ? dirname(dirname(real)) : real;
}

/** Reads and checks a JSON file of a model's folder. Throws one line that names the file and what is wrong with it. */
export async function readJson<T>(
  folder: string,
  name: string,
  schema: z.ZodType<T>,
  options: { readonly absent?: T; readonly most?: number } = {},
): Promise<T> {
  const path = join(folder, name);
  const found = await fileOf(folder, name, options.most ?? mostBytes.json);
  if (found === null) {
    if (options.absent !== undefined) return options.absent;
    throw new Error(`${path}: no such file`);
  }
  let raw: unknown;
  try {
    raw = JSON.parse(await readFile(found, 'utf8'));
  } catch {
    throw new Error(`${path}: not JSON`);
  }
  const parsed = schema.safeParse(raw);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new Error(`${path}: ${issue?.path.map(String).join('.') || 'the file'}: ${issue?.message}`);
}

/** Reads a stretch of a file. Throws when it ends before. */
export async function readStretch(path: string, from: number, length: number): Promise<Buffer> {
  const file = await open(path);
  try {
    const { bytesRead, buffer } = await file.read(Buffer.alloc(length), 0, length, from);
    if (bytesRead < length) throw new Error(`${path}: it ends at byte ${from + bytesRead}`);
    return buffer;
  } finally {
    await file.close();
  }
}

function isInside(folder: string, path: string): boolean {
  const way = relative(folder, path);
  return way !== '' && way !== '..' && !way.startsWith(`..${sep}`) && !isAbsolute(way);
}
