import { createHash } from 'node:crypto';
import { readdir, rename, rm, rmdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { CurationReport } from '../../../schemas/reports.ts';
import { assertOwnFolders } from '../../own-folders.ts';
import { type FileFacts, fileFacts, makeFolder, writeJson } from '../../run-folder.ts';
import { linkOrCopy, syncOne } from '../../to-disk.ts';
import { version } from '../../version.ts';
import { ledgerName, replayLedgerFile } from '../admit/ledger-file.ts';
import type { TaskResult } from '../admit/run-task.ts';
import { curationReport } from '../curation-report.ts';
import { sumCounts, sumFigures } from '../funnel.ts';
import { openLedger } from '../ledger.ts';
import { leftOutOf } from '../left-out.ts';
import type { FrozenRun } from '../plan/plan-files.ts';
import { isReadTask, type PlannedTask, type WholeTask } from '../plan/tasks.ts';
import type { AdmitResult, EvaluationResult } from './admit.ts';
import type { TaskContext, TaskKind } from './context.ts';
import { type Decisions, keptName, readDecisions, readFinishTasks } from './decide.ts';
import { type FinishResult, lineageName, shardName, writingStage } from './finish.ts';
import { workLayout } from './layout.ts';
import { doneIn, readRecord, temporaryName } from './output.ts';

/** What all tasks of a run left. */
interface Findings {
  readonly admitted: readonly AdmitResult[];
  readonly evaluation: EvaluationResult | null;
  readonly decisions: Decisions;
  readonly finished: readonly FinishResult[];
}

/**
 * Takes up what all tasks left: rows that didn't go on, in the order of the tasks, the manifest and the report. They lie in
 * the task's folder until {@link publish} gives them, and the shards, their names.
 */
export const commitRun: TaskKind<WholeTask, { rows: number }> = async (context, _, folder) => {
  const { run } = context;
  const finish = await readFinishTasks(run);
  const reads = run.tasks('admit').filter(isReadTask);
  const [set] = run.tasks('admit').filter((task) => !isReadTask(task));
  const findings: Findings = {
    admitted: await resultsOf<AdmitResult>(run, reads),
    evaluation: set ? ((await resultsOf<EvaluationResult>(run, [set]))[0] ?? null) : null,
    decisions: (await readDecisions(run)).decisions,
    finished: await resultsOf<FinishResult>(run, finish),
  };
  const ledger = await openLedger(folder);
  try {
    for (const task of [...reads, ...finish]) {
      context.signal.throwIfAborted();
      await replayLedgerFile(join(workLayout(run.folder).output(task), ledgerName), ledger);
    }
    await ledger.close();
  } catch (error) {
    await ledger.abort().catch(() => {});
    throw error;
  }
  const report = reportOf(context, findings, ledger);
  await writeJson(join(folder, 'manifest.json'), await manifestOf(context, findings, report, folder));
  await writeJson(join(folder, 'report.json'), report);
  return { result: { rows: report.kept }, rows: report.kept };
};

async function resultsOf<Result>(run: FrozenRun, tasks: readonly PlannedTask[]): Promise<Result[]> {
  const results: Result[] = [];
  for (const task of tasks) {
    const record = await readRecord(run.folder, task);
    if (record === null) throw new Error(`the task ${task.phase} ${task.position} is not done`);
    results.push(record.result as Result);
  }
  return results;
}

function reportOf(
  { run, config }: TaskContext,
  { admitted, evaluation, decisions, finished }: Findings,
  ledger: Parameters<typeof curationReport>[0]['ledger'],
): CurationReport {
  const { balanced, counts, mix } = decisions;
  const sum = (of: (result: FinishResult) => number) => finished.reduce((total, one) => total + of(one), 0);
  return curationReport({
    config,
    ledger,
    figures: [
      ...sumFigures(admitted.map(({ figures }: TaskResult) => figures)),
      ...sumFigures(finished.map(({ figures }) => figures)),
    ],
    seen: sumCounts(admitted.map(({ seen }) => seen)),
    available: counts,
    balance: balanced,
    plan: mix,
    kept: sumCounts(finished.map(({ kept }) => kept)),
    regions: { rows: sum(({ regions }) => regions.rows), regions: sum(({ regions }) => regions.regions) },
    leftOut: leftOutOf(run.plan.config, evaluation?.set ?? null, balanced),
    seconds: (Date.now() - Date.parse(run.plan.at)) / 1000,
  });
}

async function manifestOf(
  context: TaskContext,
  { admitted, evaluation, decisions, finished }: Findings,
  report: CurationReport,
  folder: string,
) {
  const { config, files } = context.run.plan;
  const teacher = await context.teacher();
  const parts = async (part: string) => {
    const names = (await readdir(join(folder, part))).sort();
    return Promise.all(names.map((name) => fileFacts(join(folder, part, name), `${part}/${name}`)));
  };
  const shards = finished.flatMap(({ shard }) => (shard === null ? [] : [shard]));
  const inputs = admitted.flatMap(({ input }) => (input === null ? [] : [input]));
  return {
    kind: 'curation',
    version,
    config,
    configSha256: createHash('sha256').update(JSON.stringify(config)).digest('hex'),
    plan: context.run.plan.hash,
    input: inputs.sort((a, b) => (a.path < b.path ? -1 : 1)),
    evaluation: evaluation?.files ?? [],
    teacher:
      files.checkpoint && teacher
        ? {
            ...files.checkpoint.facts,
            dimension: teacher.dimension,
            imageSize: teacher.imageSize,
            scale: teacher.scale,
            bias: teacher.bias,
          }
        : null,
    // What the data itself showed to be generic words of captions, by language.
    genericWords: decisions.genericWords,
    rows: { read: report.read, kept: report.kept, dropped: report.dropped, quarantined: report.quarantined },
    output: [
      ...shards.map(named('shards')),
      ...(await parts('quarantine')),
      ...(await parts('dropped')),
      ...finished.flatMap(({ lineage }) => (lineage === null ? [] : [lineage])).map(named('lineage')),
    ],
  };
}

const named =
  (part: string) =>
  (facts: FileFacts, i: number): FileFacts => ({ ...facts, path: `${part}/${nameOf(i)}` });

const nameOf = (shard: number) => `${String(shard).padStart(5, '0')}.parquet`;

/**
 * Gives the shards, the ledger, the manifest and the report their names in the run's folder: each whole or not at all,
 * the report last. May be done again, by several at a time.
 */
export async function publish(run: FrozenRun, committed: string): Promise<void> {
  const { folder } = run;
  const layout = workLayout(folder);
  const written: Record<string, string[]> = { shards: [], lineage: [] };
  for (const task of await readFinishTasks(run)) {
    const output = layout.output(task);
    const record = await readRecord(folder, task);
    if (record === null) throw new Error(`the task ${task.phase} ${task.position} is not done`);
    if ((record.result as FinishResult).shard === null) continue;
    written.shards?.push(join(output, shardName));
    written.lineage?.push(join(output, lineageName));
  }
  const place = async (from: string, to: string) => {
    const partial = join(layout.temporary, temporaryName());
    await linkOrCopy(from, partial);
    await rename(partial, to);
  };
  for (const part of ['shards', 'lineage', 'quarantine', 'dropped']) {
    await assertOwnFolders(folder, [part]);
    await makeFolder(join(folder, part));
    const files = written[part];
    // A ledger is one file always: what another process clears away meanwhile is missed, and not taken for none.
    const names = files?.map((_, i) => nameOf(i)) ?? [nameOf(0)];
    for (const [i, name] of names.entries()) {
      await place(files?.[i] ?? join(committed, part, name), join(folder, part, name));
    }
    for (const name of await readdir(join(folder, part))) {
      if (!names.includes(name)) await rm(join(folder, part, name), { force: true });
    }
    // What they were made of is cleared away after this.
    await syncOne(join(folder, part));
  }
  for (const name of ['manifest.json', 'report.json']) await place(join(committed, name), join(folder, name));
  await syncOne(folder);
}

/** Files of the first pass, and of what was decided, that may be of use once the run is done. */
const facts = [
  keptName,
  'facts.parquet',
  'fingerprints.parquet',
  'texts.parquet',
  'terms.parquet',
  ledgerName,
  'record.json',
];

/**
 * Clears away what a run that is done has no more use for. What the tasks left is kept while there are rows to try
 * again, and the facts of the rows where the recipe says so.
 */
export async function tidy(run: FrozenRun): Promise<void> {
  const layout = workLayout(run.folder);
  if ((await doneIn(run.folder, 'commit')).size === 0) return;
  await rm(layout.temporary, { recursive: true, force: true });
  const outputs = join(layout.work, 'tasks');
  for (const phase of await readdir(outputs).catch(() => [])) {
    if (phase === 'admit' && (await isWorthRetrying(run))) continue;
    if ((phase === 'admit' || phase === 'decide') && run.plan.config.keepFacts) {
      for (const id of await readdir(join(outputs, phase))) {
        for (const name of await readdir(join(outputs, phase, id))) {
          if (!facts.includes(name))
            await rm(join(outputs, phase, id, name), { recursive: true, force: true });
        }
      }
    } else await rm(join(outputs, phase), { recursive: true, force: true });
  }
  await rmdir(outputs).catch(() => {});
}

/** The stages whose quarantine is of what couldn't be read, or ended the process that was at it: what is tried again. */
export const retriedStages = ['read-shards', writingStage] as const;

/** Tasks of the first pass that quarantined what couldn't be read, or what ended its process. */
export async function tasksToRetry(run: FrozenRun): Promise<PlannedTask[]> {
  const found: PlannedTask[] = [];
  for (const task of run.tasks('admit').filter(isReadTask)) {
    const record = await readRecord(run.folder, task);
    if (record?.quarantined.some(({ stage }) => stage === 'read-shards')) found.push(task);
  }
  return found;
}

/** Whether anything ended the process that was at it, in the second pass as well, or couldn't be read. */
export async function isWorthRetrying(run: FrozenRun): Promise<boolean> {
  if ((await tasksToRetry(run)).length > 0) return true;
  for (const id of await doneIn(run.folder, 'finish')) {
    const record = await readRecord(run.folder, { phase: 'finish', id });
    if (record?.quarantined.some(({ stage }) => stage === writingStage)) return true;
  }
  return false;
}
