import { once } from 'node:events';
import { createReadStream, createWriteStream } from 'node:fs';
import { type RecordBatch, RecordBatchReader, RecordBatchStreamWriter } from 'apache-arrow';

/** An Arrow stream on disk: what one pass leaves for the next. */
export interface Spool {
  write(batch: RecordBatch): Promise<void>;
  close(): Promise<void>;
}

/** Opens a file that batches are written to as an Arrow stream, waiting where the disk is slower. */
export function createSpool(path: string): Spool {
  const file = createWriteStream(path);
  let broken: Error | null = null;
  const failed = new Promise<never>((_, reject) => {
    file.once('error', (error) => {
      broken = error;
      reject(error);
    });
  });
  failed.catch(() => {});
  const writer = new RecordBatchStreamWriter();
  const pump = (async () => {
    for await (const chunk of writer as AsyncIterable<Uint8Array>) {
      if (!file.write(chunk)) await Promise.race([once(file, 'drain'), failed]);
    }
    file.end();
    await Promise.race([once(file, 'finish'), failed]);
  })();
  pump.catch(() => {});
  return {
    async write(batch) {
      // The writer would say that it is closed, and not why.
      if (broken !== null) throw broken;
      writer.write(batch);
      // The writer queues without bound: the pump is given its turn before the next batch.
      await new Promise((resolve) => setImmediate(resolve));
      if (file.writableNeedDrain) await Promise.race([once(file, 'drain'), failed]);
    },
    async close() {
      if (broken !== null) throw broken;
      writer.close();
      await pump;
    },
  };
}

/** Reads a spool back, one batch at a time. A spool without batches yields none. */
export async function* readSpool(path: string): AsyncGenerator<RecordBatch> {
  const reader = await RecordBatchReader.from(createReadStream(path));
  await reader.open();
  for await (const batch of reader) if (batch.numRows > 0) yield batch;
}
