import { Float32, Int32, Utf8 } from 'apache-arrow';
import type { Selection } from '../../models/selection/select-batch.ts';
import { batchOf } from '../../schemas/batches.ts';
import { openParquetWriter } from '../../schemas/parquet-writer.ts';
import type { SuperBatch } from '../../schemas/super-batch.ts';

/** `selections.parquet`: which pair was selected at which step, in which chunk, and why. */
export interface SelectionLog {
  add(step: number, superBatch: SuperBatch, selection: Selection): Promise<void>;
  close(): Promise<void>;
  abort(): Promise<void>;
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

/** Opens the log of a run's selections. */
export async function openSelectionLog(path: string): Promise<SelectionLog> {
  const writer = await openParquetWriter(path);
  return {
    async add(step, superBatch, selection) {
      const indices = Array.from(selection.indices);
      await writer.write(
        batchOf({
          step: { type: types.step, values: indices.map(() => step) },
          position: { type: types.position, values: indices.map((_, i) => i) },
          chunk: { type: types.chunk, values: Array.from(selection.chunks) },
          index: { type: types.index, values: indices },
          key: { type: types.key, values: indices.map((i) => superBatch.keys[i] ?? '') },
          language: { type: types.language, values: indices.map((i) => superBatch.languages[i] ?? '') },
          self_score: { type: types.self_score, values: Array.from(selection.selfScores) },
          logit: { type: types.logit, values: Array.from(selection.logits) },
        }),
      );
    },
    async close() {
      await writer.close();
    },
    abort: () => writer.abort(),
  };
}
