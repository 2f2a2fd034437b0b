import { createRandom, type Random, restoreRandom } from '../../schemas/random.ts';
import { Refusal } from './refusal.ts';

/** A row by its place: the row group, over all shards, and the row within it. */
export interface RowPlace {
  readonly group: number;
  readonly row: number;
}

/** A row that waits to be drawn; without its data until somebody needs it. */
export interface HeldRow<T> extends RowPlace {
  data: T | null;
}

/** How super-batches are drawn. */
export interface OrderOptions {
  /** B of a step. */
  readonly size: (step: number) => number;
  /** The share of English in every super-batch; null draws from all rows alike. */
  readonly english: number | null;
  /** Rows held at a time, from which super-batches are drawn. */
  readonly shuffleRows: number;
}

/** What the rows are drawn from. */
export interface OrderSource<T> {
  /** Rows of each row group. */
  readonly groups: readonly number[];
  /** Which rows of a row group are English: 1 or 0 each. */
  english(group: number): Promise<Uint8Array>;
  /** Rows of a row group from `from` on, in order. */
  read(group: number, from: number): AsyncGenerator<T[]>;
  /** Told of rows that were read and that no super-batch has or will have. */
  drop(rows: Iterable<T>): void;
}

/** All that the next super-batch depends on: places, counts and the random source, no row's data. */
export interface OrderState {
  /** The step of the next super-batch. */
  readonly step: number;
  readonly epoch: number;
  /** How many row groups of the epoch were begun, and the next row of the last one. */
  readonly begun: number;
  readonly row: number;
  /** Super-batches drawn in this epoch. */
  readonly drawn: number;
  readonly random: readonly number[];
  /** Places of the rows held, English and the rest: group, row, group, row and so on. */
  readonly held: readonly [readonly number[], readonly number[]];
}

/** The order of a fine-tune's data: super-batches without end. */
export interface Order<T> {
  /** The rows of the next super-batch, with their data. Throws when the data can't fill one, saying what it lacks. */
  next(): Promise<{ readonly step: number; readonly rows: readonly T[] }>;
  /** Passes over the next super-batch: draws it, and reads no more of the rows than whether they are English. */
  skip(): Promise<void>;
  state(): OrderState;
  /** Drops the rows that are held, and lets go of the shards. */
  close(): Promise<void>;
}

const sliceRows = 256;

/** Which order this is: another one gives other super-batches of the same seed and data. */
export const orderVersion = 2;

/**
 * The order in which a seed draws super-batches from row groups: each epoch takes the row groups in an order of its
 * own, rows wait in a bounded shuffle buffer, and every super-batch has the same share of English. It goes on from any
 * {@link OrderState} to the same super-batches.
 */
export function createOrder<T>(
  source: OrderSource<T>,
  options: OrderOptions,
  seed: string,
  from: OrderState | null = null,
): Order<T> {
  const random = from ? restoreRandom(from.random) : createRandom(`${seed}:super-batches`);
  let { step, epoch, begun, row, drawn } = from ?? { step: 0, epoch: 0, begun: 0, row: 0, drawn: 0 };
  const pools = [0, 1].map((i) => heldOf<T>(from?.held[i as 0 | 1] ?? [])) as [HeldRow<T>[], HeldRow<T>[]];
  let groups = groupOrder(source.groups.length, seed, epoch);
  let flags: { group: number; english: Uint8Array } | null = null;
  let reader: { group: number; row: number; rows: AsyncGenerator<T[]> } | null = null;
  /** Whether rows are held that were taken before anybody needed their data. */
  let lacksData = from !== null;

  const sharesOf = () => {
    const size = options.size(step);
    const english = options.english === null ? 0 : Math.round(size * options.english);
    return { size, shares: [english, size - english] as const };
  };
  const closeReader = async () => {
    await reader?.rows.return(undefined);
    reader = null;
  };
  const dropHeld = (held: readonly HeldRow<T>[]) => {
    source.drop(held.flatMap(({ data }) => (data === null ? [] : [data])));
  };
  const dropPools = () => {
    for (const pool of pools) dropHeld(pool.splice(0));
  };
  /** Where all rows are drawn from alike nobody asks of which language they are. */
  const englishOf = async (group: number) =>
    options.english === null ? new Uint8Array(source.groups[group] ?? 0) : source.english(group);
  /** The next rows of the epoch; null at its end. */
  const take = async (withData: boolean): Promise<{ places: HeldRow<T>[]; english: Uint8Array } | null> => {
    while (begun === 0 || row >= (source.groups[groups[begun - 1] ?? 0] ?? 0)) {
      if (begun === groups.length) return null;
      begun += 1;
      row = 0;
    }
    const group = groups[begun - 1] ?? 0;
    if (flags?.group !== group) flags = { group, english: await englishOf(group) };
    const end = Math.min(source.groups[group] ?? 0, row - (row % sliceRows) + sliceRows);
    const places = Array.from(
      { length: end - row },
      (_, i): HeldRow<T> => ({ group, row: row + i, data: null }),
    );
    const english = flags.english.subarray(row, end);
    if (withData) {
      if (reader?.group !== group || reader.row !== row) {
        await closeReader();
        reader = { group, row, rows: source.read(group, row) };
      }
      const { value } = await reader.rows.next();
      const data = value as T[] | undefined;
      if (data && data.length !== places.length) source.drop(data);
      if (data?.length !== places.length)
        throw new Error(`row group ${group} has not the rows that it promised`);
      places.forEach((place, i) => {
        place.data = data[i] as T;
      });
      reader.row = end;
    }
    row = end;
    return { places, english };
  };
  const fill = async (withData: boolean) => {
    const { size, shares } = sharesOf();
    const capacity = Math.max(size, options.shuffleRows);
    for (;;) {
      const isReady = pools.every((pool, i) => pool.length >= (shares[i] ?? 0));
      if (isReady && pools[0].length + pools[1].length >= capacity) return;
      // Not before more is read: what of a slice is over the capacity is drawn from first.
      dropHeld(boundPools(pools, shares, capacity, random));
      const taken = await take(withData);
      if (taken === null) {
        if (isReady) return;
        if (drawn === 0) throw new Refusal(409, shortageOf(pools, shares, source.groups, options));
        // What is left can't fill a super-batch; kept for the next epoch it could meet itself in one.
        dropPools();
        [epoch, begun, row, drawn] = [epoch + 1, 0, 0, 0];
        groups = groupOrder(source.groups.length, seed, epoch);
        continue;
      }
      taken.places.forEach((place, i) => {
        const pool = taken.english[i] ? 0 : 1;
        // A part that the mix doesn't ask for would only pile up.
        if ((shares[pool] ?? 0) > 0) pools[pool].push(place);
        else dropHeld([place]);
      });
    }
  };
  const draw = () => {
    const { shares } = sharesOf();
    const rows = pools.flatMap((pool, i) =>
      Array.from({ length: shares[i] ?? 0 }, () => takeAt(pool, random.integer(pool.length))),
    );
    step += 1;
    drawn += 1;
    return rows;
  };
  return {
    async next() {
      await fill(true);
      if (lacksData) await load(source, pools.flat());
      lacksData = false;
      const of = step;
      return { step: of, rows: draw().map(({ data }) => data as T) };
    },
    async skip() {
      lacksData = true;
      await fill(false);
      dropHeld(draw());
    },
    state: () => ({
      step,
      epoch,
      begun,
      row,
      drawn,
      random: [...random.state()],
      held: [placesOf(pools[0]), placesOf(pools[1])],
    }),
    async close() {
      dropPools();
      await closeReader();
    },
  };
}

