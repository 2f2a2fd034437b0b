import { collectDefaultMetrics, Gauge, Registry } from 'prom-client';

/** How a run stands, as metrics show it. */
export interface RunFigures {
  /** The run's folder. */
  readonly run: string;
  readonly tasks: readonly { readonly phase: string; readonly state: string; readonly tasks: number }[];
  /** Rows read, of those that the plan promises. */
  readonly rows: { readonly read: number; readonly planned: number };
  readonly rowsPerSecond: number;
  /** Seconds until the run is done, at its rate so far; null where there is none yet. */
  readonly etaSeconds: number | null;
  readonly quarantined: readonly {
    readonly stage: string;
    readonly reason: string;
    readonly rows: number;
  }[];
}

/** Jobs of a queue, by their state. */
export interface QueueFigures {
  readonly queue: string;
  readonly jobs: Readonly<Record<string, number>>;
}

/** What is asked each time that metrics are. */
export interface MetricSources {
  readonly runs: () => Promise<readonly RunFigures[]>;
  readonly queues?: () => Promise<readonly QueueFigures[]>;
  /** Ticks of a schedule that were skipped because a run was still on. */
  readonly skipped?: () => number;
}

/** Metrics as Prometheus reads them. */
export interface Metrics {
  readonly contentType: string;
  metrics(): Promise<string>;
}

/**
 * The metrics of a process, each asked for when they are read: of the process itself, of the runs that it works on and
 * of the queues that it sees.
 */
export function createRegistry({ runs, queues, skipped }: MetricSources): Metrics {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry, prefix: 'assay_' });
  const gauge = <Label extends string>(name: string, help: string, labelNames: readonly Label[]) =>
    new Gauge({ name, help, labelNames: [...labelNames], registers: [registry] });
  const tasks = gauge('assay_tasks', 'tasks of a run, by phase and state', ['run', 'phase', 'state']);
  const rows = gauge('assay_rows', 'rows of a run: read so far, and planned', ['run', 'state']);
  const rate = gauge('assay_rows_per_second', 'rows read per second, since the run began', ['run']);
  const eta = gauge('assay_eta_seconds', 'seconds until a run is done, at its rate so far', ['run']);
  const bad = gauge('assay_quarantined_rows', 'rows in quarantine; whole shards as 0 rows', [
    'run',
    'stage',
    'reason',
  ]);
  const jobs = queues && gauge('assay_queue_jobs', 'jobs of a queue, by state', ['queue', 'state']);
  const ticks = skipped && gauge('assay_schedule_skipped', 'ticks skipped because a run was still on', []);
  const everything = [tasks, rows, rate, eta, bad];
  const collect = async () => {
    for (const metric of everything) metric.reset();
    for (const figures of await runs()) {
      const { run } = figures;
      for (const { phase, state, tasks: count } of figures.tasks) tasks.set({ run, phase, state }, count);
      rows.set({ run, state: 'read' }, figures.rows.read);
      rows.set({ run, state: 'planned' }, figures.rows.planned);
      rate.set({ run }, figures.rowsPerSecond);
      if (figures.etaSeconds !== null) eta.set({ run }, figures.etaSeconds);
      for (const { stage, reason, rows: count } of figures.quarantined) {
        bad.set({ run, stage, reason }, count);
      }
    }
    if (skipped) ticks?.set(skipped());
    if (queues && jobs) {
      jobs.reset();
      for (const { queue, jobs: states } of await queues()) {
        for (const [state, count] of Object.entries(states)) jobs.set({ queue, state }, count);
      }
    }
  };
  return {
    contentType: registry.contentType,
    async metrics() {
      await collect();
      return registry.metrics();
    },
  };
}
