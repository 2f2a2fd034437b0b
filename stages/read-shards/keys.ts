import { createHash } from 'node:crypto';
import { basename } from 'node:path';
import { openByteSource } from '../../schemas/parquet-reader/byte-source.ts';

const sampledBytes = 64 * 1024;

/** The longest key that a row may have, in bytes: keys of all rows are held against each other, and ledgers repeat them. */
export const mostKeyBytes = 4096;

/** What is wrong with a row whose key has so many bytes. */
export function longKey(bytes: number): { readonly reason: string; readonly detail: string } {
  return { reason: 'long-key', detail: `its key has ${bytes} bytes, and may have ${mostKeyBytes}` };
}

/** The key of a row that has none: its shard's name and its place there. */
export function madeKey(name: string, row: number): string {
  return `${name}:${row}`;
}

/** A shard's name: its file's, without folder and extension. */
export function shardName(path: string): string {
  return basename(path).replace(/\.(parquet|tar)$/i, '');
}

/**
 * The shards' names, each once: where several have a name, it is followed by eight digits of what is in the file.
 * So a row's made key hangs on its shard's name and bytes, and not on the folder that it is in.
 */
export async function shardNames(paths: readonly string[]): Promise<(path: string) => string> {
  const sharing = new Map<string, string[]>();
  for (const path of paths) sharing.set(shardName(path), [...(sharing.get(shardName(path)) ?? []), path]);
  const names = new Map<string, string>();
  for (const [name, all] of sharing) {
    for (const path of all) {
      names.set(path, all.length === 1 ? name : `${name}-${(await contentIdentity(path)).slice(0, 8)}`);
    }
  }
  return (path) => names.get(path) ?? shardName(path);
}

/**
 * What tells shards of one name apart wherever they are: sha256 of a file's size, first and last 64 KiB, which hold
 * a parquet shard's footer. Throws a `StorageError` when it can't be read.
 */
export async function contentIdentity(path: string): Promise<string> {
  const hash = createHash('sha256');
  const source = await openByteSource(path);
  const length = Math.min(sampledBytes, source.size);
  hash.update(String(source.size));
  hash.update(await source.read(0, length));
  hash.update(await source.read(source.size - length, length));
  return hash.digest('hex');
}
