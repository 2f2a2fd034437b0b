import { realpath } from 'node:fs/promises';
import { isAbsolute, relative } from 'node:path';
import { z } from 'zod';
import { UsageError } from '../../errors.ts';

/** What a worker tells the processes that it starts, in their environment under {@link settingsVariable}. */
export const sandboxSettingsSchema = z.strictObject({
  /** Folders that runs must be under; any where there are none. */
  roots: z.array(z.string()),
  /** Processes that share what is in flight. */
  processes: z.int().positive(),
  /** The program that serves tasks in a process of its own; the process of the job runs them where it is absent. */
  program: z.string().optional(),
});

/** See {@link sandboxSettingsSchema}. */
export type SandboxSettings = z.infer<typeof sandboxSettingsSchema>;

/** The variable that holds {@link SandboxSettings} as JSON. */
export const settingsVariable = 'ASSAY_SANDBOX';

/** The folders that a worker's runs must be under, without links. Throws a {@link UsageError} where one isn't there. */
export async function resolveRoots(roots: readonly string[]): Promise<string[]> {
  return Promise.all(
    roots.map((root) =>
      realpath(root).catch(() => {
        throw new UsageError(`--root: no such folder: ${root}`);
      }),
    ),
  );
}

/**
 * A run's folder with its links resolved, which is held to be under one of the roots, where there are any: a link that
 * leads elsewhere later is none that was looked at. Throws a {@link UsageError} where it isn't, or isn't there.
 */
export async function realUnderRoots(folder: string, roots: readonly string[]): Promise<string> {
  if (!isAbsolute(folder)) throw new UsageError(`${folder}: refused: the path of a run is absolute`);
  const real = await realpath(folder).catch(() => {
    throw new UsageError(`${folder}: refused: this worker sees no such folder`);
  });
  const isUnder = (root: string) => {
    const path = relative(root, real);
    return path === '' || (!path.startsWith('..') && !isAbsolute(path));
  };
  if (roots.length > 0 && !roots.some(isUnder)) {
    throw new UsageError(`${folder}: refused: not under a --root of this worker`);
  }
  return real;
}
