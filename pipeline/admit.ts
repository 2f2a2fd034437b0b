import { join } from 'node:path';
import type { RecordBatch } from 'apache-arrow';
import PQueue from 'p-queue';
import type { Teacher } from '../models/teacher.ts';
import type { StageContext } from '../schemas/stage.ts';
import { shardNames } from '../stages/read-shards/keys.ts';
import { ledgerName, replayLedgerFile } from './admit/ledger-file.ts';
import { type AdmitTask, planTasks, readShardFacts } from './admit/plan.ts';
import { createTaskRunner, type TaskResult, taskFiles } from './admit/run-task.ts';
import { startWorkers } from './admit/workers.ts';
import type { Config } from './config.ts';
import type { StageFigures } from './funnel.ts';
import type { Ledger } from './ledger.ts';
import type { Progress } from './progress.ts';
import { readSpool } from './spool.ts';

/** What the first pass needs of a run. */
export interface AdmitRun {
  readonly config: Config;
  readonly folder: string;
  readonly ledger: Ledger;
  readonly context: StageContext;
  readonly progress: Progress;
  /** What scores rows where the recipe filters by score; processes of their own open theirs. */
  readonly teacher: Teacher | null;
}

/** What the first pass let through. */
export interface Admitted {
  readonly rows: number;
  readonly figures: readonly StageFigures[];
  /** Rows by identified language. */
  readonly seen: Readonly<Record<string, number>>;
  /** The admitted rows, in the order of the tasks. */
  batches(): AsyncGenerator<RecordBatch>;
}

/**
 * The first pass: admits rows (images, texts, language) to the run's working folder, with the few facts of each that
 * decisions over the whole data set need. The shards are cut into tasks, which run here one after the other, or in
 * `workers` processes; what they leave is taken up in the order of the plan, so that it is the same either way.
 */
export async function admit(run: AdmitRun, shards: readonly string[]): Promise<Admitted> {
  const tasks = planTasks(await factsOf(shards));
  const workers = Math.min(run.config.workers, tasks.length);
  const total = tasks.reduce((sum, { rows }) => sum + rows, 0);
  const bar = run.progress.start('reading and cleaning', total, 'rows');
  let done = 0;
  const watch = () => {
    let before = 0;
    return (read: number) => {
      done += read - before;
      before = read;
      bar.update(done);
    };
  };
  const results = workers > 1 ? await runApart(run, tasks, workers, watch) : await runHere(run, tasks, watch);
  bar.end();
  return {
    rows: results.reduce((sum, { rows }) => sum + rows, 0),
    figures: sumFigures(results.map(({ figures }) => figures)),
    seen: sumCounts(results.map(({ seen }) => seen)),
    async *batches() {
      for (const [i, { rows }] of results.entries()) {
        if (rows > 0) yield* readSpool(taskFiles(folderOf(run.folder, i)).rows);
      }
    },
  };
}

/** Makes what one task says how many rows it has read to. */
type Watch = () => (read: number) => void;

function folderOf(folder: string, position: number): string {
  return join(folder, 'work', 'admitted', String(position).padStart(7, '0'));
}

async function factsOf(shards: readonly string[]) {
  const queue = new PQueue({ concurrency: 8 });
  const nameOf = await shardNames(shards);
  return queue.addAll(shards.map((path) => () => readShardFacts(path, nameOf(path))));
}

async function runHere(run: AdmitRun, tasks: readonly AdmitTask[], watch: Watch): Promise<TaskResult[]> {
  const runTask = createTaskRunner(run.config, async () => run.teacher);
  const results: TaskResult[] = [];
  for (const task of tasks) {
    const read = watch();
    const result = await runTask(task, folderOf(run.folder, task.position), {
      context: run.context,
      async afterBatch(rows) {
        await run.ledger.flush();
        read(rows);
      },
    });
    results.push(result);
  }
  return results;
}

/** Runs the tasks in processes, at most one a process at a time, and takes up what they leave out in their order. */
async function runApart(
  run: AdmitRun,
  tasks: readonly AdmitTask[],
  count: number,
  watch: Watch,
): Promise<TaskResult[]> {
  const { signal } = run.context;
  signal.throwIfAborted();
  const workers = startWorkers(run.config, count);
  const stopped = new Promise<never>((_, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason), { once: true });
  });
  stopped.catch(() => {});
  const queue = new PQueue({ concurrency: count });
  try {
    const running = tasks.map((task) =>
      queue.add(() => workers.run(task, folderOf(run.folder, task.position), watch())),
    );
    for (const task of running) task.catch(() => queue.clear());
    const results: TaskResult[] = [];
    for (const [i, task] of running.entries()) {
      results.push(await Promise.race([task, stopped]));
      await replayLedgerFile(join(folderOf(run.folder, i), ledgerName), run.ledger);
    }
    return results;
  } finally {
    queue.clear();
    workers.stop();
  }
}

function sumFigures(all: readonly (readonly StageFigures[])[]): StageFigures[] {
  return (all[0] ?? []).map(({ stage }, i) => {
    const sum = (of: 'in' | 'out' | 'seconds') =>
      all.reduce((total, figures) => total + (figures[i]?.[of] ?? 0), 0);
    return { stage, in: sum('in'), out: sum('out'), seconds: Math.round(sum('seconds') * 1000) / 1000 };
  });
}

function sumCounts(all: readonly Readonly<Record<string, number>>[]): Record<string, number> {
  const sums: Record<string, number> = {};
  for (const counts of all) {
    for (const [name, count] of Object.entries(counts)) sums[name] = (sums[name] ?? 0) + count;
  }
  return sums;
}
