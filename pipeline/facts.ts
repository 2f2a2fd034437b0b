import { Float64, Int64, type RecordBatch } from 'apache-arrow';
import { column, selectColumns, withColumns } from '../schemas/batches.ts';
import { openParquetWriter } from '../schemas/parquet-writer.ts';
import { mixDraw } from '../stages/mix/plan.ts';

/** The few facts of each admitted row that decisions over the whole data set need. */
export interface Facts {
  write(batch: RecordBatch): Promise<void>;
  close(): Promise<void>;
  /** Rows by identified language. */
  seen(): Readonly<Record<string, number>>;
}

/** Opens the parquet file that DuckDB reduces: key, shard, row_group, row, sha256, language, pixels, draw. */
export async function openFacts(path: string, seed: number): Promise<Facts> {
  const writer = await openParquetWriter(path);
  const seen: Record<string, number> = {};
  return {
    async write(batch) {
      const keys = column(batch, 'key').toArray() as unknown as string[];
      const [widths, heights] = [column(batch, 'width'), column(batch, 'height')];
      for (const language of column(batch, 'language')) seen[language] = (seen[language] ?? 0) + 1;
      const facts = withColumns(batch, {
        pixels: {
          type: new Int64(),
          values: Array.from(
            { length: batch.numRows },
            (_, i) => BigInt(widths.get(i)) * BigInt(heights.get(i)),
          ),
        },
        draw: { type: new Float64(), values: Array.from(keys, (key) => mixDraw(key, seed)) },
      });
      const names = ['key', 'shard', 'row_group', 'row', 'sha256', 'language', 'pixels', 'draw'];
      await writer.write(selectColumns(facts, names));
    },
    async close() {
      await writer.close();
    },
    seen: () => seen,
  };
}
