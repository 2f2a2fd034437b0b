import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { heapOptions } from '../pipeline/engines/processes.ts';

/**
 * Has a request answered by a module in a process of its own, so that memory and warm-up are its own: started as the
 * processes are that a run's work is done in, and ended once it has answered. Throws where it ends before.
 */
export async function inChild<Request extends object, Answer>(
  module: URL,
  request: Request,
): Promise<Answer> {
  const child = fork(fileURLToPath(module), { execArgv: [...process.execArgv, ...heapOptions] });
  try {
    const ended = once(child, 'exit').then(([code]) => {
      throw new Error(`the bench's process ended with code ${code}`);
    });
    ended.catch(() => {});
    child.send(request);
    const [answer] = await Promise.race([once(child, 'message'), ended]);
    return answer as Answer;
  } finally {
    child.kill();
  }
}
