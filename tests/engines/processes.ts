import type { ChildProcess } from 'node:child_process';
import { readFile } from 'node:fs/promises';

/** The processes that a process has started itself. */
export async function childrenOf({ pid }: Pick<ChildProcess, 'pid'>): Promise<number[]> {
  const text = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8').catch(() => '');
  return text.split(' ').filter(Boolean).map(Number);
}

/** Whether a process goes on: one that has ended and isn't waited for yet doesn't. */
export async function isRunning(pid: number): Promise<boolean> {
  return !/^$|\) Z /.test(await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => ''));
}
