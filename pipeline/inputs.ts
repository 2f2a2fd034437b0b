import { stat } from 'node:fs/promises';
import { basename, dirname, resolve } from 'node:path';
import { glob, isDynamicPattern } from 'tinyglobby';
import { inputKind, type NamedColumns, type PresetName } from '../schemas/presets.ts';
import { contentIdentity } from '../stages/read-shards/keys.ts';
import { UsageError } from './errors.ts';

/**
 * The shards that files, folders and globs name, each once, in an order that hangs neither on how they were named nor
 * on the folder they are in: by file name, then by what is in them. Relative paths are taken from the working
 * directory. Throws a {@link UsageError} that names the key and the path when one is missing or holds no shard.
 */
export async function resolveShards(
  patterns: readonly string[],
  key: string,
  configPath: string,
  extensions: readonly string[] = ['parquet'],
): Promise<string[]> {
  const found = new Set<string>();
  for (const pattern of patterns) {
    const matches = await shardsOf(pattern, extensions);
    if (matches === null) throw new UsageError(`${configPath}: ${key}: no such file or folder: ${pattern}`);
    if (matches.length === 0) {
      const kinds = extensions.map((extension) => `.${extension}`).join(' or ');
      throw new UsageError(`${configPath}: ${key}: no ${kinds} file matches ${pattern}`);
    }
    for (const match of matches) found.add(match);
  }
  return inOrder([...found]);
}

/**
 * The shards of a recipe's `input`, of the extensions that its kind has. A parquet file beside a tar of its name is
 * the list of the tar's rows: either of them names the tar. Throws as {@link resolveShards} does.
 */
export async function resolveInput(
  input: {
    readonly shards: readonly string[];
    readonly preset?: PresetName | undefined;
    readonly columns?: NamedColumns | undefined;
  },
  configPath: string,
): Promise<string[]> {
  const kind = inputKind(input);
  const shards = await resolveShards(input.shards, 'input.shards', configPath, kind.files);
  if (kind.status === null || !kind.files.includes('tar')) return shards;
  const tars = new Set<string>();
  for (const shard of shards) {
    const tar = shard.replace(/\.parquet$/i, '.tar');
    tars.add((await stat(tar).catch(() => null))?.isFile() ? tar : shard);
  }
  return inOrder([...tars]);
}

/** A single file that a key names. Throws a {@link UsageError} naming the key when it is missing. */
export async function resolveFile(path: string, key: string, configPath: string): Promise<string> {
  const facts = await stat(path).catch(() => null);
  if (!facts?.isFile()) throw new UsageError(`${configPath}: ${key}: no such file: ${path}`);
  return resolve(path);
}

async function inOrder(paths: readonly string[]): Promise<string[]> {
  const byName = new Map<string, string[]>();
  for (const path of paths) byName.set(basename(path), [...(byName.get(basename(path)) ?? []), path]);
  const ordered: string[] = [];
  for (const name of [...byName.keys()].sort()) {
    const same = byName.get(name) ?? [];
    const identities = new Map<string, string>();
    if (same.length > 1) for (const path of same) identities.set(path, await contentIdentity(path));
    const rank = (path: string) => `${identities.get(path) ?? ''} ${path}`;
    ordered.push(...same.sort((a, b) => (rank(a) < rank(b) ? -1 : 1)));
  }
  return ordered;
}

async function shardsOf(pattern: string, extensions: readonly string[]): Promise<string[] | null> {
  const facts = await stat(pattern).catch(() => null);
  if (facts?.isFile()) return [resolve(pattern)];
  const patterns = extensions.map((extension) => `**/*.${extension}`);
  if (facts?.isDirectory()) return glob(patterns, { cwd: resolve(pattern), absolute: true, dot: false });
  if (!isDynamicPattern(pattern)) return null;
  const absolute = resolve(pattern);
  return glob(absolute, { absolute: true, cwd: dirname(absolute), onlyFiles: true });
}
