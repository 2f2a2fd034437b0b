import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { BalancePlan } from '../../../stages/balance/plan.ts';
import type { MixPlan } from '../../../stages/mix/plan.ts';
import { createCaptionSample } from '../../../stages/regions/caption-sample.ts';
import { reduceOptions } from '../duplicates/settings.ts';
import type { SavedVerdicts } from '../duplicates/verdict-tables.ts';
import type { FrozenRun } from '../plan/plan-files.ts';
import { readTasks, writeTasks } from '../plan/plan-files.ts';
import { digestOf, type FinishTask, isReadTask, type PlannedTask, type WholeTask } from '../plan/tasks.ts';
import { type IdRange, reduceFacts } from '../reduce.ts';
import type { TaskContext, TaskKind } from './context.ts';
import { withImages } from './images.ts';
import { workLayout } from './layout.ts';
import { readRecord, type TaskRecord } from './output.ts';
import { reduceFiles } from './reduce.ts';
import { admittedRows } from './rows.ts';

/** What was decided over the whole data set, beside the verdicts on rows. */
export interface Decisions {
  /** Rows by language that the mix can take. */
  readonly counts: Readonly<Record<string, number>>;
  readonly balanced: BalancePlan | null;
  readonly scoreThreshold: number | null;
  readonly mix: MixPlan | null;
  /** Generic words that the data show, by language. */
  readonly genericWords: Readonly<Record<string, readonly string[]>>;
  /** How many verdicts of each kind there are. */
  readonly verdicts: SavedVerdicts;
}

/** The name, in the folder of `decide`, of the table of the second pass's tasks. */
const tasksName = 'finish.parquet';

/** The name, in the folder of `decide`, of the ids of the rows that are kept, where the recipe keeps facts. */
export const keptName = 'kept.parquet';

/**
 * Decides what becomes of each row: groups of duplicates, boilerplate, thresholds, the mix, generic words. Leaves the
 * verdicts in the order of the rows, and the tasks of the second pass: they are planned here, and not before, since only
 * now it is known how many rows are kept, so that each is one shard of as many rows as the recipe asks for.
 */
export const decideRows: TaskKind<WholeTask, Decisions> = async (context, task, folder) => {
  const { run, config, signal } = context;
  const files = reduceFiles(run);
  const spill = join(folder, 'spill');
  await mkdir(spill);
  const { ranks, files: pairs } = files;
  const reduction = await reduceFacts(files.facts, spill, {
    ...reduceOptions(config, files, signal),
    found: { ranks, files: pairs },
  });
  try {
    const mix = config.mix.enabled ? await reduction.planMix(config.mix) : null;
    const verdicts = await reduction.save(folder);
    const ranges = await reduction.cut(config.output.shardRows, config.mix.mode === 'drop' ? mix : null);
    if (config.keepFacts) await reduction.saveKept(join(folder, keptName));
    await writeTasks(join(folder, tasksName), finishTasks(ranges, task));
    const { counts, balanced, scoreThreshold } = reduction;
    const genericWords = await genericWordsOf(context);
    return { result: { counts, balanced, scoreThreshold, mix, genericWords, verdicts }, rows: 0 };
  } finally {
    reduction.close();
    await rm(spill, { recursive: true, force: true });
  }
};

function finishTasks(ranges: readonly IdRange[], { id }: WholeTask): FinishTask[] {
  return ranges.map(({ from, to, rows }, position) => {
    const identity = `finish:${from}-${to}`;
    return { phase: 'finish', position, identity, id: digestOf([identity, id]), rows, from, to };
  });
}

const planned = new WeakMap<FrozenRun, { readonly at: string; readonly tasks: readonly PlannedTask[] }>();

/** The tasks of the second pass, as `decide` planned them, read once for each time that it did. Throws when it hasn't. */
export async function readFinishTasks(run: FrozenRun): Promise<readonly PlannedTask[]> {
  const missing = 'the second pass is planned by the phase decide, which is not done';
  const { record, folder } = await readDecided(run, missing);
  const { at } = record;
  const known = planned.get(run);
  // A retry decides again under the same plan, which processes that stay up have opened before.
  if (known?.at === at) return known.tasks;
  const tasks = await readTasks(join(folder, tasksName));
  planned.set(run, { at, tasks });
  return tasks;
}

/** What `decide` decided, and where its verdicts are. Throws when it isn't done. */
export async function readDecisions(run: FrozenRun): Promise<{ decisions: Decisions; folder: string }> {
  const { record, folder } = await readDecided(run, 'nothing is decided: the phase decide is not done');
  return { decisions: record.result as Decisions, folder };
}

/** The record of `decide`, and the folder of its output. Throws what is `missing` when it isn't done. */
async function readDecided(run: FrozenRun, missing: string): Promise<{ record: TaskRecord; folder: string }> {
  const [decide] = run.tasks('decide');
  const record = decide && (await readRecord(run.folder, decide));
  if (!decide || !record) throw new Error(missing);
  return { record, folder: workLayout(run.folder).output(decide) };
}

/** The generic words that a sample of the admitted rows shows; none without a teacher or a use for them. */
async function genericWordsOf(context: TaskContext): Promise<Record<string, readonly string[]>> {
  const { config, run, signal } = context;
  const { genericWords: looked } = config.regions;
  if (looked.sample === 0 || config.regions.detector === 'none') return {};
  const teacher = await context.teacher();
  if (teacher === null) return {};
  const { maxPixels } = config.images;
  const captions = createCaptionSample(teacher, looked, { seed: config.seed, maxPixels });
  let rows = 0;
  for (const task of run.tasks('admit').filter(isReadTask)) {
    for await (const batch of withImages(admittedRows(run, [task]), config)) {
      signal.throwIfAborted();
      await captions.add(batch);
      rows += batch.numRows;
      context.progress(rows);
    }
  }
  return Object.fromEntries(
    [...captions.genericWords()].sort().map(([language, words]) => [language, [...words].sort()]),
  );
}
