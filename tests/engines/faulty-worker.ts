import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { serveTasks } from '../../pipeline/engines/serve.ts';
import { openRun } from '../../pipeline/plan/plan-files.ts';
import { isReadTask } from '../../pipeline/plan/tasks.ts';
import { createTaskRunner, type ExecuteOptions, type TaskReference } from '../../pipeline/tasks/execute.ts';

/** What goes wrong, and how often; of a row group whenever a process is to read it. */
export interface Fault {
  readonly how: 'kill' | 'throw';
  readonly phase: string;
  readonly rowGroup?: number;
  readonly times: number;
}

const folder = process.env.ASSAY_TEST_FAULTS ?? '';

async function fail(run: string, task: TaskReference, { units = {} }: ExecuteOptions): Promise<void> {
  const faults = JSON.parse(readFileSync(join(folder, 'faults.json'), 'utf8')) as Fault[];
  for (const [i, fault] of faults.entries()) {
    if (fault.phase !== task.phase) continue;
    if (fault.rowGroup !== undefined) {
      const found = (await openRun(run)).tasks('admit').find(({ id }) => id === task.id);
      if (found === undefined || !isReadTask(found) || found.rowGroups === undefined) continue;
      const { from, to } = found.rowGroups;
      const isRead =
        units.only === undefined
          ? fault.rowGroup >= from && fault.rowGroup < to
          : units.only === fault.rowGroup;
      if (!isRead || units.skip?.some(({ unit }) => unit === fault.rowGroup)) continue;
    }
    const before = readdirSync(folder).filter((name) => name.startsWith(`${i}-`)).length;
    if (before >= fault.times) continue;
    writeFileSync(join(folder, `${i}-${process.pid}-${Date.now()}`), '');
    if (fault.how === 'kill') process.kill(process.pid, 'SIGKILL');
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
