import { join } from 'node:path';
import type { RecordBatch } from 'apache-arrow';
import { decodeImages } from '../../stages/decode-images.ts';
import { curatedFacts, readCurated, type TeacherFacts } from '../../stages/read-curated.ts';
import type { Progress } from '../progress.ts';
import { createSpool, readSpool } from '../spool.ts';

/** Curated rows decoded for one size of learner: read as often as there are epochs. */
export interface PreparedRows {
  readonly rows: number;
  readonly teacher: TeacherFacts | null;
  /** One pass over the rows. */
  epoch(): AsyncIterable<RecordBatch>;
}

const batchRows = 256;
const decoding = { concurrency: 4, maxPixels: 50_000_000 };

/** Decodes curated shards to `side` x `side` pixels into a spool in `folder`. Throws on shards that aren't curated. */
export async function prepareRows(
  shards: readonly string[],
  side: number,
  folder: string,
  run: { readonly signal: AbortSignal; readonly progress: Progress },
): Promise<PreparedRows> {
  const { rows, teacher } = await curatedFacts(shards);
  const path = join(folder, 'prepared.arrows');
  const spool = createSpool(path);
  const task = run.progress.start('decoding for the learner', rows, 'rows');
  const refuse = () => {
    throw new Error('decoding loses no row');
  };
  const context = { signal: run.signal, quarantine: refuse, drop: refuse };
  const decoded = decodeImages({ side, ...decoding }).run(readCurated(shards, teacher, batchRows), context);
  let done = 0;
  for await (const batch of decoded) {
    await spool.write(batch);
    done += batch.numRows;
    task.update(done);
  }
  await spool.close();
  task.end();
  return { rows, teacher, epoch: () => readSpool(path) };
}
