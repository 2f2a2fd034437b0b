import { cpus } from 'node:os';
import type { RunContext } from '../../pipeline/curate.ts';
import type { StepMetrics } from '../../pipeline/distill/train-learner.ts';
import type { EvidencePlan, MethodName } from './plan.ts';

/** What a step of each method takes, measured in turn in one process: the runs themselves may share a machine. */
export interface Timings {
  readonly processor: string;
  readonly secondsPerStep: Readonly<Partial<Record<MethodName, number>>>;
}

/** Steps before the clock starts, while programs of new widths are still compiled, and steps that are timed. */
const [warmUp, timed] = [24, 16];
const rounds = 3;

/**
 * Times a few steps of every method in turn, `rounds` times over; the median round counts. `train` trains so many steps
 * of a method and tells of each.
 */
export async function timeMethods(
  { methods }: EvidencePlan,
  { progress }: RunContext,
  train: (method: MethodName, steps: number, onStep: (metrics: StepMetrics) => void) => Promise<unknown>,
): Promise<Timings> {
  const times = new Map(methods.map((method) => [method, [] as number[]]));
  const task = progress.start('timing the steps', rounds * methods.length, 'runs');
  for (let round = 0; round < rounds; round += 1) {
    for (const [k, method] of methods.entries()) {
      const seconds: number[] = [];
      await train(method, warmUp + timed, (metrics) => seconds.push(metrics.seconds));
      const [start = 0, end = 0] = [seconds[warmUp - 1], seconds.at(-1)];
      times.get(method)?.push((end - start) / timed);
      task.update(round * methods.length + k + 1);
    }
  }
  task.end();
  const median = (values: readonly number[]) => values.toSorted((a, b) => a - b)[values.length >> 1] ?? 0;
  return {
    processor: `${cpus()[0]?.model ?? 'unknown'}, ${cpus().length} cores`,
    secondsPerStep: Object.fromEntries([...times].map(([method, values]) => [method, median(values)])),
  };
}