/** Reads the data of rows that have none, each row group once. */
async function load<T>(source: OrderSource<T>, rows: readonly HeldRow<T>[]): Promise<void> {
  const byGroup = new Map<number, Map<number, HeldRow<T>>>();
  for (const held of rows) {
    if (held.data !== null) continue;
    const group = byGroup.get(held.group) ?? new Map<number, HeldRow<T>>();
    byGroup.set(held.group, group.set(held.row, held));
  }
  for (const [group, wanted] of byGroup) {
    const first = Math.min(...wanted.keys());
    let at = first - (first % sliceRows);
    let left = wanted.size;
    for await (const data of source.read(group, at)) {
      const others: T[] = [];
      data.forEach((item, i) => {
        const held = wanted.get(at + i);
        if (held === undefined) {
          others.push(item);
          return;
        }
        held.data = item;
        left -= 1;
      });
      source.drop(others);
      at += data.length;
      if (left === 0) break;
    }
    if (left > 0) throw new Error(`row group ${group} lost ${left} of its rows: the data changed`);
  }
}

function groupOrder(count: number, seed: string, epoch: number): number[] {
  const random = createRandom(`${seed}:epoch:${epoch}`);
  const groups = Array.from({ length: count }, (_, i) => i);
  for (let i = count - 1; i > 0; i -= 1) {
    const j = random.integer(i + 1);
    [groups[i], groups[j]] = [groups[j] as number, groups[i] as number];
  }
  return groups;
}

/**
 * Rows of a part that comes more often than it is asked for would grow without end: a random one gives way. Gives those
 * that did.
 */
function boundPools<T>(
  pools: readonly HeldRow<T>[][],
  shares: readonly number[],
  capacity: number,
  random: Random,
): HeldRow<T>[] {
  return pools.flatMap((pool, i) => {
    const most = Math.max(shares[i] ?? 0, capacity);
    const gone: HeldRow<T>[] = [];
    while (pool.length > most) gone.push(takeAt(pool, random.integer(pool.length)));
    return gone;
  });
}

function takeAt<T>(items: T[], index: number): T {
  const item = items[index] as T;
  const last = items.pop() as T;
  if (index < items.length) items[index] = last;
  return item;
}

function shortageOf(
  pools: readonly unknown[][],
  shares: readonly number[],
  groups: readonly number[],
  { english }: Pick<OrderOptions, 'english'>,
): string {
  const parts = ['English ', 'non-English ']
    .map((name, i) => ({
      name: english === null ? '' : name,
      wants: shares[i] ?? 0,
      has: pools[i]?.length ?? 0,
    }))
    .filter(({ wants, has }) => has < wants)
    .map(({ name, wants, has }) => `${wants} ${name}rows, and the data has ${has}`);
  const size = shares.reduce((sum, share) => sum + share, 0);
  const rows = groups.reduce((sum, count) => sum + count, 0);
  const other = english === null ? '' : ", or set distill.english to the data's own share, or to null";
  return `a super-batch of ${size} needs ${parts.join('; ')} (${rows} rows in all): make distill.superBatch smaller${other}`;
}

function placesOf<T>(pool: readonly HeldRow<T>[]): number[] {
  return pool.flatMap(({ group, row }) => [group, row]);
}

function heldOf<T>(places: readonly number[]): HeldRow<T>[] {
  const held: HeldRow<T>[] = [];
  for (let i = 0; i < places.length; i += 2) {
    held.push({ group: places[i] ?? 0, row: places[i + 1] ?? 0, data: null });
  }
  return held;
}
