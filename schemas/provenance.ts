import type { RecordBatch } from 'apache-arrow';
import { column } from './batches.ts';
import type { QuarantinedRow } from './stage.ts';

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

/** The bytes of a batch's encoded image; empty when the row has none. */
export function imageBytes(batch: RecordBatch, index: number): Uint8Array {
  return column(batch, 'image').getChild('bytes')?.get(index) ?? new Uint8Array();
}
