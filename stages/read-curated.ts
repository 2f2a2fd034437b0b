import type { RecordBatch } from 'apache-arrow';
import { batchOf, type ColumnValues } from '../schemas/batches.ts';
import { openShard } from '../schemas/parquet-reader.ts';
import { curatedTypes, embeddingType, rowTypes } from '../schemas/rows.ts';

/** The teacher whose embeddings curated shards carry, from their footers. */
export interface TeacherFacts {
  readonly dimension: number;
  /** exp(t): what similarities are multiplied by. */
  readonly scale: number;
  readonly bias: number;
}

/** What the footers of curated shards say before a row is read. */
export interface CuratedFacts {
  readonly rows: number;
  readonly teacher: TeacherFacts | null;
}

const columnsOfPairs = ['key', 'image', 'language', 'text'] as const;
const columnsOfTeacher = ['teacher_image', 'teacher_text'] as const;

/** Reads the footers of curated shards. Throws when one isn't a curated shard, naming it and what it lacks. */
export async function curatedFacts(shards: readonly string[]): Promise<CuratedFacts> {
  let rows = 0;
  const teachers = new Set<string>();
  for (const path of shards) {
    const shard = await openShard(path);
    const missing = columnsOfPairs.filter((name) => !shard.columns.includes(name));
    if (missing.length > 0) {
      throw new Error(`${path} is not a curated shard: it has no column ${missing.join(', ')}`);
    }
    rows += shard.rowGroups.reduce((sum, group) => sum + group.rows, 0);
    teachers.add(shard.metadata.teacher ?? '');
  }
  if (teachers.size > 1)
    throw new Error('the shards were embedded by different teachers: curate them together');
  const [teacher = ''] = teachers;
  return { rows, teacher: teacher === '' ? null : (JSON.parse(teacher) as TeacherFacts) };
}

/** Reads curated shards, one row group after another, as batches of what distillation needs of a row. */
export async function* readCurated(
  shards: readonly string[],
  teacher: TeacherFacts | null,
  batchRows: number,
): AsyncGenerator<RecordBatch> {
  const names = teacher ? [...columnsOfPairs, ...columnsOfTeacher] : columnsOfPairs;
  for (const path of shards) {
    const shard = await openShard(path);
    for (const { index } of shard.rowGroups) {
      const values = await shard.readRowGroup(index, names);
      const column = (type: ColumnValues['type'], name: string) => ({ type, values: values[name] ?? [] });
      const batch = batchOf({
        key: column(rowTypes.key, 'key'),
        image: column(rowTypes.image, 'image'),
        language: column(curatedTypes.language, 'language'),
        text: column(curatedTypes.text, 'text'),
        ...(teacher
          ? {
              teacher_image: column(embeddingType(teacher.dimension), 'teacher_image'),
              teacher_text: column(embeddingType(teacher.dimension), 'teacher_text'),
            }
          : {}),
      });
      for (let start = 0; start < batch.numRows; start += batchRows) {
        yield batch.slice(start, Math.min(batch.numRows, start + batchRows));
      }
    }
  }
}
