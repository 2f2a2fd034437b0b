import { closeSync, openSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { openRun } from '../../pipeline/curation/plan/plan-files.ts';
import {
  createTaskRunner,
  type ExecuteOptions,
  type TaskReference,
  tasksOf,
  unitsOf,
} from '../../pipeline/curation/tasks/execute.ts';
import { serveTasks } from '../../pipeline/engines/serve.ts';

/** What goes wrong, and how often; of a row group or a batch whenever a process is to read it. */
export interface Fault {
  /** `abort` is what native code does that finds itself broken; `heap` fills the memory until there is no more. */
  readonly how: 'kill' | 'throw' | 'abort' | 'heap';
  readonly phase: string;
  /** A row group of a shard of more than one. */
  readonly rowGroup?: number;
  /** A batch of the task of a place. */
  readonly batch?: { readonly position: number; readonly unit: number };
  readonly times: number;
}

const folder = process.env.ASSAY_TEST_FAULTS ?? '';

// What a process says when it aborts is no part of what is tested.
closeSync(2);
openSync('/dev/null', 'w');

async function isMet(fault: Fault, run: string, task: TaskReference, { units = {} }: ExecuteOptions) {
  if (fault.phase !== task.phase) return false;
  const unit = fault.rowGroup ?? fault.batch?.unit;
  if (unit === undefined) return true;
  if (units.skip?.some((skipped) => skipped.unit === unit)) return false;
  if (units.only !== undefined && units.only !== unit) return false;
  const frozen = await openRun(run);
  const found = (await tasksOf(frozen, task.phase)).find(({ id }) => id === task.id);
  if (fault.batch !== undefined) return found?.position === fault.batch.position;
  return found !== undefined && (await unitsOf(frozen, found)).length > 1;
}

function fillHeap(): never {
  const held: number[][] = [];
  for (;;) held.push(Array.from({ length: 100_000 }, (_, i) => i + held.length + 0.5));
}

async function fail(run: string, task: TaskReference, options: ExecuteOptions): Promise<void> {
  const faults = JSON.parse(readFileSync(join(folder, 'faults.json'), 'utf8')) as Fault[];
  for (const [i, fault] of faults.entries()) {
    if (!(await isMet(fault, run, task, options))) continue;
    const before = readdirSync(folder).filter((name) => name.startsWith(`${i}-`)).length;
    if (before >= fault.times) continue;
    writeFileSync(join(folder, `${i}-${process.pid}-${Date.now()}`), '');
    if (fault.how === 'kill') process.kill(process.pid, 'SIGKILL');
    if (fault.how === 'abort') process.abort();
    if (fault.how === 'heap') fillHeap();
    throw new Error('a fault of the test');
  }
}

const runner = createTaskRunner();
serveTasks({
  ...runner,
  async execute(run, task, options = {}) {
    await fail(run, task, options);
    return runner.execute(run, task, options);
  },
  async probe(run, task, options) {
    await fail(run, task, options);
    return runner.probe(run, task, options);
  },
});
