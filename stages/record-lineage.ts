import { mkdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import { Int32, type RecordBatch } from 'apache-arrow';
import { batchOf, column } from '../schemas/batches.ts';
import { openParquetWriter } from '../schemas/parquet-writer.ts';
import { provenanceTypes, rowTypes } from '../schemas/rows.ts';
import type { Stage } from '../schemas/stage.ts';

/**
 * Has a stage that writes one shard also write down, in the file `path`, where each row was read and which row of the
 * shard it became: what the shards leave out, so that their bytes hang on the rows alone.
 */
export function recordLineage(writing: Stage, path: string): Stage {
  return {
    name: writing.name,
    async *run(batches, context) {
      await mkdir(dirname(path), { recursive: true });
      const writer = await openParquetWriter(path);
      let rows = 0;
      let isWhole = false;
      try {
        for await (const batch of writing.run(batches, context)) {
          await writer.write(lineageOf(batch, rows));
          rows += batch.numRows;
          yield batch;
        }
        await writer.close();
        isWhole = true;
      } finally {
        if (!isWhole) await writer.abort();
      }
    },
  };
}

function lineageOf(batch: RecordBatch, first: number): RecordBatch {
  const places = Array.from({ length: batch.numRows }, (_, i) => first + i);
  return batchOf({
    key: { type: rowTypes.key, values: [...column(batch, 'key')] },
    shard: { type: provenanceTypes.shard, values: [...column(batch, 'shard')] },
    row_group: { type: provenanceTypes.row_group, values: [...column(batch, 'row_group')] },
    row: { type: provenanceTypes.row, values: [...column(batch, 'row')] },
    file_row: { type: new Int32(), values: places },
  });
}
