import type { Memory } from './memory.ts';
import type { Page } from './pages.ts';

/** A run of a page's entries, of whole rows: [from, to), whose first value is the page's `value`-th. */
export interface Slice {
  readonly page: Page;
  readonly from: number;
  readonly to: number;
  readonly value: number;
}

/** Takes a column's rows in order, holding the pages that they are in and no others. */
export interface LeafReader {
  /**
   * Reads on until `rows` rows are held, or pages of `bytes` bytes with a row at the least, or the column ends.
   * Gives the rows held, `rows` at the most.
   */
  ready(rows: number, bytes: number): Promise<number>;
  /** The next rows, which must be {@link ready}. What they are in is given back at the next call. */
  take(rows: number): Slice[];
  close(): Promise<void>;
}

/** Opens a column of one row group, given its pages and the highest definition level, at which a value is there. */
export function createLeafReader(
  pages: AsyncGenerator<Page>,
  maxDefinition: number,
  memory: Memory,
): LeafReader {
  const queue: { page: Page; starts: number }[] = [];
  let spent: Page[] = [];
  let [starts, held, entry, value] = [0, 0, 0, 0];
  let ended = false;

  const load = async () => {
    const next = await pages.next();
    if (next.done) {
      ended = true;
      return;
    }
    const page = next.value;
    if (page.entries === 0) {
      memory.give(page.held);
      page.release?.();
      return;
    }
    const first = queue.length === 0 && entry === 0 ? 0 : 1;
    if (first === 0 && (page.repetitions?.[0] ?? 0) !== 0) {
      spent.push(page);
      throw new Error('a column begins within a row');
    }
    queue.push({ page, starts: countStarts(page) });
    starts += queue.at(-1)?.starts ?? 0;
    held += page.held;
  };
  // A row of a list may go on in the next page: it is whole once another begins.
  const whole = () => (ended || queue.every(({ page }) => page.repetitions === null) ? starts : starts - 1);

  return {
    async ready(rows, bytes) {
      release();
      while (!ended && whole() < rows && (held < bytes || whole() < 1)) await load();
      return Math.min(rows, Math.max(0, whole()));
    },
    take(rows) {
      const slices: Slice[] = [];
      for (let left = rows, page = queue[0]?.page; page !== undefined; page = queue[0]?.page) {
        const { to, began } = entryAfter(page, entry, left);
        const values = countValues(page, entry, to, maxDefinition);
        if (to > entry) slices.push({ page, from: entry, to, value });
        left -= began;
        starts -= began;
        if (to < page.entries) {
          entry = to;
          value += values;
          break;
        }
        queue.shift();
        spent.push(page);
        held -= page.held;
        [entry, value] = [0, 0];
        if (left === 0 && (queue[0]?.page.repetitions?.[0] ?? 0) === 0) break;
      }
      return slices;
    },
    async close() {
      spent.push(...queue.splice(0).map(({ page }) => page));
      release();
      await pages.return(undefined);
    },
  };

  function release(): void {
    for (const page of spent) {
      memory.give(page.held);
      page.release?.();
    }
    spent = [];
  }
}

function countStarts({ entries, repetitions }: Page): number {
  if (repetitions === null) return entries;
  let count = 0;
  for (let i = nextStart(repetitions, 0); i < entries; i = nextStart(repetitions, i + 1)) count += 1;
  return count;
}

function countValues({ definitions }: Page, from: number, to: number, maxDefinition: number): number {
  if (definitions === null) return to - from;
  let count = 0;
  for (let i = from; i < to; i += 1) if (definitions[i] === maxDefinition) count += 1;
  return count;
}

/** Where the row after the next `rows` begins, or the page's end when it doesn't; and the rows that begin before. */
function entryAfter({ entries, repetitions }: Page, from: number, rows: number) {
  if (repetitions === null) {
    const to = Math.min(entries, from + rows);
    return { to, began: to - from };
  }
  let begun = 0;
  for (let i = nextStart(repetitions, from); i < entries; i = nextStart(repetitions, i + 1)) {
    if (begun === rows) return { to: i, began: begun };
    begun += 1;
  }
  return { to: entries, began: begun };
}

/** Entries that are looked at one by one before the rest of a long list is searched. */
const short = 16;

/** Where the next row begins, from an entry on; the entries' count when none does. */
function nextStart(repetitions: Uint8Array, from: number): number {
  const near = Math.min(repetitions.length, from + short);
  for (let i = from; i < near; i += 1) if (repetitions[i] === 0) return i;
  const far = repetitions.indexOf(0, near);
  return far < 0 ? repetitions.length : far;
}
