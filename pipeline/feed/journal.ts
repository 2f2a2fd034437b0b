import { type FileHandle, open } from 'node:fs/promises';
import { type DataType, type RecordBatch, tableFromIPC } from 'apache-arrow';
import { streamBytes } from '../../schemas/arrow-stream.ts';
import { batchOfData, column, dataOf } from '../../schemas/batches.ts';
import { openParquetWriter } from '../../schemas/parquet-writer.ts';
import { hashBytes64 } from '../../schemas/random.ts';

/** The selection of one step, as it was answered. */
export interface RecordedSelection {
  readonly step: number;
  /** The step of the learner that the feed scored with; null where the trainer scored, or nobody. */
  readonly learnerStep: number | null;
  /** The columns of `selections.parquet`. */
  readonly rows: RecordBatch;
}

/** The selections of a fine-tune in the order of its steps, each on the disk before it is answered. */
export interface Journal {
  /** Steps recorded: the next selection is of this step. */
  steps(): number;
  /** Records the next step's selection. Throws when it is another step's. */
  add(selection: RecordedSelection): Promise<void>;
  /** Throws when the step isn't recorded. */
  read(step: number): Promise<RecordedSelection>;
  /** Writes all of them as parquet, whole or not at all; the same selections make the same bytes. */
  writeParquet(path: string): Promise<void>;
  close(): Promise<void>;
}

const mark = 0x41535953;
/** Mark, step, learner's step, length, hash. */
const headBytes = 4 + 4 + 4 + 4 + 8;
const nobody = -1;
/** Bytes of records that are read at a time, a record at the least. */
const readBytes = 128 * 1024;
/** Rows that are handed to the writer at a time, at the least: it holds batches, of which small ones weigh most. */
const leastRows = 4096;
/**
 * Bytes of a row group of `selections.parquet`, which is held while it is written: a share of the whole within these bounds,
 * so that of a small fine-tune little is held, and of a large one the footer stays small.
 */
const [leastGroupBytes, mostGroupBytes, groups] = [1024 ** 2, 16 * 1024 ** 2, 256];

/**
 * Opens the journal. What a kill left half-written at its end is cut off: it was never answered. With `steps`, those
 * from there on are forgotten.
 */
export async function openJournal(path: string, steps = Number.POSITIVE_INFINITY): Promise<Journal> {
  const file = await open(path, 'a+').then(async (made) => {
    await made.close();
    return open(path, 'r+');
  });
  const offsets = await soundOffsets(file, steps);
  let end = offsets.pop() ?? 0;
  await file.truncate(end);
  let queue: Promise<unknown> = Promise.resolve();
  const read = async (step: number): Promise<RecordedSelection> => {
    const offset = offsets[step];
    if (offset === undefined) throw new RangeError(`step ${step} has no selection`);
    return selectionOf(step, await recordAt(file, offset));
  };
  const selectionOf = (step: number, record: KeptRecord | null): RecordedSelection => {
    if (record === null) throw new Error(`${path} changed: the selection of step ${step} is gone`);
    const [rows] = tableFromIPC(record.payload).batches;
    if (rows === undefined) throw new Error(`${path}: the selection of step ${step} is empty`);
    return { step, learnerStep: record.learnerStep, rows };
  };
  /** The selections of the first steps, many read at a time; each lies in memory that is read into again after it. */
  async function* recorded(count: number): AsyncGenerator<RecordBatch> {
    let memory = Buffer.alloc(readBytes);
    const endOf = (step: number) => offsets[step + 1] ?? end;
    for (let step = 0; step < count; ) {
      const start = offsets[step] ?? 0;
      let last = step + 1;
      while (last < count && endOf(last) - start <= readBytes) last += 1;
      const length = endOf(last - 1) - start;
      if (length > memory.length) memory = Buffer.alloc(length);
      const { bytesRead } = await file.read(memory, 0, length, start);
      for (; step < last; step += 1) {
        const at = (offsets[step] ?? 0) - start;
        yield selectionOf(step, recordIn(memory.subarray(at, Math.min(bytesRead, endOf(step) - start)))).rows;
      }
    }
  }
  return {
    steps: () => offsets.length,
    add(selection) {
      const work = async () => {
        if (selection.step !== offsets.length) {
          throw new Error(
            `the selection of step ${selection.step} comes after that of ${offsets.length - 1}`,
          );
        }
        const bytes = encode(selection);
        await writeWhole(file, bytes, end);
        await file.datasync();
        offsets.push(end);
        end += bytes.length;
      };
      const added = queue.then(work);
      queue = added.catch(() => {});
      return added;
    },
    read,
    async writeParquet(to) {
      const rowGroupBytes = Math.min(mostGroupBytes, Math.max(leastGroupBytes, Math.floor(end / groups)));
      const writer = await openParquetWriter(to, { rowGroupBytes });
      try {
        const count = offsets.length;
        let gathered = gatherRows();
        for await (const rows of recorded(count)) {
          gathered.add(rows);
          if (gathered.rows() < leastRows) continue;
          await writer.write(gathered.batch());
          gathered = gatherRows();
        }
        if (gathered.rows() > 0) await writer.write(gathered.batch());
      } catch (error) {
        await writer.abort();
        throw error;
      }
      await writer.close();
    },
    async close() {
      await queue;
      await file.close();
    },
  };
}

