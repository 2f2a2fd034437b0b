import type { RecordBatch } from 'apache-arrow';
import { column } from './batches.ts';
import type { DroppedRow, QuarantinedRow } from './stage.ts';

/** Where a batch's row was read, for an entry of the quarantine. Throws when the batch lost its provenance. */
export function originOf(
  batch: RecordBatch,
  index: number,
): Pick<QuarantinedRow, 'key' | 'shard' | 'rowGroup' | 'row'> {
  return {
    key: column(batch, 'key').get(index),
    shard: column(batch, 'shard').get(index),
    rowGroup: column(batch, 'row_group').get(index),
    row: column(batch, 'row').get(index),
  };
}

/** What is written down of a row that is dropped, beside why: where it was read, and its language, where it is known. */
export function tracesOf(
  batch: RecordBatch,
  index: number,
): Pick<DroppedRow, 'language' | 'shard' | 'rowGroup' | 'row'> {
  const at = (name: string) => batch.getChild(name)?.get(index) ?? undefined;
  return { language: at('language'), shard: at('shard'), rowGroup: at('row_group'), row: at('row') };
}

/** The bytes of a batch's encoded image; empty when the row has none. */
export function imageBytes(batch: RecordBatch, index: number): Uint8Array {
  return column(batch, 'image').getChild('bytes')?.get(index) ?? new Uint8Array();
}
