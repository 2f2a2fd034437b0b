import { mkdir, rm } from 'node:fs/promises';
import { resolve } from 'node:path';
import type { CurationReport } from '../../schemas/reports.ts';
import type { Config } from '../config.ts';
import { finishRun, type RunContext } from '../curate.ts';
import { type PartOfData, planRun } from '../curation/plan/freeze.ts';
import { type FrozenRun, openRun, planExists, writePlan } from '../curation/plan/plan-files.ts';
import { workLayout } from '../curation/tasks/layout.ts';
import { writeJson } from '../run-folder.ts';
import { appendFiles } from './append.ts';
import { type DataSet, dataSetLayout, lockDataSet, openDataSet } from './data-set.ts';
import { keepFacts, seenIdentities } from './keep-facts.ts';
import { listsOf, readUnread } from './unread.ts';
import { chooseUnread } from './unread-rows.ts';

/** What became of one tick of a schedule. */
export type Tick =
  | { readonly kind: 'skipped'; readonly why: string }
  | {
      readonly kind: 'added';
      readonly number: number;
      /** Whether it had been cut short, and was finished. */
      readonly wasBegun: boolean;
      /** Of the rows that are new. */
      readonly added: CurationReport;
      /** Of the whole data set. */
      readonly report: CurationReport;
    };

/** What a tick needs beside its recipe. */
export interface IncrementContext extends RunContext {
  /** Told of the folder of the run that is being made. */
  readonly onRun?: (folder: string) => void;
}

/**
 * Adds to a data set what is new of a recipe's shards: row groups that no increment has read, by content. One that was
 * cut short is finished first, whatever came since. Nothing that is written is touched; what an earlier one couldn't read
 * of a shard that is another file now leaves the quarantine. Skipped, with the reason, where
 * another one is on or nothing is new. Throws as a run does; then the next tick goes on with it.
 */
export function runIncrement(config: Config, out: string, context: IncrementContext): Promise<Tick> {
  return increment(config, out, context, 'new');
}

/**
 * Adds to a data set what its increments couldn't read, once that is put right, and nothing else: the row groups, and of
 * those that were read in part the rows, that are in its quarantine, which they leave. What is written stays; what is added
 * is held against all that was read, as every increment is. One that was cut short is finished first. Skipped where there
 * is nothing to try again. Throws as {@link runIncrement} does.
 */
export async function retryIncrements(config: Config, out: string, context: IncrementContext): Promise<Tick> {
  const first = await increment(config, out, context, 'unread');
  if (first.kind === 'skipped' || first.wasBegun === false) return first;
  const second = await increment(config, out, context, 'unread');
  return second.kind === 'added' ? second : first;
}

async function increment(
  config: Config,
  out: string,
  context: IncrementContext,
  what: 'new' | 'unread',
): Promise<Tick> {
  const folder = resolve(out);
  const lock = await lockDataSet(folder);
  if (lock === null) return { kind: 'skipped', why: 'the run before is still on' };
  try {
    const data = await openDataSet(folder, config);
    const number = data.increments.length + 1;
    const wasBegun = await planExists(dataSetLayout(folder).run(number));
    const run = await openIncrement({ ...config, keepFacts: true }, folder, data, number, {
      ...context,
      what,
    });
    if (run === null) {
      return { kind: 'skipped', why: what === 'new' ? 'nothing is new' : 'there is nothing to try again' };
    }
    context.onRun?.(run.folder);
    await finishRun(run, context);
    await keepFacts(folder, number, run);
    const { report, added, shards } = await appendFiles(folder, data, { ...run, number });
    const { read, kept, dropped, quarantined } = added;
    const increment = { number, plan: run.plan.hash, at: new Date().toISOString() };
    await writeJson(dataSetLayout(folder).list, {
      ...data,
      increments: [...data.increments, { ...increment, read, kept, dropped, quarantined, shards }],
    } satisfies DataSet);
    await rm(run.folder, { recursive: true, force: true });
    return { kind: 'added', number, added, report, wasBegun };
  } finally {
    await lock.release();
  }
}

/** The run of an increment: the one that was cut short, or a new one over what is new; null where nothing is. */
async function openIncrement(
  config: Config,
  folder: string,
  { increments }: DataSet,
  number: number,
  { configPath, what }: Pick<RunContext, 'configPath'> & { readonly what: 'new' | 'unread' },
): Promise<FrozenRun | null> {
  const layout = dataSetLayout(folder);
  const at = layout.run(number);
  if (await planExists(at)) return openRun(at);
  const earlier = {
    facts: layout.facts,
    rows: increments.reduce((sum, { read }) => sum + read, 0),
    plans: increments.map(({ plan: hash }) => hash),
  };
  const seen = await seenIdentities(folder);
  const unread = what === 'unread' ? await readUnread(folder) : null;
  if (unread?.size === 0) return null;
  const choose: PartOfData['choose'] = (tasks, rowsOf) =>
    unread
      ? chooseUnread(tasks, unread, { seen, lists: listsOf(config), rowsOf })
      : tasks.filter(({ identity }) => !seen.has(identity));
  const part = { choose, earlier: increments.length > 0 ? earlier : undefined };
  const plan = await planRun(config, configPath, { part });
  if (!plan.tasks.some((task) => 'path' in task)) return null;
  await rm(at, { recursive: true, force: true });
  await mkdir(workLayout(at).work, { recursive: true });
  await writePlan(at, plan);
  return openRun(at);
}
