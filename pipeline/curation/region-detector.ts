import { readFile, stat } from 'node:fs/promises';
import type { Teacher } from '../../models/teacher.ts';
import type { Categories, Detector } from '../../stages/regions/detector.ts';
import { createOwlDetector } from '../../stages/regions/owl-detector.ts';
import { createWindowDetector } from '../../stages/regions/window-detector.ts';
import type { Config } from '../config.ts';
import { UsageError } from '../errors.ts';

/**
 * Opens the recipe's detector: null where there is none, or none can work for want of a teacher. Throws a
 * {@link UsageError} of one line when the model's folder or the categories' file can't be read.
 */
export async function openDetector(
  { regions, threads }: Pick<Config, 'regions' | 'threads'>,
  teacher: Teacher | null,
  configPath: string,
): Promise<Detector | null> {
  if (regions.detector === 'none' || (regions.detector === 'windows' && teacher === null)) return null;
  const categories: Categories = {
    names: await categoriesOf(regions.categories, configPath),
    scale: regions.categoryScale,
  };
  if (regions.detector === 'windows' && teacher !== null) {
    return createWindowDetector(teacher, { ...regions, most: regions.windows }, categories);
  }
  const { model: folder } = regions;
  if (folder === undefined)
    throw new UsageError(`${configPath}: regions.model: required by the owl detector`);
  const isFolder = await stat(folder).then(
    (found) => found.isDirectory(),
    () => false,
  );
  if (!isFolder) throw new UsageError(`${configPath}: regions.model: no such folder: ${folder}`);
  try {
    const { loadOwlModel } = await import('../../models/owl/model.ts');
    return createOwlDetector(await loadOwlModel(folder, threads), regions.owl, categories);
  } catch (error) {
    throw new UsageError(`${configPath}: regions.model: ${(error as Error).message}`);
  }
}

/** The label set: lower-cased, each name once, blank lines left out. */
async function categoriesOf(categories: string | readonly string[], configPath: string): Promise<string[]> {
  const names =
    typeof categories === 'string'
      ? (
          await readFile(categories, 'utf8').catch(() => {
            throw new UsageError(`${configPath}: regions.categories: can't read the file ${categories}`);
          })
        ).split(/\r?\n/u)
      : categories;
  return [...new Set(names.map((name) => name.trim().toLowerCase()))].filter((name) => name !== '');
}
