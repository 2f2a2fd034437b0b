import type { FlowProducer } from 'bullmq';
import { openRun } from '../../curation/plan/plan-files.ts';
import { phases } from '../../curation/plan/tasks.ts';
import { tasksOf } from '../../curation/tasks/execute.ts';
import { doneIn } from '../../curation/tasks/output.ts';
import { UsageError } from '../../errors.ts';
import { type GateJob, gateFlow } from './queues.ts';

/** Tasks of one flow, which is one transaction of Redis. */
const tasksOfFlow = 5_000;

/**
 * Enqueues what comes next in a run: the tasks that aren't done of the first phase that has any, and a gate behind them.
 * Resolves to false where nothing is left. What is done is read from the run's folder, so that it may be called twice, or
 * after jobs were lost: then what they stood for is enqueued again. Throws a {@link UsageError} when the folder's plan
 * isn't the gate's.
 */
export async function advance(flows: FlowProducer, gate: GateJob): Promise<boolean> {
  const run = await openRun(gate.run);
  if (run.plan.hash !== gate.plan) {
    throw new UsageError(`${gate.run}: its plan isn't the one of hash ${gate.plan.slice(0, 12)}`);
  }
  for (const phase of gate.only === undefined ? phases : [gate.only]) {
    if ((await doneIn(run.folder, 'commit')).size > 0) return false;
    const done = await doneIn(run.folder, phase);
    const left = (await tasksOf(run, phase)).filter(({ id }) => !done.has(id));
    if (left.length === 0) continue;
    await flows.add(gateFlow(gate, phase, left.slice(0, tasksOfFlow)));
    return true;
  }
  return false;
}
