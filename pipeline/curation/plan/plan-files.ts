import { createHash } from 'node:crypto';
import { readFile, rename, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { Float64, Int32, Utf8 } from 'apache-arrow';
import { z } from 'zod';
import { batchOf } from '../../../schemas/batches.ts';
import { openShard } from '../../../schemas/parquet-reader.ts';
import { openParquetWriter } from '../../../schemas/parquet-writer.ts';
import { type Config, configSchema } from '../../config.ts';
import { UsageError } from '../../errors.ts';
import { assertOwnFolders } from '../../own-folders.ts';
import { writeDurably } from '../../to-disk.ts';
import { workLayout } from '../tasks/layout.ts';
import { digestOf, endOfPart, isReadTask, type Phase, type PlannedTask, phases } from './tasks.ts';

/** A run as it was frozen: what is done, and what it hangs on. */
export interface Plan {
  /** sha256 over the recipe, the models and the tasks' identities. */
  readonly hash: string;
  readonly version: string;
  /** The recipe as it was given. */
  readonly config: Config;
  readonly configPath: string;
  /** Files that the recipe names, wherever a task runs. */
  readonly files: PlanFiles;
  /** What earlier runs over a part of the data set left, where it grows by runs. */
  readonly earlier?: EarlierRuns | undefined;
  /** When it was frozen (ISO 8601). */
  readonly at: string;
  readonly tasks: readonly PlannedTask[];
}

/** A teacher's file or folder, with a digest of all of it, and what a manifest says of it. */
export interface TeacherFiles {
  readonly path: string;
  readonly sha256: string;
  readonly facts: Readonly<Record<string, unknown>>;
}

/** Earlier runs over a part of a data set, whose rows count where the whole decides. */
export interface EarlierRuns {
  /** The folder of what they left of their rows, a folder each. */
  readonly facts: string;
  /** Rows that they read. */
  readonly rows: number;
  /** The hashes of their plans, in their order. */
  readonly plans: readonly string[];
}

/** Absolute paths of the files that a recipe names, and what they hold. */
export interface PlanFiles {
  readonly checkpoint: TeacherFiles | null;
  /** The owl detector's model, and the file of categories. */
  readonly model: string | null;
  readonly categories: string | null;
  readonly evaluation: readonly string[];
}

/** What a run's output doesn't hang on: where its input is and how it is reached, and how many work on it. */
export function outcomeOf({ workers: _, memory: __, keepFacts: _____, storage: ______, ...config }: Config) {
  const { input, images } = config;
  const { shards: ___, ...form } = input ?? { shards: [] };
  const { concurrency: ____, ...asked } = images;
  return { ...config, input: form, images: asked };
}

/** What the first pass hangs on: the same tasks of two recipes that agree in it leave the same. */
export function recipeOfReading(config: Config, files: PlanFiles): string {
  const { images, texts, language, input, boilerplate, balance, deduplicate, decontaminate, scores } =
    outcomeOf(config);
  const scored = scores
    ? [config.teacher, config.regions, config.compute, config.threads, files.checkpoint?.sha256]
    : [];
  const needs = [boilerplate.enabled, balance.enabled, deduplicate.near, decontaminate !== undefined];
  return JSON.stringify([config.seed, input, images, texts, language, needs, scored]);
}

/** A digest of all that a recipe asks, and of the models that it names. */
export function outcomeDigest(config: Config, files: PlanFiles): string {
  return digestOf([JSON.stringify(outcomeOf(config)), files.checkpoint?.sha256 ?? '']);
}

/** The hash of a plan: hangs on neither the order of the paths nor the number of workers. */
export function planHash(plan: Pick<Plan, 'config' | 'files' | 'tasks' | 'version' | 'earlier'>): string {
  const hash = createHash('sha256');
  hash.update(`${plan.version} ${outcomeDigest(plan.config, plan.files)}`);
  if (plan.earlier) hash.update(JSON.stringify(plan.earlier.plans));
  for (const { phase, position, identity, id, rows } of plan.tasks) {
    hash.update(`\n${JSON.stringify([phase, position, identity, id, rows])}`);
  }
  return hash.digest('hex');
}

const columns = {
  phase: new Utf8(),
  position: new Int32(),
  identity: new Utf8(),
  id: new Utf8(),
  rows: new Float64(),
  path: new Utf8(),
  name: new Utf8(),
  /** Row groups, where a task reads some of a shard's. */
  from: new Int32(),
  to: new Int32(),
  /** What else a task is told (JSON). */
  detail: new Utf8(),
} as const;

function rowOf(task: PlannedTask): Record<keyof typeof columns, unknown> {
  const { phase, position, identity, id, rows, ...more } = task;
  const { path = null, name = null, rowGroups, ...detail } = more as Record<string, unknown>;
  const { from = null, to = null } = (rowGroups ?? {}) as { from?: number; to?: number };
  return { phase, position, identity, id, rows, path, name, from, to, detail: JSON.stringify(detail) };
}

const taskSchema = z.object({
  phase: z.enum(phases),
  position: z.int().min(0),
  identity: z.string(),
  id: z.string().regex(/^[0-9a-f]{32}$/),
  rows: z.number().min(0),
  path: z.string().nullish(),
  name: z.string().nullish(),
  from: z.int().nullish(),
  to: z.int().nullish(),
  detail: z.string(),
});

const place = z.int().min(0);

/** What else a task may be told: nothing of it names a file, or is what the plan's hash holds. */
const detailSchema = z.strictObject({
  evaluation: z.literal(true).optional(),
  share: place.optional(),
  of: z.int().positive().optional(),
  band: place.optional(),
  from: place.optional(),
  to: place.optional(),
  only: z.array(z.tuple([place, place.nullable()])).optional(),
});

function taskOf(row: Record<string, unknown>): PlannedTask {
  const { path, name, from, to, detail, ...task } = taskSchema.parse(row);
  const told = detailSchema.parse(JSON.parse(detail));
  const isWhole = typeof from !== 'number' || typeof to !== 'number';
  const planned = {
    ...task,
    ...(typeof path === 'string' ? { path, name } : {}),
    ...(isWhole ? {} : { rowGroups: { from, to } }),
    ...told,
  } as PlannedTask;
  if (!planned.identity.endsWith(endOfIdentity(planned))) {
    throw new Error(`its task ${task.phase} ${task.position} isn't what its identity says`);
  }
  return planned;
}

/** What a task's identity ends with, by what it is told: a plan's hash holds the identity alone. */
function endOfIdentity(task: PlannedTask): string {
  if (isReadTask(task)) return endOfPart(task);
  if (task.phase === 'finish' && 'from' in task) return `finish:${task.from}-${task.to}`;
  return 'share' in task ? `${task.phase}:${task.band ?? 'all'}:${task.share}/${task.of}` : '';
}

/** Tasks of a row group of the plan's table. */
const tasksAtOnce = 4096;

/** Writes tasks as a table (parquet): phase, position, identity, id, rows, path, name, from, to, detail. */
export async function writeTasks(path: string, tasks: readonly PlannedTask[]): Promise<void> {
  const writer = await openParquetWriter(path);
  for (let start = 0; start === 0 || start < tasks.length; start += tasksAtOnce) {
    const rows = tasks.slice(start, start + tasksAtOnce).map(rowOf);
    await writer.write(
      batchOf(
        Object.fromEntries(
          Object.entries(columns).map(([name, type]) => [
            name,
            { type, values: rows.map((row) => row[name as keyof typeof columns]) },
          ]),
        ),
      ),
    );
  }
  await writer.close();
}

/** Reads a table of tasks. Throws when it isn't one. */
export async function readTasks(path: string): Promise<PlannedTask[]> {
  const shard = await openShard(path);
  const tasks: PlannedTask[] = [];
  for (const { index, rows } of shard.rowGroups) {
    const values = await shard.readRowGroup(index, Object.keys(columns));
    for (let i = 0; i < rows; i += 1) {
      const row = Object.fromEntries(Object.keys(columns).map((name) => [name, values[name]?.[i] ?? null]));
      tasks.push(taskOf(row));
    }
  }
  return tasks;
}

/**
 * Writes a plan into a run's folder, where there may be one: the table of its tasks lies beside that one's until the plan
 * itself has its name, so that there is a whole plan at any moment.
 */
export async function writePlan(folder: string, { tasks, ...plan }: Plan): Promise<void> {
  const layout = workLayout(folder);
  await writeTasks(layout.nextTasks, tasks);
  await writeDurably(`${layout.plan}.partial`, `${JSON.stringify(plan, null, 2)}\n`);
  await rename(`${layout.plan}.partial`, layout.plan);
  await rename(layout.nextTasks, layout.tasks);
}

/** The tasks of a plan: those that wait for their name where the process that wrote it was killed before that. */
async function tasksOfPlan(folder: string, plan: Omit<Plan, 'tasks'>): Promise<PlannedTask[]> {
  const layout = workLayout(folder);
  const next = await readTasks(layout.nextTasks).catch(() => null);
  if (next === null || planHash({ ...plan, tasks: next }) !== plan.hash) return readTasks(layout.tasks);
  // Another process may be just as far.
  await rename(layout.nextTasks, layout.tasks).catch(() => {});
  return next;
}

/** A run's folder and its verified plan. */
export interface FrozenRun {
  readonly folder: string;
  readonly plan: Plan;
  readonly tasks: (phase: Phase) => readonly PlannedTask[];
}

/** Whether a folder holds a plan. */
export async function planExists(folder: string): Promise<boolean> {
  return (await stat(workLayout(folder).plan).catch(() => null)) !== null;
}

/** What is wrong with a file, in one line: of one that has another shape the first key that does. */
function whyNot(error: Error): string {
  const [issue] = error instanceof z.ZodError ? error.issues : [];
  return issue ? `${issue.path.join('.')}: ${issue.message}` : (error.message.split('\n')[0] ?? '');
}

/** Folders of a run that tasks write to, and that are cleared of what an earlier one left. */
const ownFolders = [
  ...['shards', 'lineage', 'quarantine', 'dropped'],
  ...['.', 'temporary', 'tasks', 'done'].map((part) => join('work', part)),
  ...phases.flatMap((phase) => ['tasks', 'done'].map((part) => join('work', part, phase))),
];

/**
 * Reads the plan of a run's folder. Throws a {@link UsageError} when there is none, it isn't what it says it is, or a part of
 * the folder is a link to another place.
 */
export async function openRun(folder: string): Promise<FrozenRun> {
  const layout = workLayout(folder);
  await assertOwnFolders(folder, ownFolders);
  const text = await readFile(layout.plan, 'utf8').catch(() => {
    throw new UsageError(`${folder}: holds no plan (work/plan.json): assay plan --out ${folder} makes one`);
  });
  let plan: Plan;
  try {
    const raw = JSON.parse(text) as Plan;
    const frozen = { ...raw, config: configSchema.parse(raw.config) };
    plan = { ...frozen, tasks: await tasksOfPlan(folder, frozen) };
  } catch (error) {
    throw new UsageError(`${folder}: its plan can't be read: ${whyNot(error as Error)}`);
  }
  if (planHash(plan) !== plan.hash) {
    throw new UsageError(
      `${folder}: its plan isn't the one that was frozen (its hash is another, or this is another version of assay than ${plan.version}): plan it again`,
    );
  }
  const byPhase = new Map<Phase, PlannedTask[]>(phases.map((phase) => [phase, []]));
  for (const task of plan.tasks) byPhase.get(task.phase)?.push(task);
  return { folder, plan, tasks: (phase) => byPhase.get(phase) ?? [] };
}
