import { rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { RecordBatch } from 'apache-arrow';
import { decodeImages } from '../../stages/decode-images.ts';
import { decodeNaflexImages } from '../../stages/decode-naflex-images.ts';
import { curatedFacts, readCurated, type TeacherFacts } from '../../stages/read-curated.ts';
import { createSpool, readSpool } from '../curation/spool.ts';
import type { Progress } from '../progress.ts';

/** Curated rows decoded for one size of learner: read as often as there are epochs. */
export interface PreparedRows {
  readonly rows: number;
  readonly teacher: TeacherFacts | null;
  /** One pass over the rows. */
  epoch(): AsyncIterable<RecordBatch>;
}

const batchRows = 256;
const decoding = { concurrency: 4, maxPixels: 50_000_000 };

/** What images are decoded to: squares of a side, or their own shapes in so many patches at the most. */
export type PreparedImages = number | { readonly patchSize: number; readonly sequenceLength: number };

/**
 * Decodes curated shards into a spool in `folder`; with `reuse` a spool that an earlier run
 * of the same shards left there whole serves again. Throws on shards that aren't curated.
 */
export async function prepareRows(
  shards: readonly string[],
  images: PreparedImages,
  folder: string,
  run: { readonly signal: AbortSignal; readonly progress: Progress },
  reuse = false,
): Promise<PreparedRows> {
  const { rows, teacher } = await curatedFacts(shards);
  const path = join(folder, 'prepared.arrows');
  const prepared = { rows, teacher, epoch: () => readSpool(path) };
  if (reuse && (await stat(path).catch(() => null))?.isFile()) return prepared;
  const spool = createSpool(`${path}.partial`);
  const task = run.progress.start('decoding for the learner', rows, 'rows');
  const refuse = () => {
    throw new Error('decoding loses no row');
  };
  const context = { signal: run.signal, quarantine: refuse, drop: refuse };
  const stage =
    typeof images === 'number'
      ? decodeImages({ side: images, ...decoding })
      : decodeNaflexImages({ ...images, ...decoding });
  const decoded = stage.run(readCurated(shards, teacher, batchRows), context);
  let done = 0;
  try {
    for await (const batch of decoded) {
      await spool.write(batch);
      done += batch.numRows;
      task.update(done);
    }
    await spool.close();
  } catch (error) {
    await spool.close().catch(() => {});
    await rm(`${path}.partial`, { force: true });
    throw error;
  }
  await rename(`${path}.partial`, path);
  task.end();
  return prepared;
}
