import { lstat } from 'node:fs/promises';
import { join } from 'node:path';
import { UsageError } from './errors.ts';

/**
 * Holds that parts of a folder that are written to, and cleared of what isn't ours to keep, are in it: one that is a
 * link would have that done to whatever it leads to. Throws a {@link UsageError} that names the first link.
 */
export async function assertOwnFolders(folder: string, parts: readonly string[]): Promise<void> {
  for (const part of parts) {
    const facts = await lstat(join(folder, part)).catch(() => null);
    if (facts?.isSymbolicLink()) {
      throw new UsageError(
        `${join(folder, part)}: is a link, and would be written to and cleared: put all of the folder where it leads, and a link to that here`,
      );
    }
  }
}
