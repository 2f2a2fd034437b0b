import { type ChildProcess, fork } from 'node:child_process';
import { createRequire } from 'node:module';
import { fileURLToPath, pathToFileURL } from 'node:url';
import type { Config } from '../config.ts';
import type { AdmitTask } from './plan.ts';
import type { TaskResult } from './run-task.ts';
import type { WorkerAnswer, WorkerRequest } from './worker.ts';

/** Processes that run tasks of the first pass, each one task at a time. */
export interface Workers {
  /** Runs a task in a process that is free; there is one, as long as no more tasks run at once than processes. */
  run(task: AdmitTask, folder: string, read: (rows: number) => void): Promise<TaskResult>;
  stop(): void;
}

const program = fileURLToPath(new URL('./worker.ts', import.meta.url));
const typescript = pathToFileURL(createRequire(import.meta.url).resolve('tsx')).href;

/** The recipe of one of `workers` processes: images in flight are shared among them. */
export function recipeOfWorker(config: Config, workers: number): Config {
  const concurrency = Math.max(1, Math.round(config.images.concurrency / workers));
  return { ...config, images: { ...config.images, concurrency } };
}

/** Starts processes for the tasks of a recipe. They end with `stop`, and with this process. */
export function startWorkers(config: Config, count: number): Workers {
  const recipe: WorkerRequest = { kind: 'recipe', config: recipeOfWorker(config, count) };
  const all: ChildProcess[] = [];
  const free: ChildProcess[] = [];
  for (let i = 0; i < count; i += 1) {
    const child = fork(program, {
      execArgv: ['--import', typescript],
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    });
    child.send(recipe);
    all.push(child);
    free.push(child);
  }
  return {
    async run(task, folder, read) {
      const child = free.pop();
      if (child === undefined) throw new Error('more tasks were handed out than there are workers');
      const result = await runIn(child, task, folder, read);
      free.push(child);
      return result;
    },
    stop() {
      for (const child of all) child.kill('SIGKILL');
    },
  };
}

/** What a task works on, for messages. */
function nameOf({ path, rowGroups }: AdmitTask): string {
  return rowGroups === undefined ? path : `${path}, row groups ${rowGroups.from} to ${rowGroups.to - 1}`;
}

function runIn(
  child: ChildProcess,
  task: AdmitTask,
  folder: string,
  read: (rows: number) => void,
): Promise<TaskResult> {
  return new Promise((resolve, reject) => {
    const settle = (outcome: () => void) => {
      child.off('message', onMessage);
      child.off('exit', onExit);
      outcome();
    };
    const onMessage = (answer: WorkerAnswer) => {
      if (answer.kind === 'read') read(answer.rows);
      else if (answer.kind === 'done') settle(() => resolve(answer.result));
      else settle(() => reject(new Error(`${nameOf(task)}: ${answer.message}`)));
    };
    const onExit = (code: number | null, signal: string | null) => {
      const how = signal === null ? `ended with code ${code}` : `was ended by ${signal}`;
      const next = 'leave the shard out, or give the machine more memory for fewer workers';
      settle(() => reject(new Error(`${nameOf(task)}: the worker reading it ${how}: ${next}`)));
    };
    if (child.exitCode !== null || child.signalCode !== null) {
      onExit(child.exitCode, child.signalCode);
      return;
    }
    child.on('message', onMessage);
    child.on('exit', onExit);
    child.send({ kind: 'task', task, folder } satisfies WorkerRequest);
  });
}
