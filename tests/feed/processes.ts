import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

const root = new URL('../..', import.meta.url).pathname;

/** A process and what it has printed. */
export interface Started {
  readonly child: ChildProcess;
  readonly lines: string[];
  /** The next line of its output. Throws, with what it said on stderr, when it ends first. */
  line(): Promise<string>;
  /** Waits for its end; throws when that is a failure. */
  ended(): Promise<void>;
}

function start(args: readonly string[], cwd: string): Started {
  const child = spawn(process.execPath, args, { cwd, stdio: ['ignore', 'pipe', 'pipe'] });
  const [lines, errors]: [string[], string[]] = [[], []];
  child.stderr?.on('data', (chunk) => errors.push(String(chunk)));
  let read = 0;
  const exit = once(child, 'close');
  const reader = createInterface({ input: child.stdout as NodeJS.ReadableStream });
  reader.on('line', (line) => lines.push(line));
  return {
    child,
    lines,
    async line() {
      while (lines.length <= read) {
        const [code] = await Promise.race([once(reader, 'line').then(() => [null]), exit]);
        if (code !== null && lines.length <= read)
          throw new Error(`it ended with ${code}: ${errors.join('')}`);
      }
      return lines[read++] ?? '';
    },
    async ended() {
      const [code, signal] = await exit;
      if (code !== 0) throw new Error(`it ended with ${code ?? signal}: ${errors.join('')}`);
    },
  };
}

/** Starts `assay feed` and gives its address too. */
export async function startFeed(
  cwd: string,
  args: readonly string[],
): Promise<Started & { readonly url: string }> {
  const feed = start([join(root, 'pipeline/cli/assay.js'), 'feed', '--json', ...args], cwd);
  const { url } = JSON.parse(await feed.line()) as { url: string };
  return { ...feed, url };
}

/** Starts the trainer of the tests. */
export function startTrainer(cwd: string, args: readonly string[]): Started {
  return start(
    [
      '--import',
      join(root, 'node_modules/tsx/dist/loader.mjs'),
      join(root, 'tests/feed/trainer.ts'),
      ...args,
    ],
    cwd,
  );
}

/** A port that nothing listens on. */
export async function freePort(): Promise<string> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return String(typeof address === 'object' ? address?.port : 0);
}
