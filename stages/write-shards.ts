import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { RecordBatch } from 'apache-arrow';
import { z } from 'zod';
import { selectColumns } from '../schemas/batches.ts';
import { type OpenParquetWriter, openParquetWriter, type WrittenFile } from '../schemas/parquet-writer.ts';
import { provenanceTypes } from '../schemas/rows.ts';
import type { Stage } from '../schemas/stage.ts';

/** Options of {@link writeShards}. */
export const writeShardsOptionsSchema = z.strictObject({
  /** Rows of a shard. */
  shardRows: z.int().positive().default(10_000),
  /** Uncompressed bytes of a row group at the most. */
  rowGroupBytes: z
    .int()
    .positive()
    .default(64 * 1024 * 1024),
});

/** Options of {@link writeShards}, with their defaults filled in. */
export type WriteShardsOptions = z.infer<typeof writeShardsOptionsSchema>;

/**
 * Writes the rows to `folder/00000.parquet` and on, `shardRows` each, and passes them on. Where a row was read is
 * left out, so that the same rows make the same bytes wherever they came from. `onWritten` is told of each shard that is
 * whole, by its file's name.
 */
export function writeShards(
  folder: string,
  options: WriteShardsOptions,
  metadata: Readonly<Record<string, string>>,
  onWritten: (name: string, file: WrittenFile) => void = () => {},
): Stage {
  return {
    name: 'write-shards',
    async *run(batches, context) {
      await mkdir(folder, { recursive: true });
      let shard: { writer: OpenParquetWriter; rows: number; name: string } | null = null;
      let shards = 0;
      const close = async () => {
        if (shard === null) return;
        onWritten(shard.name, await shard.writer.close());
        shard = null;
      };
      try {
        for await (const batch of batches) {
          context.signal.throwIfAborted();
          const rows = selectColumns(batch, columnsToWrite(batch));
          for (let start = 0; start < batch.numRows; ) {
            if (shard === null) {
              const name = shardName(shards++);
              const { rowGroupBytes } = options;
              const writer = await openParquetWriter(join(folder, name), { rowGroupBytes, metadata });
              shard = { writer, rows: 0, name };
            }
            const end = Math.min(batch.numRows, start + options.shardRows - shard.rows);
            await shard.writer.write(rows.slice(start, end));
            shard.rows += end - start;
            start = end;
            if (shard.rows >= options.shardRows) await close();
          }
          yield batch;
        }
        await close();
      } finally {
        await shard?.writer.abort();
      }
    },
  };
}

/** The file name of a run's n-th shard, from 0. */
export function shardName(n: number): string {
  return `${String(n).padStart(5, '0')}.parquet`;
}

function columnsToWrite(batch: RecordBatch): string[] {
  return batch.schema.names.map(String).filter((name) => !(name in provenanceTypes));
}
