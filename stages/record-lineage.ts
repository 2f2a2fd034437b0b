import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { Int32, type RecordBatch, Utf8 } from 'apache-arrow';
import { batchOf, column } from '../schemas/batches.ts';
import { openParquetWriter } from '../schemas/parquet-writer.ts';
import { provenanceTypes, rowTypes } from '../schemas/rows.ts';
import type { Stage } from '../schemas/stage.ts';
import { shardName } from './write-shards.ts';

/**
 * Has a stage that writes shards of `shardRows` rows also write down, in `folder/00000.parquet`, where each row was
 * read and which row of which shard it became: what the shards leave out, so that their bytes hang on the rows alone.
 */
export function recordLineage(writing: Stage, folder: string, shardRows: number): Stage {
  return {
    name: writing.name,
    async *run(batches, context) {
      await mkdir(folder, { recursive: true });
      const writer = await openParquetWriter(join(folder, '00000.parquet'));
      let rows = 0;
      let isWhole = false;
      try {
        for await (const batch of writing.run(batches, context)) {
          await writer.write(lineageOf(batch, rows, shardRows));
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

function lineageOf(batch: RecordBatch, first: number, shardRows: number): RecordBatch {
  const places = Array.from({ length: batch.numRows }, (_, i) => first + i);
  return batchOf({
    key: { type: rowTypes.key, values: [...column(batch, 'key')] },
    shard: { type: provenanceTypes.shard, values: [...column(batch, 'shard')] },
    row_group: { type: provenanceTypes.row_group, values: [...column(batch, 'row_group')] },
    row: { type: provenanceTypes.row, values: [...column(batch, 'row')] },
    file: { type: new Utf8(), values: places.map((place) => shardName(Math.floor(place / shardRows))) },
    file_row: { type: new Int32(), values: places.map((place) => place % shardRows) },
  });
}
