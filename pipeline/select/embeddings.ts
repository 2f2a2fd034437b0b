import { UsageError } from '../errors.ts';

/** The rows of one column: [rows, dimension]. */
export interface Matrix {
  readonly values: Float32Array;
  readonly dimension: number;
}

/** The embeddings of a super-batch, as a file has them. */
export interface Embeddings {
  readonly rows: number;
  readonly keys: readonly string[];
  /** By column name. */
  readonly matrices: ReadonlyMap<string, Matrix>;
}

/** Embeddings that are being read. */
export interface EmbeddingsTarget extends Embeddings {
  readonly keys: string[];
  readonly matrices: Map<string, Matrix>;
}

/** How far from 1 a unit row's length may be: half precision and bfloat16 round that much. */
const lengthTolerance = 0.01;

/** A row's key as text. Throws when it has none. */
export function keyText(path: string, key: unknown, row: number): string {
  if (typeof key === 'string') return key;
  if (key instanceof Uint8Array) return Buffer.from(key).toString('utf8');
  if (typeof key === 'number' || typeof key === 'bigint') return String(key);
  throw new UsageError(`${path}: row ${row} has no key: a text or a whole number is expected`);
}

/**
 * Checks that every row is finite and of unit length; with `normalize`, makes it so, in place. Throws at the first
 * row that isn't, naming it, and what to do.
 */
export function checkRows(embeddings: Embeddings, normalize: boolean): void {
  for (const [name, { values, dimension: d }] of embeddings.matrices) {
    for (let row = 0; row < embeddings.rows; row += 1) {
      const length = lengthOf(values, row * d, (row + 1) * d);
      const where = () => `row ${row} (key ${embeddings.keys[row]}) of column ${name}`;
      if (!Number.isFinite(length)) throw new UsageError(`${where()} holds NaN or infinity`);
      if (normalize) {
        if (length === 0) throw new UsageError(`${where()} is all zeros: it has no direction to normalize`);
        for (let k = row * d; k < (row + 1) * d; k += 1) values[k] = (values[k] as number) / length;
      } else if (Math.abs(length - 1) > lengthTolerance) {
        throw new UsageError(`${where()} has length ${length.toPrecision(4)}, not 1: use --normalize`);
      }
    }
  }
}

function lengthOf(values: Float32Array, from: number, to: number): number {
  let square = 0;
  for (let k = from; k < to; k += 1) square += (values[k] as number) ** 2;
  return Math.sqrt(square);
}
