import { availableParallelism } from 'node:os';
import type { Executor } from '../models/executor.ts';
import { openExecutor } from '../models/open-executor.ts';
import type { Config } from './config.ts';
import { UsageError } from './errors.ts';

/**
 * Opens the executor of a recipe, on its threads unless told. Throws a {@link UsageError} that
 * names the recipe when what it asks for isn't there.
 */
export function openCompute(config: Config, path: string, threads = threadsOf(config)): Promise<Executor> {
  return openExecutor({ ...config.compute, threads }).catch((error: Error) => {
    throw new UsageError(`${path}: compute: ${error.message}`);
  });
}

/** The threads of a recipe: of `compute`, else its own, else the machine's cores. */
export function threadsOf({ compute, threads }: Pick<Config, 'compute' | 'threads'>): number {
  return compute.threads ?? threads ?? availableParallelism();
}

/** The executor and the provider that a recipe asks for: what, with the threads, decides the last bits of a run. */
export function computeNameOf({ compute }: Pick<Config, 'compute'>): string {
  return `${compute.executor}, ${compute.provider ?? 'its own provider'}`;
}
