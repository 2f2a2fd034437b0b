import { stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import PQueue from 'p-queue';
import { planBands } from '../../../models/duplicates/bands.ts';
import { useStorage } from '../../../schemas/storage/open-storage.ts';
import { shardNames } from '../../../stages/read-shards/keys.ts';
import { type Config, configSchema } from '../../config.ts';
import { UsageError } from '../../errors.ts';
import { resolveInput, resolveShards } from '../../inputs.ts';
import { type Progress, silentProgress } from '../../progress.ts';
import { prepareRunFolder } from '../../run-folder.ts';
import { openExecutorOf, resolveTeacher, teacherFacts } from '../../teacher.ts';
import { version } from '../../version.ts';
import { type AdmitTask, planTasks, readShardFacts } from '../admit/plan.ts';
import { evaluationIdentity } from '../duplicates/evaluation-set.ts';
import { readsImages, withoutImages } from '../metadata-only.ts';
import {
  type EarlierRuns,
  type FrozenRun,
  openRun,
  outcomeDigest,
  type Plan,
  type PlanFiles,
  planHash,
  recipeOfReading,
  type TeacherFiles,
  writePlan,
} from './plan-files.ts';
import { digestOf, planRunTasks } from './tasks.ts';

/** The recipe as tasks go by it: without what its shards don't allow, and with the paths that it was frozen with. */
export function configOfTasks({ config: given, files }: Pick<Plan, 'config' | 'files'>): Config {
  const config = readsImages(given) ? given : withoutImages(given);
  const { teacher, regions } = config;
  return {
    ...config,
    // Bits of what models say hang on their threads: as many in each process, whatever the machine.
    threads: config.threads ?? 1,
    ...(teacher && files.checkpoint ? { teacher: { ...teacher, checkpoint: files.checkpoint.path } } : {}),
    regions: {
      ...regions,
      ...(files.model === null ? {} : { model: files.model }),
      ...(files.categories === null ? {} : { categories: files.categories }),
    },
  };
}

/** What planning is stopped by, and where it shows that a model is downloaded. */
export interface PlanContext {
  readonly signal: AbortSignal;
  readonly progress: Progress;
}

const quietly: PlanContext = { signal: new AbortController().signal, progress: silentProgress };

/**
 * Freezes a run: reads the footers of the recipe's shards, cuts them into tasks and writes the plan into the run's
 * folder, which is cleared of an earlier run. Throws a {@link UsageError} when the recipe can't be run.
 */
export async function freezeRun(
  config: Config,
  folder: string,
  configPath: string,
  context: PlanContext = quietly,
): Promise<FrozenRun> {
  const plan = await planRun(config, configPath, { context });
  await prepareRunFolder(folder);
  await writePlan(folder, plan);
  return openRun(folder);
}

/** A part of a data set that earlier runs have read the rest of, and what they left. */
export interface PartOfData {
  /** Which of the tasks over all shards are run, or which parts of them; `rowsOf` says how many rows a row group has. */
  readonly choose: (
    tasks: readonly AdmitTask[],
    rowsOf: (path: string, group: number) => number,
  ) => readonly Omit<AdmitTask, 'position'>[];
  readonly earlier: EarlierRuns | undefined;
}

/**
 * Plans a run of a recipe, over all of its shards or a part, and reaches storage as it says from here on. Throws a
 * {@link UsageError} when the recipe can't be run.
 */
export async function planRun(
  given: Config,
  configPath: string,
  { context = quietly, part }: { readonly context?: PlanContext; readonly part?: PartOfData } = {},
): Promise<Plan> {
  // As it is read back: the same recipe has one hash, in whatever order its keys were given.
  const asked = configSchema.parse(given);
  // A recipe may come from where no recipe is read: from a plan, or from a data set's manifest.
  useStorage(asked.storage);
  const config = readsImages(asked) ? asked : withoutImages(asked);
  if (!config.input) throw new UsageError(`${configPath}: input.shards: required to curate`);
  const shards = await resolveInput(config.input, configPath);
  const files = await filesOf(config, configPath, context);
  const { near, radius } = config.deduplicate;
  const radii = [...(near ? [radius] : []), ...(config.decontaminate ? [config.decontaminate.radius] : [])];
  const earlier = part?.earlier;
  const facts = await factsOf(shards);
  const byPath = new Map(facts.map((one) => [one.path, one]));
  const rowsOf = (path: string, group: number) => byPath.get(path)?.rowGroups[group]?.rows ?? 0;
  const whole = planTasks(facts);
  const tasks = planRunTasks({
    admit: (part ? part.choose(whole, rowsOf) : whole).map((task, position) => ({ ...task, position })),
    earlierRows: earlier?.rows ?? 0,
    recipe: digestOf([recipeOfReading(config, files), version]),
    outcome: earlier
      ? digestOf([outcomeDigest(asked, files), ...earlier.plans])
      : outcomeDigest(asked, files),
    evaluation: config.decontaminate
      ? await evaluationIdentity(config.decontaminate, files.evaluation)
      : null,
    bands: (rows) => Math.max(0, ...radii.map((r) => planBands(r, Math.max(1, rows)).bands.length)),
  });
  const at = new Date().toISOString();
  const plan = { version, config: asked, configPath, files, ...(earlier ? { earlier } : {}), at, tasks };
  return { ...plan, hash: planHash(plan) };
}

async function filesOf(config: Config, configPath: string, context: PlanContext): Promise<PlanFiles> {
  const checkpoint = config.teacher && (await resolveTeacher(config.teacher, configPath, context));
  // What can't work is found out before anything is done.
  if (checkpoint) await openExecutorOf({ ...config, threads: config.threads ?? 1 }, configPath);
  if (config.scores && checkpoint === undefined) {
    throw new UsageError(`${configPath}: scores: needs teacher.checkpoint`);
  }
  const evaluation = config.decontaminate
    ? await resolveShards(config.decontaminate.shards, 'decontaminate.shards', configPath)
    : [];
  const { detector, model, categories } = config.regions;
  if (detector === 'owl') {
    if (model === undefined)
      throw new UsageError(`${configPath}: regions.model: required by the owl detector`);
    const isFolder = (await stat(model).catch(() => null))?.isDirectory() === true;
    if (!isFolder) throw new UsageError(`${configPath}: regions.model: no such folder: ${model}`);
  }
  const reads = detector !== 'none' && (detector === 'owl' || checkpoint !== undefined);
  if (reads && typeof categories === 'string' && !(await stat(categories).catch(() => null))?.isFile()) {
    throw new UsageError(`${configPath}: regions.categories: can't read the file ${categories}`);
  }
  return {
    checkpoint: checkpoint === undefined ? null : await teacherFilesOf(checkpoint),
    model: model === undefined ? null : resolve(model),
    categories: typeof categories === 'string' ? resolve(categories) : null,
    evaluation,
  };
}

async function teacherFilesOf(path: string): Promise<TeacherFiles> {
  const facts = await teacherFacts(path).catch((error: Error) => {
    throw new UsageError(`teacher.checkpoint: ${error.message}`);
  });
  const { sha256 = digestOf([JSON.stringify(facts.files)]) } = facts;
  return { path, sha256: String(sha256), facts };
}

async function factsOf(shards: readonly string[]) {
  const queue = new PQueue({ concurrency: 8 });
  const nameOf = await shardNames(shards);
  return queue.addAll(shards.map((path) => () => readShardFacts(path, nameOf(path))));
}
