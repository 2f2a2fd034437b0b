import { stat } from 'node:fs/promises';
import { basename } from 'node:path';
import { isDynamicPattern } from 'tinyglobby';
import { hasLists, inputKind, type NamedColumns, type PresetName } from '../schemas/presets.ts';
import { redact } from '../schemas/redact.ts';
import { StorageError } from '../schemas/storage/errors.ts';
import { absoluteLocation, isS3, joinLocation } from '../schemas/storage/locations.ts';
import { statObject, storageOf } from '../schemas/storage/open-storage.ts';
import { contentIdentity } from '../stages/read-shards/keys.ts';
import { UsageError } from './errors.ts';

/**
 * The shards that files, folders and globs name, on this machine or in an object store (`s3://bucket/prefix/`), each
 * once, in an order that hangs neither on how they were named nor on the folder they are in: by file name, then by
 * what is in them. Relative paths are taken from the working directory. Throws a {@link UsageError} that names the key
 * and the path when one is missing or holds no shard.
 */
export async function resolveShards(
  patterns: readonly string[],
  key: string,
  configPath: string,
  extensions: readonly string[] = ['parquet'],
): Promise<string[]> {
  const found = new Set<string>();
  for (const pattern of patterns) {
    const matches = await shardsOf(pattern, key, configPath, extensions);
    const name = redact(pattern);
    if (matches === null) throw new UsageError(`${configPath}: ${key}: no such file or folder: ${name}`);
    if (matches.length === 0) {
      const kinds = extensions.map((extension) => `.${extension}`).join(' or ');
      throw new UsageError(`${configPath}: ${key}: no ${kinds} file matches ${name}`);
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
  if (!hasLists(kind)) return shards;
  const tars = new Set<string>();
  for (const shard of shards) {
    const tar = shard.replace(/\.parquet$/i, '.tar');
    tars.add((await statObject(tar)) === null ? shard : tar);
  }
  return inOrder([...tars]);
}

/** A single file that a key names. Throws a {@link UsageError} naming the key when it is missing. */
export async function resolveFile(path: string, key: string, configPath: string): Promise<string> {
  const absolute = locationOf(path, key, configPath);
  if ((await statObject(absolute)) === null) {
    throw new UsageError(`${configPath}: ${key}: no such file: ${redact(path)}`);
  }
  return absolute;
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

/** What a pattern names, in the one form of a location. What is wrong with it is the user's to mend. */
function locationOf(pattern: string, key: string, configPath: string): string {
  try {
    return absoluteLocation(pattern);
  } catch (error) {
    if (error instanceof StorageError) throw new UsageError(`${configPath}: ${key}: ${error.message}`);
    throw error;
  }
}

async function shardsOf(
  pattern: string,
  key: string,
  configPath: string,
  extensions: readonly string[],
): Promise<string[] | null> {
  const place = locationOf(pattern, key, configPath);
  if ((await statObject(place)) !== null) return [place];
  const storage = await storageOf(place);
  const isFolder = !isS3(place) && (await stat(place).catch(() => null))?.isDirectory() === true;
  const isGlob = !isFolder && isDynamicPattern(place);
  const found: string[] = [];
  const has = { any: isFolder };
  for await (const { location } of storage.list(isGlob ? place : joinLocation(place, ''))) {
    has.any = true;
    // A glob says itself which files it means.
    if (isGlob || extensions.some((extension) => location.endsWith(`.${extension}`))) found.push(location);
  }
  return has.any || isGlob ? found : null;
}
