import type { FlowJob } from 'bullmq';
import { z } from 'zod';
import { type Phase, type PlannedTask, phases } from '../../curation/plan/tasks.ts';

/** The queue of tasks, which workers take from, and the one of gates, which stand between the phases of runs. */
export const queueNames = { tasks: 'assay-tasks', gates: 'assay-gates' } as const;

/**
 * What a task's job holds: where the run is, the hash of its plan, and which task. Nothing of the recipe, and so no
 * secret of anyone.
 */
export const taskJobSchema = z.strictObject({
  run: z.string().min(1),
  plan: z.string().regex(/^[0-9a-f]{64}$/),
  phase: z.enum(phases),
  task: z.string().regex(/^[0-9a-f]{32}$/),
});

/** What a gate's job holds; see {@link gateFlow}. */
export const gateJobSchema = taskJobSchema.omit({ phase: true, task: true }).extend({
  /** Names the driver that enqueued it: jobs of two drivers of one run are told apart. */
  token: z.string().regex(/^[0-9a-f]{16}$/),
  step: z.int().min(0),
  /** The only phase that is run; all of them where absent. */
  only: z.enum(phases).optional(),
});

/** The data of a task's job. */
export type TaskJob = z.infer<typeof taskJobSchema>;
/** The data of a gate's job. */
export type GateJob = z.infer<typeof gateJobSchema>;

/** The id of a gate's job. */
export function gateId({ token, step }: Pick<GateJob, 'token' | 'step'>): string {
  return `${token}-${step}`;
}

/** Jobs that are done are kept for so long, for those who watch. */
const hour = 3_600;
const kept = { removeOnComplete: { age: hour, count: 5_000 }, removeOnFail: { age: 24 * hour } };
/** A task that fails is tried again, by whichever worker is free: what is outside may be put right meanwhile. */
const tries = { attempts: 4, backoff: { type: 'exponential', delay: 500 } };

/**
 * A gate behind tasks: it waits for them, and when it is worked on it enqueues what comes next, with the next gate. A
 * task that has failed for good fails the gate.
 */
export function gateFlow(gate: GateJob, phase: Phase, tasks: readonly PlannedTask[]): FlowJob {
  const { run, plan, token } = gate;
  return {
    name: `before-${phase === 'commit' ? 'end' : 'next'}`,
    queueName: queueNames.gates,
    data: gate,
    opts: { ...kept, ...tries, jobId: gateId(gate) },
    children: tasks.map((task) => ({
      name: phase,
      queueName: queueNames.tasks,
      data: { run, plan, phase, task: task.id } satisfies TaskJob,
      opts: { ...kept, ...tries, jobId: `${token}-${phase}-${task.id}`, failParentOnFailure: true },
    })),
  };
}
