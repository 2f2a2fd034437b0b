import { open, rename, rm } from 'node:fs/promises';
import { extname } from 'node:path';
import { Float64, Int32, type RecordBatch, RecordBatchFileWriter, Utf8 } from 'apache-arrow';
import type { Selection } from '../../models/selection/select-batch.ts';
import { batchOf } from '../../schemas/batches.ts';
import { openParquetWriter } from '../../schemas/parquet-writer.ts';
import { UsageError } from '../errors.ts';

/** One selected pair, as the columns of the output have it. */
export interface SelectedRow {
  readonly position: number;
  readonly chunk: number;
  /** The pair's row in the input. */
  readonly index: number;
  readonly key: string;
  readonly self_score: number;
  /** Its score given the pairs of earlier chunks. */
  readonly logit: number;
}

/** The selected pairs in the order in which they were selected. */
export function selectedRows(selection: Selection, keys: readonly string[]): SelectedRow[] {
  return Array.from(selection.indices, (index, position) => ({
    position,
    chunk: selection.chunks[position] ?? 0,
    index,
    key: keys[index] ?? '',
    self_score: selection.selfScores[position] ?? 0,
    logit: selection.logits[position] ?? 0,
  }));
}

/** Throws when the name of an output doesn't end in `.parquet` or `.arrow`. */
export function checkOutput(path: string): void {
  if (!['.parquet', '.arrow'].includes(extname(path))) {
    throw new UsageError(`--out ${path}: the name must end in .parquet or .arrow`);
  }
}

/** Writes the selected pairs as parquet or as an Arrow IPC file, by the name's end; the name appears when whole. */
export async function writeSelection(path: string, rows: readonly SelectedRow[]): Promise<void> {
  checkOutput(path);
  const batch = batchOf({
    position: { type: new Int32(), values: rows.map(({ position }) => position) },
    chunk: { type: new Int32(), values: rows.map(({ chunk }) => chunk) },
    index: { type: new Int32(), values: rows.map(({ index }) => index) },
    key: { type: new Utf8(), values: rows.map(({ key }) => key) },
    self_score: { type: new Float64(), values: rows.map((row) => row.self_score) },
    logit: { type: new Float64(), values: rows.map(({ logit }) => logit) },
  });
  try {
    if (extname(path) === '.arrow') await writeArrow(path, batch);
    else {
      const writer = await openParquetWriter(path);
      await writer.write(batch);
      await writer.close();
    }
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === undefined) throw error;
    throw new UsageError(`--out ${path} can't be written: ${code === 'ENOENT' ? 'no such folder' : message}`);
  }
}

/** The selected pairs as CSV lines, the header first. */
export function csvLines(rows: readonly SelectedRow[]): string[] {
  const quoted = (text: string) => (/[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
  return [
    'position,chunk,index,key,self_score,logit',
    ...rows.map(({ position, chunk, index, key, self_score, logit }) =>
      [position, chunk, index, quoted(key), self_score, logit].join(','),
    ),
  ];
}

async function writeArrow(path: string, batch: RecordBatch): Promise<void> {
  const temporary = `${path}.partial`;
  const file = await open(temporary, 'w');
  try {
    const writer = new RecordBatchFileWriter();
    writer.write(batch);
    writer.finish();
    await file.writeFile(writer.toUint8Array(true));
    await file.sync();
    await file.close();
    await rename(temporary, path);
  } catch (error) {
    await file.close().catch(() => undefined);
    await rm(temporary, { force: true });
    throw error;
  }
}
