import type { RecordBatch } from 'apache-arrow';
import type { Stage, StageContext } from '../../schemas/stage.ts';

/** What went into a stage and came out of it. */
export interface StageFigures {
  readonly stage: string;
  readonly in: number;
  readonly out: number;
  /** Seconds that others waited for the stage itself, what it pulled from aside; 0 where it worked ahead of them. */
  readonly seconds: number;
}

interface Meter {
  rows: number;
  /** Milliseconds during which this point of the chain was being pulled. */
  pulled: number;
}

/** Chains stages over a source, and counts rows and time at each joint. */
export function chainStages(
  source: { name: string; batches: AsyncIterable<RecordBatch> },
  stages: readonly Stage[],
  context: StageContext,
): { batches: AsyncGenerator<RecordBatch>; figures: () => StageFigures[] } {
  const meters: Meter[] = [{ rows: 0, pulled: 0 }];
  let batches = metered(source.batches, meters[0] as Meter);
  for (const stage of stages) {
    const meter: Meter = { rows: 0, pulled: 0 };
    meters.push(meter);
    batches = metered(stage.run(batches, context), meter);
  }
  const names = [source.name, ...stages.map((stage) => stage.name)];
  const figures = () =>
    meters.map((meter, i) => {
      const before = meters[i - 1];
      return {
        stage: names[i] ?? '',
        in: before?.rows ?? meter.rows,
        out: meter.rows,
        // A pull of a stage's output includes its own pulls of its input.
        seconds: Math.max(0, Math.round(meter.pulled - (before?.pulled ?? 0))) / 1000,
      };
    });
  return { batches, figures };
}

async function* metered(batches: AsyncIterable<RecordBatch>, meter: Meter): AsyncGenerator<RecordBatch> {
  const iterator = batches[Symbol.asyncIterator]();
  try {
    for (;;) {
      const started = performance.now();
      const next = await iterator.next();
      meter.pulled += performance.now() - started;
      if (next.done) return;
      meter.rows += next.value.numRows;
      yield next.value;
    }
  } finally {
    await iterator.return?.();
  }
}

/** The figures of the same stages, run apart, as of one run. */
export function sumFigures(all: readonly (readonly StageFigures[])[]): StageFigures[] {
  return (all[0] ?? []).map(({ stage }, i) => {
    const sum = (of: 'in' | 'out' | 'seconds') =>
      all.reduce((total, figures) => total + (figures[i]?.[of] ?? 0), 0);
    return { stage, in: sum('in'), out: sum('out'), seconds: Math.round(sum('seconds') * 1000) / 1000 };
  });
}

/** Counts by name, of several parts. */
export function sumCounts(all: readonly Readonly<Record<string, number>>[]): Record<string, number> {
  const sums: Record<string, number> = {};
  for (const counts of all) {
    for (const [name, count] of Object.entries(counts)) sums[name] = (sums[name] ?? 0) + count;
  }
  return sums;
}
