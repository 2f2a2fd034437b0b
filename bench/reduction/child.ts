import { stat } from 'node:fs/promises';
import type { SavedVerdicts } from '../../pipeline/curation/duplicates/verdict-tables.ts';
import { makeFacts } from './make-facts.ts';
import { reductionSteps } from './steps.ts';

/** What a child process measures. */
export interface ReductionRequest {
  readonly folder: string;
  readonly rows: number;
}

/** What it measured: seconds of each step, the most memory it took, bytes of facts, and duplicates planted and found. */
export interface ReductionAnswer {
  readonly rows: number;
  readonly seconds: Readonly<Record<'rank' | 'pairs' | 'decide', number>>;
  readonly peakBytes: number;
  readonly factBytes: number;
  readonly planted: number;
  readonly found: number;
  /** Rows with a text that captions too many images, and rows that the balance of terms doesn't draw. */
  readonly boilerplate: number;
  readonly unbalanced: number;
}

async function measured(work: () => Promise<unknown>): Promise<number> {
  const started = performance.now();
  await work();
  return (performance.now() - started) / 1000;
}

async function measure({ folder, rows }: ReductionRequest): Promise<ReductionAnswer> {
  const made = await makeFacts(folder, rows);
  const steps = reductionSteps(folder, made);
  const rank = await measured(() => steps.rank());
  const pairs = await measured(() => steps.pairs());
  let saved: SavedVerdicts = {};
  const decide = await measured(async () => {
    saved = await steps.decide();
  });
  const paths = [made.facts, made.fingerprints, made.texts, made.terms];
  const sizes = await Promise.all(paths.map((path) => stat(path)));
  return {
    rows,
    seconds: { rank, pairs, decide },
    peakBytes: process.resourceUsage().maxRSS * 1024,
    factBytes: sizes.reduce((sum, { size }) => sum + size, 0),
    planted: made.duplicates,
    found: saved.duplicates ?? 0,
    boilerplate: saved.boilerplate ?? 0,
    unbalanced: saved.unbalanced ?? 0,
  };
}

process.on('disconnect', () => process.exit());
process.on('message', async (request: ReductionRequest) => {
  process.send?.(await measure(request));
});
