import { readFile, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { glob } from 'tinyglobby';
import type { Executor } from '../models/executor.ts';
import type { Teacher } from '../models/teacher.ts';
import type { EmbedOptions } from '../stages/embed-with-teacher.ts';
import type { Config } from './config.ts';
import { UsageError } from './errors.ts';
import { resolveFile } from './inputs.ts';
import type { Progress } from './progress.ts';
import { fileFacts } from './run-folder.ts';

/**
 * Where a recipe's teacher is: its checkpoint's file or folder, or the folder that a hub's model was downloaded to.
 * Throws a {@link UsageError} that names the recipe when there is none.
 */
export async function resolveTeacher(
  { checkpoint, precision }: NonNullable<Config['teacher']>,
  configPath: string,
  run: { readonly signal: AbortSignal; readonly progress: Progress },
  key = 'teacher.checkpoint',
): Promise<string> {
  if ((await stat(checkpoint).catch(() => null)) !== null) return resolve(checkpoint);
  const { parseModelName } = await import('./hub/model-name.ts');
  const model = parseModelName(checkpoint);
  if (model === null) return resolveFile(checkpoint, key, configPath);
  const { downloadModel } = await import('./hub/download-model.ts');
  return downloadModel(model, { ...run, precision: precision ?? 'fp32' }).catch((error: Error) => {
    if (run.signal.aborted) throw error;
    const what = `neither a file or folder nor a model that can be downloaded: ${checkpoint}`;
    throw new UsageError(`${configPath}: ${key}: ${what}: ${error.message}`);
  });
}

/**
 * Loads a teacher's checkpoint. What models are made with takes a second to import and 50 MB: only a run with a
 * teacher does. Throws a {@link UsageError} in one line when it is no model, or no sound one.
 */
export async function openTeacher(
  checkpoint: string,
  executor: Executor,
  { teacher, compute, threads }: Pick<Config, 'teacher' | 'compute' | 'threads'>,
): Promise<Teacher> {
  const { loadTeacher } = await import('../models/teacher.ts');
  return loadTeacher(checkpoint, executor, {
    threads: compute.threads ?? threads,
    precision: teacher?.precision,
    logits: teacher?.logits,
  }).catch((error: Error) => {
    throw new UsageError(`teacher.checkpoint: ${error.message}`);
  });
}

/** What a manifest says of a teacher's checkpoint: of a file what it was made from, of a folder its files and where they came from. */
export async function teacherFacts(checkpoint: string): Promise<Record<string, unknown>> {
  if ((await stat(checkpoint)).isFile()) {
    const { readSafetensors } = await import('../models/safetensors.ts');
    const { stages } = (await readSafetensors(checkpoint)).metadata;
    return { ...(await fileFacts(checkpoint)), ...(stages && { madeFrom: JSON.parse(stages) }) };
  }
  const names = await glob('**/*', { cwd: checkpoint, dot: false });
  const files = await Promise.all(names.sort().map((name) => fileFacts(join(checkpoint, name), name)));
  const origin = await readFile(join(checkpoint, 'assay-hub.json'), 'utf8').catch(() => null);
  return {
    path: checkpoint,
    bytes: files.reduce((sum, { bytes }) => sum + bytes, 0),
    files,
    ...(origin && { downloaded: JSON.parse(origin) }),
  };
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
