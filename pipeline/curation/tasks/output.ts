import { randomUUID } from 'node:crypto';
import { readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { isAlive } from '../../is-alive.ts';
import { makeFolder } from '../../run-folder.ts';
import { syncFolder, syncOne, writeDurably } from '../../to-disk.ts';
import type { Task } from '../plan/tasks.ts';
import { workLayout } from './layout.ts';

/** What a stage quarantined for a reason: rows, and whole shards or row groups of which no row is known. */
export interface Quarantined {
  readonly stage: string;
  readonly reason: string;
  readonly rows: number;
  readonly shards: number;
}

/** What a task came to: the text of its completion record. */
export interface TaskRecord {
  readonly phase: string;
  readonly id: string;
  readonly position: number;
  /** The hash of the plan that it was done for. */
  readonly plan: string;
  readonly seconds: number;
  /** When it was done (ISO 8601). */
  readonly at: string;
  /** What the task says of its work; its kind knows what. */
  readonly result: unknown;
  /** Rows that it read or wrote. */
  readonly rows: number;
  readonly quarantined: readonly Quarantined[];
}

/** The name, in a task's folder, of what becomes its completion record. */
const recordName = 'record.json';

/** Reads a task's completion record; null when it isn't done. Throws when it is there and can't be read. */
export async function readRecord(
  folder: string,
  task: Pick<Task, 'phase' | 'id'>,
): Promise<TaskRecord | null> {
  const text = await readFile(workLayout(folder).record(task), 'utf8').catch(nullIfMissing);
  return text === null ? null : (JSON.parse(text) as TaskRecord);
}

/** The ids of the tasks of a phase that are done. */
export async function doneIn(folder: string, phase: Task['phase']): Promise<Set<string>> {
  const names = (await readdir(workLayout(folder).records(phase)).catch(nullIfMissing)) ?? [];
  return new Set(names.filter((name) => name.endsWith('.json')).map((name) => name.slice(0, -5)));
}

function nullIfMissing(error: NodeJS.ErrnoException): null {
  if (error.code === 'ENOENT') return null;
  throw error;
}

/** How a task's output is made. */
export interface OutputSteps {
  /** Writes it to a folder. */
  write(temporary: string): Promise<TaskRecord>;
  /** What comes between the output and its completion record; may be done more than once. */
  publish(output: string): Promise<void>;
}

/**
 * Has a task's output written to a temporary folder of its own, and commits it: files to the disk, the folder to its
 * name by one rename, the completion record last. Where another process was first its output stands, and this one is
 * thrown away; a task that was cut short between the two only lacks its record, and is given it. Throws what `write`
 * throws, with nothing left.
 */
export async function commitOutput(
  folder: string,
  task: Pick<Task, 'phase' | 'id'>,
  { write, publish }: OutputSteps,
): Promise<TaskRecord> {
  const layout = workLayout(folder);
  const done = await readRecord(folder, task);
  if (done !== null) return done;
  const output = layout.output(task);
  if ((await stat(output).catch(nullIfMissing)) === null) {
    const temporary = join(layout.temporary, temporaryName());
    await makeFolder(temporary);
    try {
      const record = await write(temporary);
      await writeDurably(join(temporary, recordName), JSON.stringify(record));
      await syncFolder(temporary);
      await makeFolder(layout.outputs(task.phase));
      await rename(temporary, output).catch((error: NodeJS.ErrnoException) => {
        if (error.code !== 'ENOTEMPTY' && error.code !== 'EEXIST') throw error;
      });
      await syncOne(layout.outputs(task.phase));
    } finally {
      await rm(temporary, { recursive: true, force: true }).catch(() => {});
    }
  }
  const text = await readFile(join(output, recordName), 'utf8');
  await publish(output);
  await makeFolder(layout.records(task.phase));
  const partial = join(layout.temporary, temporaryName());
  await makeFolder(layout.temporary);
  await writeDurably(partial, text);
  await rename(partial, layout.record(task));
  await syncOne(layout.records(task.phase));
  return JSON.parse(text) as TaskRecord;
}

/** A name in the temporary folder that says whose it is: what a dead process left can be told from what is being written. */
export function temporaryName(): string {
  return `${hostname()}~${process.pid}~${randomUUID()}`;
}

/** Removes what processes of this machine that have ended left of their work. */
export async function removeAbandoned(folder: string): Promise<void> {
  const { temporary } = workLayout(folder);
  for (const name of (await readdir(temporary).catch(nullIfMissing)) ?? []) {
    const [host, pid] = name.split('~');
    if (host === hostname() && !isAlive(Number(pid))) {
      await rm(join(temporary, name), { recursive: true, force: true });
    }
  }
}
