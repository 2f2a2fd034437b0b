import { join } from 'node:path';
import { Int32, type RecordBatch } from 'apache-arrow';
import { sniffFormat } from '../../models/images.ts';
import { batchOf, batchOfData, dataOf } from '../../schemas/batches.ts';
import { type OpenParquetWriter, openParquetWriter } from '../../schemas/parquet-writer.ts';
import { rowTypes } from '../../schemas/rows.ts';
import type { TeacherFacts } from '../../stages/read-curated.ts';
import { teacherColumns } from '../feed/record-columns.ts';
import type { ExportedRow } from './rows.ts';
import type { ExportWriter } from './writer.ts';

/**
 * Writes parquet, `00000.parquet` and on: `key`, `image` (struct{bytes, path}, as Hugging Face's data sets have it),
 * `language`, `text`, the teacher's embeddings, and where rows were selected `step` and `position`.
 */
export function writeParquet(
  folder: string,
  rowsPerShard: number,
  teacher: TeacherFacts | null,
): ExportWriter {
  const metadata = teacher ? { teacher: JSON.stringify(teacher) } : {};
  let shard: { writer: OpenParquetWriter; rows: number } | null = null;
  let shards = 0;
  const finish = async () => {
    await shard?.writer.close();
    shard = null;
  };
  return {
    async write(rows) {
      for (let start = 0; start < rows.length; ) {
        if (shard === null) {
          const path = join(folder, `${String(shards++).padStart(5, '0')}.parquet`);
          shard = { writer: await openParquetWriter(path, { metadata }), rows: 0 };
        }
        const end = Math.min(rows.length, start + rowsPerShard - shard.rows);
        await shard.writer.write(batchOfRows(rows.slice(start, end), teacher));
        shard.rows += end - start;
        start = end;
        if (shard.rows >= rowsPerShard) await finish();
      }
    },
    close: finish,
    async abort() {
      await shard?.writer.abort();
    },
  };
}

function batchOfRows(rows: readonly ExportedRow[], teacher: TeacherFacts | null): RecordBatch {
  const pathOf = ({ name, image }: ExportedRow) => `${name}.${sniffFormat(image) ?? 'image'}`;
  const images = rows.map((row) => ({ bytes: row.image, path: pathOf(row) }));
  const batch = batchOf({
    key: { type: rowTypes.key, values: rows.map(({ key }) => key) },
    image: { type: rowTypes.image, values: images },
    language: { type: rowTypes.key, values: rows.map(({ language }) => language) },
    text: { type: rowTypes.key, values: rows.map(({ text }) => text) },
  });
  const names = batch.schema.names.map((name, i) => [String(name), batch.data.children[i] as never] as const);
  const selected = (of: 'step' | 'position') =>
    [
      of,
      dataOf(
        new Int32(),
        rows.map((row) => row.selected?.[of] ?? 0),
      ),
    ] as const;
  return batchOfData([
    ...names,
    ...(teacher ? teacherColumns(rows, teacher.dimension) : []),
    ...(rows[0]?.selected ? [selected('step'), selected('position')] : []),
  ]);
}
