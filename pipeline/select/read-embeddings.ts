import { openShard } from '../../schemas/parquet-reader.ts';
import { StorageError, throwStorageError } from '../../schemas/storage/errors.ts';
import { openObject } from '../../schemas/storage/open-storage.ts';
import { UsageError } from '../errors.ts';
import { type Embeddings, type EmbeddingsTarget, keyText } from './embeddings.ts';
import { emptyTarget, readArrow } from './read-arrow.ts';

/**
 * Reads `key` and these columns of embeddings from an Arrow IPC file, an Arrow IPC stream or a parquet file, told
 * apart by their first bytes. Throws a usage error when the file, a column or a value is missing, or no fixed-size
 * list of numbers.
 */
export async function readEmbeddings(path: string, columns: readonly string[]): Promise<Embeddings> {
  const magic = await magicOf(path);
  if (magic.startsWith('PAR1')) return readParquet(path, columns);
  if (magic === 'ARROW1') return readArrow(path, columns, true);
  // A stream's messages start with this mark (Arrow columnar format, encapsulated messages).
  if (magic.startsWith('\xff\xff\xff\xff')) return readArrow(path, columns, false);
  throw new UsageError(`${path} is no Arrow IPC file, Arrow IPC stream or parquet file`);
}

async function magicOf(path: string): Promise<string> {
  try {
    const source = await openObject(path);
    const bytes = await source.read(0, Math.min(6, source.size));
    return Buffer.from(bytes.buffer).toString('latin1');
  } catch (error) {
    if (!(error instanceof StorageError)) throw error;
    if (error.problem === 'missing') throw new UsageError(`${path} can't be opened: no such file`);
    throw error.problem === 'unavailable' ? error : new UsageError(`it can't be read: ${error.message}`);
  }
}

async function readParquet(path: string, columns: readonly string[]): Promise<Embeddings> {
  const shard = await openShard(path).catch((error: Error) => {
    throwStorageError(error);
    throw new UsageError(`${path} can't be read as parquet: ${error.message}`);
  });
  const missing = ['key', ...columns].filter((name) => !shard.columns.includes(name));
  if (missing.length > 0) {
    throw new UsageError(`${path} has no column ${missing.join(', ')}: it has ${shard.columns.join(', ')}`);
  }
  const rows = shard.rowGroups.reduce((sum, group) => sum + group.rows, 0);
  if (rows === 0) throw new UsageError(`${path} has no rows`);
  const target = emptyTarget(rows);
  let at = 0;
  for (const group of shard.rowGroups) {
    // A column at a time: as JavaScript's numbers, lists take several times their bytes.
    for (const name of ['key', ...columns]) {
      const values = (await readColumn(path, () => shard.readRowGroup(group.index, [name])))[name] ?? [];
      for (let row = 0; row < group.rows; row += 1) {
        if (name === 'key') target.keys[at + row] = keyText(path, values[row], at + row);
        else copyRow(path, name, values[row], at + row, target);
      }
    }
    at += group.rows;
  }
  return target;
}

async function readColumn<T>(path: string, read: () => Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (error) {
    throwStorageError(error);
    throw new UsageError(`${path} can't be read: ${error instanceof Error ? error.message : error}`);
  }
}

function copyRow(path: string, name: string, value: unknown, row: number, target: EmbeddingsTarget): void {
  const list = value as ArrayLike<unknown> | null | undefined;
  if (typeof list !== 'object' || list === null || typeof list.length !== 'number') {
    throw new UsageError(`${path}: row ${row} of column ${name} is no list of numbers`);
  }
  const known = target.matrices.get(name);
  const matrix = known ?? { values: new Float32Array(target.rows * list.length), dimension: list.length };
  const { values, dimension: d } = matrix;
  if (list.length !== d) {
    throw new UsageError(
      `${path}: row ${row} of column ${name} has ${list.length} numbers, those before ${d}`,
    );
  }
  target.matrices.set(name, matrix);
  for (let k = 0; k < d; k += 1) {
    const number = list[k];
    if (typeof number !== 'number') {
      throw new UsageError(`${path}: row ${row} of column ${name} holds something that is no number`);
    }
    values[row * d + k] = number;
  }
}
