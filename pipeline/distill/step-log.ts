import { mkdir, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { RecordBatch } from 'apache-arrow';
import { openParquetWriter } from '../../schemas/parquet-writer.ts';
import { createSpool, readSpool, type Spool } from '../curation/spool.ts';

/** A record of a run's steps, which becomes a parquet file. */
export interface StepLog {
  add(step: number, rows: RecordBatch): Promise<void>;
  /** Puts what was added on the disk: a run that goes on from here keeps it. */
  keep(): Promise<void>;
  /** Writes the parquet file from what was kept, or nothing where nothing was added. */
  write(path: string): Promise<void>;
  close(): Promise<void>;
}

/**
 * Opens the record in `folder`, in parts that each begin where the one before was kept. A run that goes on from a step
 * lets go of the parts that begin there or later: what they hold comes again.
 */
export async function openStepLog(folder: string, step: number): Promise<StepLog> {
  await mkdir(folder, { recursive: true });
  for (const { name, begins } of await partsIn(folder)) if (begins >= step) await rm(join(folder, name));
  let part: Spool | null = null;
  const keep = async () => {
    await part?.close();
    part = null;
  };
  return {
    async add(step, rows) {
      part ??= createSpool(join(folder, `${String(step).padStart(9, '0')}.arrows`));
      await part.write(rows);
    },
    keep,
    async write(path) {
      await keep();
      const writer = await openParquetWriter(path);
      try {
        for (const { name } of await partsIn(folder)) {
          for await (const batch of readSpool(join(folder, name))) await writer.write(batch);
        }
      } catch (error) {
        await writer.abort();
        throw error;
      }
      await writer.close();
    },
    close: keep,
  };
}

async function partsIn(folder: string): Promise<{ name: string; begins: number }[]> {
  const names = (await readdir(folder)).filter((name) => name.endsWith('.arrows')).sort();
  return names.map((name) => ({ name, begins: Number.parseInt(name, 10) }));
}
