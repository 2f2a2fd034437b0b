import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { CurationReport } from '../schemas/reports.ts';
import type { Config } from './config.ts';
import { freezeRun } from './curation/plan/freeze.ts';
import type { FrozenRun } from './curation/plan/plan-files.ts';
import type { Phase } from './curation/plan/tasks.ts';
import { tidy } from './curation/tasks/commit.ts';
import { removeAbandoned } from './curation/tasks/output.ts';
import type { Engine, EngineProgress } from './engines/engine.ts';
import { inlineEngine } from './engines/inline.ts';
import { localEngine } from './engines/local.ts';
import type { Progress, Task as ProgressTask } from './progress.ts';

/** What a run needs beside its recipe. */
export interface RunContext {
  readonly signal: AbortSignal;
  readonly progress: Progress;
  /** The recipe's path, for messages. */
  readonly configPath: string;
  /** What runs the tasks; this process where it is absent, or as many as the recipe's `workers` say. */
  readonly engine?: Engine | undefined;
}

/**
 * Curates shards into a run's folder: freezes a plan there and has an engine run it. The first pass admits rows (images,
 * texts, language) and keeps a few facts of each; DuckDB reduces the facts to what needs the whole data set (duplicates,
 * the mix); the second pass applies it, labels regions, embeds with the teacher and writes shards. Memory doesn't grow
 * with the data. Of shards without images it does what can be done without. Throws a {@link UsageError} when the recipe
 * can't be run.
 */
export async function curate(config: Config, folder: string, context: RunContext): Promise<CurationReport> {
  context.signal.throwIfAborted();
  const run = await freezeRun(config, folder, context.configPath, context);
  return finishRun(run, context);
}

/** Has an engine run what is left of a frozen run, and reads its report. Throws as the engine does. */
export async function finishRun(run: FrozenRun, context: RunContext): Promise<CurationReport> {
  const { workers } = run.plan.config;
  const engine = context.engine ?? (workers === undefined ? inlineEngine() : localEngine({ workers }));
  await removeAbandoned(run.folder);
  const bars = progressOf(context.progress);
  try {
    await engine.run(run, { signal: context.signal, progress: bars.show });
  } finally {
    bars.end();
  }
  await tidy(run);
  return readReport(run.folder);
}

/** The report of a run that is done. */
export async function readReport(folder: string): Promise<CurationReport> {
  return JSON.parse(await readFile(join(folder, 'report.json'), 'utf8')) as CurationReport;
}

const labels: Readonly<Record<Phase, string>> = {
  admit: 'reading and cleaning',
  rank: 'looking for duplicates',
  pairs: 'looking for duplicates',
  decide: 'deciding',
  finish: 'labelling and writing',
  commit: 'finishing',
};

/** Shows an engine's progress, a bar a phase. */
function progressOf(progress: Progress) {
  let shown: { phase: Phase; bar: ProgressTask } | null = null;
  return {
    show({ phase, rows, rowsDone }: EngineProgress): void {
      if (shown?.phase !== phase) {
        shown?.bar.end();
        shown = { phase, bar: progress.start(labels[phase], rows, 'rows') };
      }
      shown.bar.update(rowsDone);
    },
    end: () => shown?.bar.end(),
  };
}
