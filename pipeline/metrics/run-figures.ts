import { stat } from 'node:fs/promises';
import { type FrozenRun, openRun } from '../curation/plan/plan-files.ts';
import { isReadTask, type Phase, phases } from '../curation/plan/tasks.ts';
import { tasksOf } from '../curation/tasks/execute.ts';
import { workLayout } from '../curation/tasks/layout.ts';
import { doneIn, readRecord, type TaskRecord } from '../curation/tasks/output.ts';
import type { RunFigures } from './registry.ts';

/** Runs that are watched: their figures are read from their folders each time, records that were read before aside. */
export interface RunWatch {
  /** Watches a run's folder from here on. */
  add(folder: string): void;
  figures(): Promise<RunFigures[]>;
}

/** Seconds over which a rate is taken. */
const rateSeconds = 300;
/** Runs watched at the most: the ones that came last. */
const mostRuns = 20;

interface Watched {
  /** When the plan that was read was written. */
  planned: number;
  run: FrozenRun | null;
  readonly records: Map<string, TaskRecord>;
}

/** Makes a watch over no run yet. */
export function createRunWatch(): RunWatch {
  const watched = new Map<string, Watched>();
  return {
    add(folder) {
      if (watched.has(folder)) return;
      watched.set(folder, { planned: 0, run: null, records: new Map() });
      for (const [oldest] of watched) if (watched.size > mostRuns) watched.delete(oldest);
    },
    async figures() {
      const all: RunFigures[] = [];
      for (const [folder, one] of watched) {
        // A folder that is gone, or between two plans, has nothing to say.
        const figures = await figuresOf(folder, one).catch(() => null);
        if (figures !== null) all.push(figures);
      }
      return all;
    },
  };
}

async function figuresOf(folder: string, watched: Watched): Promise<RunFigures> {
  const { mtimeMs } = await stat(workLayout(folder).plan);
  if (watched.run === null || watched.planned !== mtimeMs) {
    watched.run = await openRun(folder);
    watched.planned = mtimeMs;
    watched.records.clear();
  }
  const { run, records } = watched;
  const isCommitted = (await doneIn(folder, 'commit')).size > 0;
  const tasks: { phase: Phase; state: string; tasks: number }[] = [];
  const left: { phase: Phase; rows: number }[] = [];
  for (const phase of phases) {
    const done = await doneIn(folder, phase);
    const planned = await tasksOf(run, phase).catch(() => []);
    const own = planned.filter(({ id }) => done.has(id));
    for (const task of own) {
      if (records.has(task.id)) continue;
      const record = await readRecord(folder, task);
      if (record !== null) records.set(task.id, record);
    }
    const waits = planned.filter(({ id }) => !done.has(id));
    tasks.push({ phase, state: 'done', tasks: isCommitted ? Math.max(own.length, done.size) : own.length });
    tasks.push({ phase, state: 'left', tasks: isCommitted ? 0 : waits.length });
    if (waits.length > 0 && !isCommitted) {
      left.push({ phase, rows: waits.reduce((sum, { rows }) => sum + rows, 0) });
    }
  }
  const reads = run.tasks('admit').filter(isReadTask);
  const rate = rateOf([...records.values()], left[0]?.phase ?? 'admit', Date.now());
  const [current] = left;
  return {
    run: folder,
    tasks,
    rows: {
      read: reads.reduce((sum, { id }) => sum + (records.get(id)?.rows ?? 0), 0),
      planned: reads.reduce((sum, { rows }) => sum + rows, 0),
    },
    rowsPerSecond: rate,
    etaSeconds: isCommitted ? 0 : rate > 0 && current ? current.rows / rate : null,
    quarantined: quarantinedIn(records.values()),
  };
}

/** Rows a second of a phase over the last minutes, or since its first task began. */
export function rateOf(
  records: readonly Pick<TaskRecord, 'phase' | 'at' | 'seconds' | 'rows'>[],
  phase: string,
  now: number,
): number {
  const since = now - 1000 * rateSeconds;
  const recent = records.filter((record) => record.phase === phase && Date.parse(record.at) >= since);
  const starts = recent.map(({ at, seconds }) => Date.parse(at) - 1000 * seconds);
  const seconds = (now - Math.max(since, Math.min(now, ...starts))) / 1000;
  const rows = recent.reduce((sum, record) => sum + record.rows, 0);
  return seconds > 0 ? rows / seconds : 0;
}

/** Quarantined rows of all records, by stage and reason. */
export function quarantinedIn(records: Iterable<Pick<TaskRecord, 'quarantined'>>): RunFigures['quarantined'] {
  const sums = new Map<string, { stage: string; reason: string; rows: number }>();
  for (const { quarantined } of records) {
    for (const { stage, reason, rows } of quarantined) {
      const name = `${stage}\u0000${reason}`;
      const before = sums.get(name)?.rows ?? 0;
      sums.set(name, { stage, reason, rows: before + rows });
    }
  }
  return [...sums.values()];
}
