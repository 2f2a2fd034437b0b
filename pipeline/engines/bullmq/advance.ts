import { type FlowProducer, UnrecoverableError } from 'bullmq';
import { redact } from '../../../schemas/redact.ts';
import { openRun } from '../../curation/plan/plan-files.ts';
import { phases } from '../../curation/plan/tasks.ts';
import { tasksOf } from '../../curation/tasks/execute.ts';
import { doneIn } from '../../curation/tasks/output.ts';
import { ResumableError, UsageError } from '../../errors.ts';
import { type GateJob, gateFlow, gateJobSchema } from './queues.ts';
import { realUnderRoots } from './roots.ts';

/** What enqueues flows. */
export type Flows = Pick<FlowProducer, 'add'>;

/** Tasks of one flow, which is one transaction of Redis. */
const tasksOfFlow = 5_000;

/**
 * Enqueues what comes next in a run: the tasks that aren't done of the first phase that has any, and a gate behind them.
 * Resolves to false where nothing is left. What is done is read from the run's folder, so that it may be called twice, or
 * after jobs were lost: then what they stood for is enqueued again. Throws a {@link UsageError} when the folder's plan
 * isn't the gate's.
 * @param folder where this machine finds the run; tasks name it as the gate does
 */
export async function advance(flows: Flows, gate: GateJob, folder = gate.run): Promise<boolean> {
  const run = await openRun(folder);
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

/**
 * Enqueues what comes behind the gate that a job's data is, whose run must be under one of the roots (any, where there are
 * none). Resolves as {@link advance} does. Throws an UnrecoverableError of BullMQ where trying again is no use; nothing
 * that it throws has a secret in it.
 */
export async function openGate(data: unknown, flows: Flows, roots: readonly string[]): Promise<boolean> {
  try {
    const gate = gateJobSchema.safeParse(data);
    if (!gate.success) throw new UsageError('refused a job that is no gate of a run');
    const folder = await realUnderRoots(gate.data.run, roots);
    return await advance(flows, { ...gate.data, step: gate.data.step + 1 }, folder);
  } catch (error) {
    const { message } = error as Error;
    if (error instanceof UsageError || error instanceof ResumableError) {
      throw new UnrecoverableError(redact(message));
    }
    throw new Error(redact(message));
  }
}
