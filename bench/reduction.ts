import { mkdtemp, rm } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { inChild } from './in-child.ts';
import type { ReductionAnswer, ReductionRequest } from './reduction/child.ts';

/** Rows of the smaller data set when none are asked for. */
const defaultRows = 300_000;
/** How many times as many the larger one has. */
const times = 10;

/**
 * Measures what of a curation looks at all rows at once, of made-up facts, at so many rows and at ten times as many:
 * the ranks of equal images, the search for near ones, and the decisions (groups, the mix, the verdicts), rows a second
 * each and the most memory that its process took. Answers what a row costs of the larger set over what one costs of
 * the smaller (1 where it stays linear), and how many of the planted duplicates were found.
 */
export async function benchReduction({
  rows = defaultRows,
}: {
  readonly rows?: number | undefined;
}): Promise<Record<string, number | string>> {
  const small = await measured(rows);
  const large = await measured(times * rows);
  const perRow = (name: 'rank' | 'pairs' | 'decide') =>
    round(large.seconds[name] / times / small.seconds[name]);
  return {
    cores: availableParallelism(),
    ...figuresOf(small, ''),
    ...figuresOf(large, `${times}x`),
    rankCostRatio: perRow('rank'),
    pairsCostRatio: perRow('pairs'),
    decideCostRatio: perRow('decide'),
    memoryRatio: round(large.peakBytes / small.peakBytes),
  };
}

function figuresOf(answer: ReductionAnswer, suffix: string): Record<string, number> {
  const { rows, seconds, peakBytes, planted, found } = answer;
  return {
    [`rows${suffix}`]: rows,
    [`rankRowsPerSecond${suffix}`]: Math.round(rows / seconds.rank),
    [`pairsRowsPerSecond${suffix}`]: Math.round(rows / seconds.pairs),
    [`decideRowsPerSecond${suffix}`]: Math.round(rows / seconds.decide),
    [`peakMegabytes${suffix}`]: Math.round(peakBytes / 1e6),
    [`factBytesPerRow${suffix}`]: Math.round(answer.factBytes / rows),
    [`planted${suffix}`]: planted,
    [`found${suffix}`]: found,
    [`boilerplate${suffix}`]: answer.boilerplate,
    [`unbalanced${suffix}`]: answer.unbalanced,
  };
}

/** In a folder that is removed. */
async function measured(rows: number): Promise<ReductionAnswer> {
  const folder = await mkdtemp(join(tmpdir(), 'assay-bench-'));
  try {
    return await inChild<ReductionRequest, ReductionAnswer>(
      new URL('./reduction/child.ts', import.meta.url),
      { folder, rows },
    );
  } finally {
    await rm(folder, { recursive: true });
  }
}

const round = (value: number) => Math.round(value * 1000) / 1000;
