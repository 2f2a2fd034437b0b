import { type ChildProcess, spawn } from 'node:child_process';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { workLayout } from '../../pipeline/curation/tasks/layout.ts';
import { isRunning } from './processes.ts';

const program = new URL('../../pipeline/cli/assay.js', import.meta.url).pathname;

/** How the program ended. */
export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  /** What the log says, line by line. */
  readonly said: readonly string[];
}

/** Starts the program, in a group of processes of its own. */
export function assay(...args: readonly string[]) {
  const child = spawn(process.execPath, [program, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  });
  let [stdout, stderr] = ['', ''];
  child.stdout.on('data', (bytes) => {
    stdout += bytes;
  });
  child.stderr.on('data', (bytes) => {
    stderr += bytes;
  });
  const ended = new Promise<Ended>((resolve) => {
    child.on('close', (code, signal) => {
      const lines = stderr.split('\n').filter((line) => line.startsWith('{'));
      resolve({ code, signal, stdout, said: lines.map((line) => String(JSON.parse(line).msg)) });
    });
  });
  return { child, ended };
}

/** Waits until something holds, or the program has ended. */
export async function until(child: ChildProcess, holds: () => Promise<boolean>): Promise<void> {
  while (child.exitCode === null && child.signalCode === null && !(await holds())) await delay(5);
}

/** Waits until processes have ended. */
export async function ended(pids: readonly number[]): Promise<void> {
  for (const pid of pids) while (await isRunning(pid)) await delay(20);
}

/** How many tasks of a run are done. */
export const recordsIn = async (run: string) => {
  const phases = await readdir(join(run, 'work', 'done')).catch(() => []);
  const names = await Promise.all(phases.map((phase) => readdir(join(run, 'work', 'done', phase))));
  return names.flat().length;
};
/** Whether a task of a run is being worked on. */
export const isAtWork = async (run: string) =>
  (await readdir(workLayout(run).temporary).catch(() => [])).length > 0;
