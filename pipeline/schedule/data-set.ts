import { createHash, randomUUID } from 'node:crypto';
import { link, mkdir, readdir, readFile, rename, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { basename, join } from 'node:path';
import { z } from 'zod';
import { type Config, configSchema } from '../config.ts';
import { outcomeOf } from '../curation/plan/plan-files.ts';
import { UsageError } from '../errors.ts';
import { isAlive } from '../is-alive.ts';
import { assertOwnFolders } from '../own-folders.ts';
import { writeJson } from '../run-folder.ts';

/** One run that a data set grew by. */
const incrementSchema = z.object({
  number: z.int().positive(),
  /** The hash of its plan. */
  plan: z.string(),
  /** When it was added (ISO 8601). */
  at: z.string(),
  read: z.int(),
  kept: z.int(),
  dropped: z.int(),
  quarantined: z.int(),
  /** How many shards it added. */
  shards: z.int(),
});

const dataSetSchema = z.object({
  kind: z.literal('increments'),
  /** A digest of the recipe, its input aside: all increments are by the same one. */
  recipe: z.string(),
  increments: z.array(incrementSchema),
});

/** A data set that grows by increments, as `increments.json` of its folder says. */
export type DataSet = z.infer<typeof dataSetSchema>;

/** Where the parts of such a folder are. */
export function dataSetLayout(folder: string) {
  const padded = (number: number) => String(number).padStart(4, '0');
  return {
    list: join(folder, 'increments.json'),
    lock: join(folder, 'increments.lock'),
    /** The folder of the run of an increment, while it is made. */
    run: (number: number) => join(folder, 'increments', padded(number)),
    runs: join(folder, 'increments'),
    /** What is kept of the rows of all increments, one folder each. */
    facts: join(folder, 'facts'),
    factsOf: (number: number) => join(folder, 'facts', padded(number)),
    partial: join(folder, 'increments', 'facts.partial'),
  };
}

/**
 * Opens the data set of a folder, which is made where there is none. Throws a {@link UsageError} where the folder holds
 * something else or a link in place of one of its parts, or was made by another recipe.
 */
export async function openDataSet(folder: string, config: Config): Promise<DataSet> {
  const recipe = createHash('sha256')
    .update(JSON.stringify(outcomeOf(config)))
    .digest('hex');
  const { list, lock, runs } = dataSetLayout(folder);
  await assertOwnFolders(folder, ['increments', 'facts', 'shards', 'lineage', 'quarantine', 'dropped']);
  const text = await readFile(list, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return null;
    throw new UsageError(`--out: ${list}: ${error.message}`);
  });
  if (text === null) {
    const names = (await readdir(folder).catch(() => [])).filter((name) => name !== basename(lock));
    if (names.length > 0) {
      throw new UsageError(
        `--out: ${folder} holds ${names.slice(0, 3).join(', ')}, which no schedule made: choose an empty folder`,
      );
    }
    await mkdir(runs, { recursive: true });
    const fresh: DataSet = { kind: 'increments', recipe, increments: [] };
    await writeJson(list, fresh);
    return fresh;
  }
  const parsed = dataSetSchema.safeParse(parsedJson(text));
  if (!parsed.success)
    throw new UsageError(`--out: ${list}: can't be read: it was changed by hand or cut short`);
  if (parsed.data.recipe !== recipe) {
    throw new UsageError(
      `--out: ${folder} grew by another recipe, or another version of it: only input.shards, memory and workers may change; choose an empty folder`,
    );
  }
  return parsed.data;
}

/** Whether a folder holds a data set that grows by increments. */
export async function isDataSet(folder: string): Promise<boolean> {
  return (await stat(dataSetLayout(folder).list).catch(() => null)) !== null;
}

/** The recipe of a data set's last increment, as its manifest has it. Throws a {@link UsageError} where none is done. */
export async function recipeOfDataSet(folder: string): Promise<Config> {
  const text = await readFile(join(folder, 'manifest.json'), 'utf8').catch(() => '');
  const parsed = z.object({ config: configSchema }).safeParse(parsedJson(text));
  if (!parsed.success)
    throw new UsageError(`${folder}: no increment of it is done, or its manifest.json can't be read`);
  return parsed.data.config;
}

function parsedJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

const beatMs = 30_000;
const staleMs = 10 * beatMs;

/**
 * Takes the lock of a data set's folder; null where another process holds it. One whose process has ended on this
 * machine, or that gave no sign for 5 minutes on another, is taken over.
 */
export async function lockDataSet(folder: string): Promise<{ release(): Promise<void> } | null> {
  const { lock } = dataSetLayout(folder);
  await mkdir(folder, { recursive: true });
  const own = JSON.stringify({ host: hostname(), pid: process.pid });
  for (let tries = 0; ; tries += 1) {
    try {
      await writeFile(lock, own, { flag: 'wx' });
      break;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
      if (tries > 0 || !(await isStale(lock))) return null;
      const aside = `${lock}.${randomUUID()}`;
      await rename(lock, aside).catch(() => {});
      const isOurs = await isStale(aside);
      // Another process was quicker: what was taken is its new lock.
      if (!isOurs) await link(aside, lock).catch(() => {});
      await rm(aside, { force: true });
      if (!isOurs) return null;
    }
  }
  const beat = setInterval(() => {
    utimes(lock, new Date(), new Date()).catch(() => {});
  }, beatMs);
  beat.unref();
  return {
    async release() {
      clearInterval(beat);
      await rm(lock, { force: true });
    },
  };
}

async function isStale(lock: string): Promise<boolean> {
  const text = await readFile(lock, 'utf8').catch(() => '');
  const facts = await stat(lock).catch(() => null);
  if (facts === null) return true;
  const holder = z.object({ host: z.string(), pid: z.int() }).safeParse(parsedJson(text));
  // A container that was started again has its host's name and its pid again: then the age tells.
  if (holder.success && holder.data.host === hostname() && !isAlive(holder.data.pid)) return true;
  return Date.now() - facts.mtimeMs > staleMs;
}
