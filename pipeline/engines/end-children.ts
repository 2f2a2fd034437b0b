import type { ChildProcess } from 'node:child_process';
import { subscribe } from 'node:diagnostics_channel';

/**
 * Has every process that this one starts from here on end with it, whoever starts it: one that is in the middle of native
 * work, or was suspended, doesn't notice that this one has gone.
 */
export function endChildrenWithThis(): void {
  const alive = new Set<ChildProcess>();
  subscribe('child_process', (message) => {
    const { process: child } = message as { readonly process: ChildProcess };
    alive.add(child);
    child.once('exit', () => alive.delete(child));
  });
  process.once('exit', () => {
    for (const child of alive) child.kill('SIGKILL');
  });
}
