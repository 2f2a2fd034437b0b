import { rm } from 'node:fs/promises';
import type { Journal } from './journal.ts';

/** Keeps `selections.parquet` as people find it. */
export interface ParquetKeeper {
  /** Writes the selections as they are at its turn, or takes the file away where there are none. */
  write(): Promise<void>;
  /** Called after each step: begins to write where it is time to. */
  afterStep(onError: (error: Error) => void): void;
}

const leastSteps = 64;

/**
 * `selections.parquet`, written when the feed begins and ends, and in between whenever the selections have doubled, so that
 * all that writing stays in proportion. The journal has every one of them at any time.
 */
export function createParquetKeeper(
  journal: Pick<Journal, 'steps' | 'writeParquet'>,
  path: string,
): ParquetKeeper {
  let written = 0;
  let writing: Promise<void> = Promise.resolve();
  /** Writes in hand or in line: steps go on meanwhile, and each would ask for another. */
  let pending = 0;
  const write = () => {
    const work = async () => {
      const steps = journal.steps();
      if (steps === 0) await rm(path, { force: true });
      else if (steps !== written) await journal.writeParquet(path);
      written = steps;
    };
    pending += 1;
    writing = writing
      .catch(() => {})
      .then(work)
      .finally(() => {
        pending -= 1;
      });
    return writing;
  };
  return {
    write,
    afterStep(onError) {
      if (pending === 0 && journal.steps() >= Math.max(leastSteps, 2 * written)) write().catch(onError);
    },
  };
}
