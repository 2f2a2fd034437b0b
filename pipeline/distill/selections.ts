import { mkdir, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Float32, Int32, type RecordBatch, Utf8 } from 'apache-arrow';
import type { Selection } from '../../models/selection/select-batch.ts';
import { batchOf } from '../../schemas/batches.ts';
import { openParquetWriter } from '../../schemas/parquet-writer.ts';
import type { SuperBatch } from '../../schemas/super-batch.ts';
import { createSpool, readSpool, type Spool } from '../spool.ts';

/** The record of a run's selections, which becomes `selections.parquet`: which pair, at which step, and why. */
export interface SelectionLog {
  add(step: number, superBatch: SuperBatch, selection: Selection): Promise<void>;
  /** Puts what was added on the disk: a run that goes on from here keeps it. */
  keep(): Promise<void>;
  /** Writes `selections.parquet` from what was kept, or nothing where no pair was selected. */
  write(path: string): Promise<void>;
  close(): Promise<void>;
}

const types = {
  step: new Int32(),
  /** The pair's place in the selected batch. */
  position: new Int32(),
  chunk: new Int32(),
  /** The pair's place in the super-batch. */
  index: new Int32(),
  key: new Utf8(),
  language: new Utf8(),
  /** s_ii: the pair's own score. */
  self_score: new Float32(),
  /** Its score given the pairs selected before its chunk. */
  logit: new Float32(),
} as const;

/**
 * Opens the record in `folder`, in parts that each begin where the one before was kept. A run that goes on from a step
 * lets go of the parts that begin there or later: what they hold is selected again.
 */
export async function openSelectionLog(folder: string, step: number): Promise<SelectionLog> {
  await mkdir(folder, { recursive: true });
  for (const { name, begins } of await partsIn(folder)) if (begins >= step) await rm(join(folder, name));
  let part: Spool | null = null;
  const keep = async () => {
    await part?.close();
    part = null;
  };
  return {
    async add(step, superBatch, selection) {
      part ??= createSpool(join(folder, `${String(step).padStart(9, '0')}.arrows`));
      await part.write(selectionRows(step, superBatch, selection));
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

/** A step's selected pairs as the columns of `selections.parquet`, in the order in which they were selected. */
export function selectionRows(
  step: number,
  superBatch: Pick<SuperBatch, 'keys' | 'languages'>,
  selection: Selection,
): RecordBatch {
  const indices = Array.from(selection.indices);
  return batchOf({
    step: { type: types.step, values: indices.map(() => step) },
    position: { type: types.position, values: indices.map((_, i) => i) },
    chunk: { type: types.chunk, values: Array.from(selection.chunks) },
    index: { type: types.index, values: indices },
    key: { type: types.key, values: indices.map((i) => superBatch.keys[i] ?? '') },
    language: { type: types.language, values: indices.map((i) => superBatch.languages[i] ?? '') },
    self_score: { type: types.self_score, values: Array.from(selection.selfScores) },
    logit: { type: types.logit, values: Array.from(selection.logits) },
  });
}
