import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { ResumableError, UsageError } from '../errors.ts';
import type { TaskAnswer, TaskRequest } from './serve.ts';

/** What became of a request. */
export type Outcome =
  | { readonly kind: 'done' }
  | { readonly kind: 'failed'; readonly error: Error }
  /** The process ended; `how` says by which signal, or with which code. */
  | { readonly kind: 'crashed'; readonly how: string };

/** Processes that run tasks, each one task at a time. They end with this process. */
export interface Processes {
  /** Asks a process that is free, or a new one: as many run at once as are asked at once. */
  run(request: TaskRequest, read: (rows: number) => void): Promise<Outcome>;
  /** Makes a process of its own for what may end it: a new one is started when it is asked after it has ended. */
  apart(): ProcessApart;
  /** Ends all of them, and waits until they have ended. */
  stop(): Promise<void>;
}

/** A process that does nothing else meanwhile. */
export interface ProcessApart {
  /** Whether the next request is the first one of its process. */
  isFresh(): boolean;
  run(request: TaskRequest, read: (rows: number) => void): Promise<Outcome>;
  /** Ends it, and waits until it has ended. */
  end(): Promise<void>;
}

/** How processes are started. */
export interface ProcessOptions {
  /** How many run at once: what they have in flight is shared among them. */
  readonly workers: number;
  /** The JavaScript that serves tasks; the one of `worker.ts` unless told. */
  readonly program?: string | undefined;
}

const worker = fileURLToPath(new URL('./worker.js', import.meta.url));

/**
 * Node's options of processes that images go through. Their bytes come and go outside of the heap, and count against it:
 * with the small heap that a process begins with, every fifty of them or so bring on a full collection of garbage. Where
 * there is a process a core, garbage that is collected by one thread takes less of all cores than by several.
 */
export const heapOptions: readonly string[] = ['--initial-old-space-size=256', '--single-threaded-gc'];

/** Opens processes; they are started when they are asked. */
export function openProcesses({ workers, program = worker }: ProcessOptions): Processes {
  const alive = new Map<ChildProcess, Promise<void>>();
  const free: ChildProcess[] = [];
  let stopped = false;
  const endAll = () => {
    for (const child of alive.keys()) child.kill('SIGKILL');
  };
  // One that is in the middle of native work wouldn't notice that this process has gone.
  process.on('exit', endAll);
  const start = () => {
    const child = fork(program, [String(workers)], {
      execArgv: [...heapOptions],
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    });
    const ended = new Promise<void>((resolve) => {
      child.once('exit', () => resolve());
      child.once('error', () => resolve());
    });
    alive.set(child, ended);
    void ended.then(() => alive.delete(child));
    return child;
  };
  // A process that is ended because all are to stop has not crashed.
  const asked = async (child: ChildProcess, request: TaskRequest, read: (rows: number) => void) => {
    const outcome = await ask(child, request, read);
    return stopped && outcome.kind === 'crashed' ? stoppedOutcome : outcome;
  };
  return {
    async run(request, read) {
      if (stopped) return stoppedOutcome;
      let child = free.pop();
      // One may have been ended while it waited.
      while (child !== undefined && hasEnded(child)) child = free.pop();
      child ??= start();
      const outcome = await asked(child, request, read);
      if (outcome.kind !== 'crashed') free.push(child);
      return outcome;
    },
    apart() {
      let child: ChildProcess | null = null;
      const isFresh = () => child === null || hasEnded(child);
      return {
        isFresh,
        async run(request, read) {
          if (stopped) return stoppedOutcome;
          if (child === null || hasEnded(child)) child = start();
          return asked(child, request, read);
        },
        async end() {
          if (child === null) return;
          child.kill('SIGKILL');
          await alive.get(child);
        },
      };
    },
    async stop() {
      stopped = true;
      const ends = [...alive.values()];
      endAll();
      await Promise.all(ends);
      process.off('exit', endAll);
    },
  };
}

const stoppedOutcome: Outcome = { kind: 'failed', error: new Error('stopped') };

const hasEnded = (child: ChildProcess) => child.exitCode !== null || child.signalCode !== null;

function ask(child: ChildProcess, request: TaskRequest, read: (rows: number) => void): Promise<Outcome> {
  return new Promise((resolve) => {
    const settle = (outcome: Outcome) => {
      child.off('message', onMessage);
      child.off('exit', onExit);
      child.off('error', onError);
      resolve(outcome);
    };
    const onMessage = (answer: TaskAnswer) => {
      if (answer.kind === 'read') read(answer.rows);
      else if (answer.kind === 'done') settle({ kind: 'done' });
      else settle({ kind: 'failed', error: errorOf(answer) });
    };
    const onExit = (code: number | null, signal: string | null) =>
      settle({
        kind: 'crashed',
        how: signal === null ? `ended with code ${code}` : `was ended by ${signal}`,
      });
    const onError = (error: Error) => settle({ kind: 'failed', error });
    child.on('message', onMessage);
    child.on('exit', onExit);
    child.on('error', onError);
    if (hasEnded(child)) onExit(child.exitCode, child.signalCode);
    else child.send(request, (error) => error && !hasEnded(child) && onError(error));
  });
}

function errorOf({ name, message, stack }: Extract<TaskAnswer, { kind: 'failed' }>): Error {
  // An object store's trouble is put right outside, as a full disk is.
  if (name === 'ResumableError' || name === 'StorageError') return new ResumableError(message);
  if (name === 'UsageError') return new UsageError(message);
  return Object.assign(new Error(message), { name, stack });
}
