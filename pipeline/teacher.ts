import type { Executor } from '../models/executor.ts';
import type { Teacher } from '../models/teacher.ts';
import type { EmbedOptions } from '../stages/embed-with-teacher.ts';
import type { Config } from './config.ts';

/**
 * Loads a teacher's checkpoint. What models are made with takes a second to import and 50 MB: only a run with a
 * teacher does. Throws as its loader does.
 */
export async function openTeacher(checkpoint: string, executor: Executor): Promise<Teacher> {
  const { loadTeacher } = await import('../models/teacher.ts');
  return loadTeacher(checkpoint, executor);
}

/** Opens the executor of a recipe, also only where there is a use for it. Throws as `openCompute` does. */
export async function openExecutorOf(config: Config, configPath: string): Promise<Executor> {
  const { openCompute } = await import('./compute.ts');
  return openCompute(config, configPath);
}

/** What a recipe says of embedding its rows. */
export function embedOptions({ images, regions, teacher }: Config): EmbedOptions {
  const { concurrency, maxPixels } = images;
  const parts = { ...regions, most: regions.windows };
  return { concurrency, maxPixels, partWeight: teacher?.partWeight ?? 0, parts };
}
