import { join } from 'node:path';
import type { RecordBatch } from 'apache-arrow';
import { takeRows } from '../../../schemas/batches.ts';
import { taskFiles } from '../admit/run-task.ts';
import type { FrozenRun } from '../plan/plan-files.ts';
import { idsOfTask, isReadTask, type ReadTask } from '../plan/tasks.ts';
import { readSpool } from '../spool.ts';
import { readFrom } from './images.ts';
import { workLayout } from './layout.ts';
import { readRecord } from './output.ts';

/** The rows that tasks of the first pass admitted, in their order; `withImages` gives them their images. */
export async function* admittedRows(
  { folder }: Pick<FrozenRun, 'folder'>,
  tasks: readonly ReadTask[],
): AsyncGenerator<RecordBatch> {
  for (const task of tasks) yield* readTask(folder, task);
}

async function* readTask(folder: string, task: ReadTask): AsyncGenerator<RecordBatch> {
  const record = await readRecord(folder, task);
  if (record === null) throw new Error(`${join(task.path)}: its rows are not admitted`);
  const { rows } = record.result as { rows: number };
  if (rows === 0) return;
  const { path } = task;
  for await (const batch of readSpool(taskFiles(workLayout(folder).output(task)).rows)) {
    yield readFrom(batch, path);
  }
}

/** The admitted rows of ids [from, to), in their order, without images; batches are cut where the range is. */
export async function* rowsOfRange(
  run: FrozenRun,
  { from, to }: { readonly from: number; readonly to: number },
): AsyncGenerator<RecordBatch> {
  for (const task of run.tasks('admit').filter(isReadTask)) {
    const first = task.position * idsOfTask;
    if (first + idsOfTask <= from || first >= to) continue;
    let id = first;
    for await (const batch of readTask(run.folder, task)) {
      const start = Math.max(0, from - id);
      const end = Math.min(batch.numRows, to - id);
      if (end - start === batch.numRows) yield batch;
      else if (start < end)
        yield takeRows(
          batch,
          Uint32Array.from({ length: end - start }, (_, i) => start + i),
        );
      id += batch.numRows;
      if (id >= to) break;
    }
  }
}
