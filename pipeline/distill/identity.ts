import { createHash } from 'node:crypto';
import { fileFacts } from '../run-folder.ts';

/** A digest of the bytes of files, in their order; their names don't matter. */
export async function digestOfFiles(paths: readonly string[]): Promise<string> {
  const digests: string[] = [];
  for (const path of paths) digests.push((await fileFacts(path)).sha256);
  return digestOf(digests);
}

/** A digest of a value as JSON. */
export function digestOf(value: unknown): string {
  return createHash('sha256').update(JSON.stringify(value)).digest('hex');
}
