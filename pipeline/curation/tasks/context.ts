import { join } from 'node:path';
import type { Teacher } from '../../../models/teacher.ts';
import type { DroppedRow, QuarantinedRow, StageContext } from '../../../schemas/stage.ts';
import { useStorage } from '../../../schemas/storage/open-storage.ts';
import type { Config } from '../../config.ts';
import { openExecutorOf, openTeacher } from '../../teacher.ts';
import { ledgerName, openLedgerFile } from '../admit/ledger-file.ts';
import { type Database, openDatabase } from '../duplicates/database.ts';
import { configOfTasks } from '../plan/freeze.ts';
import type { FrozenRun } from '../plan/plan-files.ts';
import type { PlannedTask } from '../plan/tasks.ts';
import { workLayout } from './layout.ts';
import type { Quarantined } from './output.ts';

/** The parts of a task that are left out, or the only one that is tried: row groups, or batches of the second pass. */
export interface Units {
  /** Those that ended the process that was at them, and how. */
  readonly skip?: readonly { readonly unit: number; readonly how: string }[];
  readonly only?: number;
}

/** What a task is run with. */
export interface TaskContext {
  readonly run: FrozenRun;
  /** The recipe as tasks go by it. */
  readonly config: Config;
  /** The recipe's teacher, opened once a process; null without one. */
  teacher(): Promise<Teacher | null>;
  /** A database for what a task asks and leaves nothing in, opened once a process: to open one costs more than to ask it. */
  database(): Promise<Database>;
  readonly signal: AbortSignal;
  /** Told how many rows were worked on so far. */
  readonly progress: (rows: number) => void;
  readonly units: Units;
}

/** What the tasks of one process share. */
export interface TaskModels {
  readonly config: Config;
  teacher(): Promise<Teacher | null>;
  database(): Promise<Database>;
  dispose(): Promise<void>;
}

/** Opens a run's models when the first task needs them, for all the tasks of a process. */
export function openTaskModels({ folder, plan }: FrozenRun, processes: number): TaskModels {
  const asked = configOfTasks(plan);
  useStorage(asked.storage);
  const concurrency = Math.max(1, Math.round(asked.images.concurrency / processes));
  const config = { ...asked, images: { ...asked.images, concurrency } };
  let opened: Promise<Teacher | null> | null = null;
  let asking: Promise<Database> | null = null;
  return {
    config,
    teacher() {
      opened ??= (async () => {
        if (!config.teacher) return null;
        const executor = await openExecutorOf(config, plan.configPath);
        return openTeacher(config.teacher.checkpoint, executor, config);
      })();
      return opened;
    },
    database() {
      asking ??= openDatabase(workLayout(folder).temporary);
      return asking;
    },
    async dispose() {
      (await asking?.catch(() => null))?.close();
      asking = null;
      await (await opened?.catch(() => null))?.dispose();
      opened = null;
    },
  };
}

/** Rows that don't go on, of one task: written to its folder, and counted. */
export interface TaskLedger extends Pick<StageContext, 'drop' | 'quarantine'> {
  flush(): Promise<void>;
  close(): Promise<void>;
  quarantined(): Quarantined[];
}

/** Opens the ledger of a task in its folder. */
export function openTaskLedger(folder: string): TaskLedger {
  const file = openLedgerFile(join(folder, ledgerName));
  const counts = new Map<string, { stage: string; reason: string; rows: number; shards: number }>();
  return {
    drop: (row: DroppedRow) => file.drop(row),
    quarantine(row: QuarantinedRow) {
      const { stage, reason } = row;
      const name = `${stage}\u0000${reason}`;
      const count = counts.get(name) ?? { stage, reason, rows: 0, shards: 0 };
      counts.set(name, count);
      if (row.row === null) count.shards += 1;
      else count.rows += 1;
      file.quarantine(row);
    },
    flush: () => file.flush(),
    close: () => file.close(),
    quarantined: () => [...counts.values()],
  };
}

/** What a kind of task leaves to say of its work. */
export interface TaskOutcome<Result> {
  readonly result: Result;
  readonly rows: number;
  readonly quarantined?: readonly Quarantined[];
}

/** How one kind of task is done: its output goes to the folder, which is its own. */
export type TaskKind<Task extends PlannedTask, Result> = (
  context: TaskContext,
  task: Task,
  folder: string,
) => Promise<TaskOutcome<Result>>;