/** Writes all bytes at a place of a file: one call may write fewer. Throws when none are taken any more. */
export async function writeWhole(
  file: Pick<FileHandle, 'write'>,
  bytes: Uint8Array,
  at: number,
): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    const { bytesWritten } = await file.write(bytes, done, bytes.length - done, at + done);
    if (bytesWritten === 0) throw new Error('the disk takes no more bytes');
    done += bytesWritten;
  }
}

/** Gathers rows of small batches into one: their values are copied out, and what they lie in can be used again. */
function gatherRows() {
  let columns: { readonly name: string; readonly type: DataType; readonly values: unknown[] }[] = [];
  return {
    rows: () => columns[0]?.values.length ?? 0,
    add(batch: RecordBatch) {
      if (columns.length === 0) {
        columns = batch.schema.fields.map(({ name, type }) => ({ name: String(name), type, values: [] }));
      }
      for (const { name, values } of columns) for (const value of column(batch, name)) values.push(value);
    },
    batch: () => batchOfData(columns.map(({ name, type, values }) => [name, dataOf(type, values)] as const)),
  };
}

function encode({ step, learnerStep, rows }: RecordedSelection): Buffer {
  const payload = streamBytes(rows);
  const bytes = Buffer.alloc(headBytes + payload.length);
  bytes.writeUInt32LE(mark, 0);
  bytes.writeInt32LE(step, 4);
  bytes.writeInt32LE(learnerStep ?? nobody, 8);
  bytes.writeUInt32LE(payload.length, 12);
  bytes.writeBigUInt64LE(hashBytes64(payload), 16);
  bytes.set(payload, headBytes);
  return bytes;
}

/** Where each sound record begins, in the order of the steps, and where the last one ends. */
async function soundOffsets(file: FileHandle, steps: number): Promise<number[]> {
  const offsets = [0];
  while (offsets.length <= steps) {
    const offset = offsets.at(-1) ?? 0;
    const record = await recordAt(file, offset);
    if (record === null || record.step !== offsets.length - 1) break;
    offsets.push(offset + headBytes + record.payload.length);
  }
  return offsets;
}

interface KeptRecord {
  readonly step: number;
  readonly learnerStep: number | null;
  readonly payload: Uint8Array;
}

/** The record at an offset; null where it isn't whole. */
async function recordAt(file: FileHandle, offset: number): Promise<KeptRecord | null> {
  const head = Buffer.alloc(headBytes);
  if ((await file.read(head, 0, headBytes, offset)).bytesRead < headBytes) return null;
  if (head.readUInt32LE(0) !== mark) return null;
  const length = headBytes + head.readUInt32LE(12);
  const { size } = await file.stat();
  if (offset + length > size) return null;
  const bytes = Buffer.alloc(length);
  await file.read(bytes, 0, length, offset);
  return recordIn(bytes);
}

/** The record that these bytes are; null where they aren't a whole one. */
function recordIn(bytes: Buffer): KeptRecord | null {
  if (bytes.length < headBytes || bytes.readUInt32LE(0) !== mark) return null;
  const payload = bytes.subarray(headBytes);
  if (payload.length !== bytes.readUInt32LE(12) || hashBytes64(payload) !== bytes.readBigUInt64LE(16))
    return null;
  const learner = bytes.readInt32LE(8);
  return { step: bytes.readInt32LE(4), learnerStep: learner === nobody ? null : learner, payload };
}
