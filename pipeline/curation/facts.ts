import { Float32, Float64, Int32, Int64, type RecordBatch, Utf8 } from 'apache-arrow';
import { batchOf, column, selectColumns, withColumns } from '../../schemas/batches.ts';
import { openParquetWriter } from '../../schemas/parquet-writer.ts';
import { fingerprintMeasure } from '../../stages/duplicates/fingerprint-column.ts';
import { mixDraw } from '../../stages/mix/plan.ts';
import { openFingerprintFile } from './duplicates/fingerprint-file.ts';
import { openTextFile } from './texts/text-file.ts';

/** The few facts of each admitted row that decisions over the whole data set need. */
export interface Facts {
  write(batch: RecordBatch): Promise<void>;
  close(): Promise<void>;
  abort(): Promise<void>;
  /** Rows by identified language. */
  seen(): Readonly<Record<string, number>>;
}

const columns = [
  ['id', new Int64()],
  ['key', new Utf8()],
  ['shard', new Utf8()],
  ['row_group', new Int32()],
  ['row', new Int32()],
  ['sha256', new Utf8()],
  ['language', new Utf8()],
  ['pixels', new Int64()],
  ['draw', new Float64()],
  ['score', new Float32()],
] as const;

/** The ids of a file of facts, and the files that stand beside it where there is a path for them. */
export interface FactFiles {
  /** The id of the first row. */
  readonly firstId?: number | undefined;
  readonly fingerprints?: string | undefined;
  readonly texts?: string | undefined;
}

/**
 * Opens the parquet file that DuckDB reduces: id (`firstId` and the row's place in this file), key, shard, row_group, row,
 * sha256, language, pixels, draw, score (`text_score` where a batch has it). With paths for them, the column `fingerprint`
 * of the batches goes to a file of its own, and so does what is counted of `alt_texts`.
 */
export async function openFacts(
  path: string,
  seed: number,
  { firstId = 0, fingerprints, texts }: FactFiles = {},
): Promise<Facts> {
  const writer = await openParquetWriter(path);
  const textFile = texts === undefined ? null : await openTextFile(texts);
  const fingerprintFile = fingerprints === undefined ? null : await openFingerprintFile(fingerprints);
  // The file has its schema also when no row is admitted.
  await writer.write(
    batchOf(Object.fromEntries(columns.map(([name, type]) => [name, { type, values: [] }]))),
  );
  const seen: Record<string, number> = {};
  let rows = 0;
  return {
    async write(batch) {
      const keys = column(batch, 'key').toArray() as unknown as string[];
      const [widths, heights] = [column(batch, 'width'), column(batch, 'height')];
      for (const language of column(batch, 'language')) seen[language] = (seen[language] ?? 0) + 1;
      const first = firstId + rows;
      rows += batch.numRows;
      const facts = withColumns(batch, {
        id: {
          type: new Int64(),
          values: Array.from({ length: batch.numRows }, (_, i) => BigInt(first + i)),
        },
        pixels: {
          type: new Int64(),
          values: Array.from(
            { length: batch.numRows },
            (_, i) => BigInt(widths.get(i)) * BigInt(heights.get(i)),
          ),
        },
        draw: { type: new Float64(), values: Array.from(keys, (key) => mixDraw(key, seed)) },
        score: { type: new Float32(), values: [...(batch.getChild('text_score') ?? keys.map(() => null))] },
      });
      await writer.write(
        selectColumns(
          facts,
          columns.map(([name]) => name),
        ),
      );
      await textFile?.write(first, batch);
      await fingerprintFile?.write(first, [...column(batch, fingerprintMeasure.column)]);
    },
    async close() {
      await writer.close();
      await textFile?.close();
      await fingerprintFile?.close();
    },
    async abort() {
      await writer.abort();
      await textFile?.abort();
      await fingerprintFile?.abort();
    },
    seen: () => seen,
  };
}
