import type { Executor } from '../models/executor.ts';
import { openExecutor } from '../models/open-executor.ts';
import type { Config } from './config.ts';
import { UsageError } from './errors.ts';

/**
 * Opens the executor of a recipe; `threads` counts where `compute.threads` is absent. Throws a {@link UsageError} that
 * names the recipe when what it asks for isn't there.
 */
export function openCompute(config: Config, path: string): Promise<Executor> {
  const { compute } = config;
  const threads = compute.threads ?? config.threads;
  return openExecutor({ ...compute, threads }).catch((error: Error) => {
    throw new UsageError(`${path}: compute: ${error.message}`);
  });
}
