import type { FixedSizeList, RecordBatch } from 'apache-arrow';
import { fromFloat16 } from '../models/float16.ts';
import { column, columnData } from '../schemas/batches.ts';
import type { Random } from '../schemas/random.ts';
import type { SuperBatch } from '../schemas/super-batch.ts';

/** Options of {@link formSuperBatches}. */
export interface SuperBatchOptions {
  /** B: pairs of a super-batch; as a function, of the n-th, from 0. */
  readonly size: number | ((n: number) => number);
  /** The share of English pairs in every super-batch; null draws from all rows alike. */
  readonly english: number | null;
  /** Rows held at a time, from which super-batches are drawn. */
  readonly shuffleRows: number;
  /** Super-batches that a run took before it was stopped: they are drawn again, but neither made nor given. */
  readonly skip?: number | undefined;
}

interface Held {
  readonly batch: RecordBatch;
  readonly row: number;
}

/** Rows held of one part of the mix, drawn from at random without replacement. */
interface Pool {
  readonly rows: Held[];
  /** How many of them the next super-batch takes. */
  share: number;
}

/**
 * Draws super-batches without end from decoded rows: `epoch` starts a new pass over them. Every super-batch has the
 * same share of English; each part is drawn from a bounded shuffle buffer that the stream refills. Throws when the
 * data can't fill one super-batch, saying which part lacks rows.
 */
export async function* formSuperBatches(
  epoch: () => AsyncIterable<RecordBatch>,
  options: SuperBatchOptions,
  random: Random,
): AsyncGenerator<SuperBatch> {
  const { size, skip = 0 } = options;
  const english: Pool = { rows: [], share: 0 };
  const rest: Pool = { rows: [], share: 0 };
  const pools = [english, rest];
  let capacity = 0;
  let total = 0;
  const setShares = () => {
    const next = typeof size === 'number' ? size : size(total);
    english.share = options.english === null ? 0 : Math.round(next * options.english);
    rest.share = next - english.share;
    capacity = Math.max(next, options.shuffleRows);
  };
  const form = () => {
    const drawn = draw(pools, random);
    total += 1;
    setShares();
    return total > skip ? gather(drawn) : null;
  };
  setShares();
  for (;;) {
    let rows = 0;
    let formed = 0;
    for await (const batch of epoch()) {
      rows += batch.numRows;
      const languages = column(batch, 'language');
      for (let row = 0; row < batch.numRows; row += 1) {
        const pool = options.english !== null && languages.get(row) === 'en' ? english : rest;
        // A part that the mix doesn't ask for would only pile up.
        if (pool.share > 0) pool.rows.push({ batch, row });
      }
      for (; held(pools) >= capacity && isReady(pools); formed += 1) {
        const superBatch = form();
        if (superBatch) yield superBatch;
      }
      boundPools(pools, capacity, random);
    }
    for (; isReady(pools); formed += 1) {
      const superBatch = form();
      if (superBatch) yield superBatch;
    }
    if (formed === 0) throw new Error(shortageOf(pools, options, rows));
    // What is left can't fill a super-batch; kept for the next epoch it could meet itself in one.
    for (const pool of pools) pool.rows.length = 0;
  }
}

function held(pools: readonly Pool[]): number {
  return pools.reduce((sum, pool) => sum + pool.rows.length, 0);
}

function isReady(pools: readonly Pool[]): boolean {
  return pools.every((pool) => pool.rows.length >= pool.share);
}

/** Rows of a part that comes more often than it is asked for would grow without end: a random one gives way. */
function boundPools(pools: readonly Pool[], capacity: number, random: Random): void {
  for (const pool of pools) {
    const most = Math.max(pool.share, capacity);
    while (pool.rows.length > most) takeAt(pool.rows, random.integer(pool.rows.length));
  }
}

function shortageOf(pools: readonly Pool[], options: SuperBatchOptions, rows: number): string {
  const parts = pools
    .map((pool, i) => ({ pool, name: options.english === null ? '' : i === 0 ? 'English ' : 'non-English ' }))
    .filter(({ pool }) => pool.rows.length < pool.share)
    .map(({ pool, name }) => `${pool.share} ${name}rows, and the data has ${pool.rows.length}`);
  return `a super-batch of ${pools.reduce((sum, { share }) => sum + share, 0)} needs ${parts.join('; ')} (${rows} rows in all): make it smaller`;
}

function takeAt<T>(items: T[], index: number): T {
  const item = items[index] as T;
  const last = items.pop() as T;
  if (index < items.length) items[index] = last;
  return item;
}

function draw(pools: readonly Pool[], random: Random): Held[] {
  const drawn: Held[] = [];
  for (const pool of pools) {
    for (let n = 0; n < pool.share; n += 1) drawn.push(takeAt(pool.rows, random.integer(pool.rows.length)));
  }
  return drawn;
}

function gather(rows: readonly Held[]): SuperBatch {
  const text = (name: string) => rows.map(({ batch, row }) => String(column(batch, name).get(row) ?? ''));
  const [first] = rows as [Held];
  const has = (name: string) => first.batch.schema.names.includes(name);
  const hasTeacher = has('teacher_image');
  return {
    keys: text('key'),
    languages: text('language'),
    texts: text('text'),
    pixels: gatherItems(rows, 'pixels', (length) => new Uint8Array(length)),
    ...(has('pixel_size') && {
      sizes: gatherItems(rows, 'pixel_size', (length) => new Uint16Array(length)),
    }),
    teacherImages: hasTeacher ? gatherHalves(rows, 'teacher_image') : new Float32Array(),
    teacherTexts: hasTeacher ? gatherHalves(rows, 'teacher_text') : new Float32Array(),
  };
}

function gatherHalves(rows: readonly Held[], name: string): Float32Array {
  return fromFloat16(gatherItems(rows, name, (length) => new Uint16Array(length)));
}

/** Copies each row's fixed-size list into one array, end to end. */
function gatherItems<T extends Uint8Array | Uint16Array>(
  rows: readonly Held[],
  name: string,
  make: (length: number) => T,
): T {
  let target: T | null = null;
  rows.forEach(({ batch, row }, i) => {
    const list = columnData(batch, name);
    const items = list.children[0]?.values as T;
    const size = (list.type as FixedSizeList).listSize;
    target ??= make(rows.length * size);
    target.set(items.subarray(row * size, (row + 1) * size), i * size);
  });
  return target ?? make(0);
}
