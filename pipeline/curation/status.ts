import { readdir } from 'node:fs/promises';
import { openRun } from './plan/plan-files.ts';
import { type Phase, phases } from './plan/tasks.ts';
import { tasksOf } from './tasks/execute.ts';
import { workLayout } from './tasks/layout.ts';
import { doneIn, type Quarantined, readRecord, type TaskRecord } from './tasks/output.ts';

/** How far one phase of a run is. */
export interface PhaseStatus {
  readonly phase: Phase;
  /** Its tasks; null while they aren't planned. */
  readonly tasks: number | null;
  readonly done: number;
  /** Rows of its tasks, as planned, and of those that are done. */
  readonly rows: number;
  readonly rowsDone: number;
  /** Rows a second, from the beginning of the first task that is done to the end of the last one; null before that. */
  readonly rowsPerSecond: number | null;
}

/** How far a run is, by the completion records in its folder. */
export interface RunStatus {
  readonly folder: string;
  readonly plan: string;
  readonly state: 'unfinished' | 'done';
  readonly phases: readonly PhaseStatus[];
  /** Tasks that processes have in hand. */
  readonly inHand: number;
  readonly quarantined: readonly Quarantined[];
  /** Seconds that the phase at work will take at its pace; null where it can't be told. */
  readonly etaSeconds: number | null;
}

/** Reads how far a run is: while it runs, and afterwards. Throws a UsageError when the folder holds no plan. */
export async function statusOf(folder: string): Promise<RunStatus> {
  const run = await openRun(folder);
  const states: PhaseStatus[] = [];
  const quarantined = new Map<string, Quarantined>();
  const isDone = (await doneIn(folder, 'commit')).size > 0;
  for (const phase of phases) {
    const records: TaskRecord[] = [];
    for (const id of await doneIn(folder, phase)) {
      const record = await readRecord(folder, { phase, id });
      if (record !== null) records.push(record);
    }
    for (const one of records.flatMap((record) => record.quarantined)) {
      const name = `${one.stage}\u0000${one.reason}`;
      const sum = quarantined.get(name) ?? { ...one, rows: 0, shards: 0 };
      quarantined.set(name, { ...sum, rows: sum.rows + one.rows, shards: sum.shards + one.shards });
    }
    // The table of the second pass's tasks is cleared away with what they left.
    const tasks = await tasksOf(run, phase).catch(() => null);
    const ids = new Set(records.map(({ id }) => id));
    const rowsOf = (wanted: (id: string) => boolean) =>
      (tasks ?? []).reduce((sum, task) => sum + (wanted(task.id) ? task.rows : 0), 0);
    const worked = records.reduce((sum, { rows }) => sum + rows, 0);
    states.push({
      phase,
      tasks: tasks?.length ?? (isDone ? records.length : null),
      done: records.length,
      rows: tasks === null ? worked : rowsOf(() => true),
      rowsDone: tasks === null ? worked : rowsOf((id) => ids.has(id)),
      rowsPerSecond: rateOf(records),
    });
  }
  const current = isDone ? undefined : states.find(({ tasks, done }) => tasks === null || done < tasks);
  const left = current && current.rowsPerSecond !== null ? current.rows - current.rowsDone : null;
  return {
    folder,
    plan: run.plan.hash,
    state: isDone ? 'done' : 'unfinished',
    phases: states,
    inHand: (await readdir(workLayout(folder).temporary).catch(() => [])).length,
    quarantined: [...quarantined.values()],
    etaSeconds: left === null ? null : Math.round(left / (current?.rowsPerSecond ?? 1)),
  };
}

function rateOf(records: readonly TaskRecord[]): number | null {
  const rows = records.reduce((sum, record) => sum + record.rows, 0);
  if (rows === 0) return null;
  let [first, last] = [Number.POSITIVE_INFINITY, 0];
  for (const { at, seconds } of records) {
    const end = Date.parse(at);
    first = Math.min(first, end - seconds * 1000);
    last = Math.max(last, end);
  }
  return last > first ? Math.round((10_000 * rows) / (last - first)) / 10 : null;
}

/** A run's status, as lines for a terminal. */
export function statusLines(status: RunStatus): string[] {
  const { phases: all, quarantined } = status;
  return [
    `${status.folder}: ${status.state}, plan ${status.plan.slice(0, 12)}`,
    ...all.map(({ phase, tasks, done, rows, rowsDone, rowsPerSecond }) => {
      const rate = rowsPerSecond === null ? '' : `, ${rowsPerSecond} rows/s`;
      const of = tasks === null ? 'not planned yet' : `${done} of ${tasks} tasks`;
      const worked = phase === 'admit' || phase === 'finish' ? `, ${rowsDone} of ${rows} rows${rate}` : '';
      return `  ${phase.padEnd(7)} ${of}${worked}`;
    }),
    ...(status.inHand > 0 ? [`  in hand: ${status.inHand}`] : []),
    ...quarantined.map(
      ({ stage, reason, rows, shards }) =>
        `  quarantined: ${stage}, ${reason}: ${rows} rows${shards > 0 ? `, ${shards} whole shards or row groups` : ''}`,
    ),
    ...(status.etaSeconds === null ? [] : [`  this phase will take ${status.etaSeconds} s more at its pace`]),
  ];
}
