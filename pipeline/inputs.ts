import { stat } from 'node:fs/promises';
import { basename, dirname, resolve } from 'node:path';
import { glob, isDynamicPattern } from 'tinyglobby';
import { UsageError } from './errors.ts';

/**
 * The shards that files, folders and globs name, each once, in an order that doesn't hang on how they were named:
 * by file name, then path. Relative paths are taken from the working directory. Throws a {@link UsageError} that
 * names the key and the path when one is missing or holds no parquet file.
 */
export async function resolveShards(
  patterns: readonly string[],
  key: string,
  configPath: string,
): Promise<string[]> {
  const found = new Set<string>();
  for (const pattern of patterns) {
    const matches = await shardsOf(pattern);
    if (matches === null) throw new UsageError(`${configPath}: ${key}: no such file or folder: ${pattern}`);
    if (matches.length === 0)
      throw new UsageError(`${configPath}: ${key}: no .parquet file matches ${pattern}`);
    for (const match of matches) found.add(match);
  }
  const order = (a: string, b: string) => (a < b ? -1 : a > b ? 1 : 0);
  return [...found].sort((a, b) => order(basename(a), basename(b)) || order(a, b));
}

/** A single file that a key names. Throws a {@link UsageError} naming the key when it is missing. */
export async function resolveFile(path: string, key: string, configPath: string): Promise<string> {
  const facts = await stat(path).catch(() => null);
  if (!facts?.isFile()) throw new UsageError(`${configPath}: ${key}: no such file: ${path}`);
  return resolve(path);
}

async function shardsOf(pattern: string): Promise<string[] | null> {
  const facts = await stat(pattern).catch(() => null);
  if (facts?.isFile()) return [resolve(pattern)];
  if (facts?.isDirectory()) {
    return glob('**/*.parquet', { cwd: resolve(pattern), absolute: true, dot: false });
  }
  if (!isDynamicPattern(pattern)) return null;
  const absolute = resolve(pattern);
  return glob(absolute, { absolute: true, cwd: dirname(absolute), onlyFiles: true });
}
