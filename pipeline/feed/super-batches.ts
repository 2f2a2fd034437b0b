import type { Order, OrderState } from './order.ts';

/** A step's candidates, and what the order was before they were drawn where it is to be kept. */
export interface FeedSuperBatch<T> {
  readonly step: number;
  readonly rows: readonly T[];
  readonly before: OrderState | null;
}

/** A super-batch whose rows stay until they are released: once, or more often. */
export interface HeldSuperBatch<T> extends FeedSuperBatch<T> {
  release(): void;
}

/** What the super-batches are made by. */
export interface SuperBatchesOptions<T> {
  /** The order from the latest known state at or before a step. */
  readonly open: (step: number) => Promise<Order<T>>;
  /** Super-batches that are formed before anybody asks for them. */
  readonly ahead: number;
  /** No super-batch from this step on is formed. */
  readonly steps: number;
  /** Steps between the states that are kept. */
  readonly stateEvery: number;
  /** Told of the rows of a super-batch that nobody holds any more. */
  readonly drop: (rows: readonly T[]) => void;
}

/** Super-batches by step: a window of them, formed ahead of who asks, and no more. */
export interface SuperBatches<T> {
  /**
   * The super-batch of a step, held until who asked releases it; one before or far after the window is formed anew, from a
   * kept state.
   */
  get(step: number): Promise<HeldSuperBatch<T>>;
  /** Lets go of the super-batches before a step: of each once nobody holds it. */
  release(before: number): void;
  /** Steps that are held. */
  held(): number[];
  close(): Promise<void>;
}

/** A super-batch, and how many hold it: the window, and who asked. */
interface Entry<T> {
  readonly made: FeedSuperBatch<T>;
  holders: number;
}

/** Opens the window at `first`: forming begins when somebody asks. */
export function createSuperBatches<T>(options: SuperBatchesOptions<T>): SuperBatches<T> {
  const { ahead, steps, stateEvery } = options;
  const window = new Map<number, Entry<T>>();
  let order: { made: Order<T>; next: number } | null = null;
  let latest = -1;
  let isClosed = false;
  // One reader of the shards: whoever asks waits for those before.
  let queue: Promise<unknown> = Promise.resolve();

  const serially = <R>(work: () => Promise<R>): Promise<R> => {
    const result = queue.then(work);
    queue = result.catch(() => {});
    return result;
  };
  const letGo = (entry: Entry<T>) => {
    entry.holders -= 1;
    if (entry.holders === 0) options.drop(entry.made.rows);
  };
  const hold = (entry: Entry<T>): HeldSuperBatch<T> => {
    entry.holders += 1;
    let isHeld = true;
    return {
      ...entry.made,
      release() {
        if (isHeld) letGo(entry);
        isHeld = false;
      },
    };
  };
  const forget = (isForgotten: (step: number) => boolean) => {
    for (const [step, entry] of [...window]) {
      if (!isForgotten(step)) continue;
      window.delete(step);
      letGo(entry);
    }
  };
  const formNext = async () => {
    if (order === null) throw new Error('no order is open');
    const before = order.next % stateEvery === 0 ? order.made.state() : null;
    const { step, rows } = await order.made.next();
    order.next = step + 1;
    window.set(step, { made: { step, rows, before }, holders: 1 });
  };
  const giveUp = async () => {
    const made = order?.made;
    order = null;
    await made?.close();
  };
  const reopen = async (step: number) => {
    await giveUp();
    forget(() => true);
    const made = await options.open(step);
    const opened = { made, next: made.state().step };
    order = opened;
    for (; opened.next < step; opened.next += 1) await made.skip();
  };
  /** What fails may do better next time: the order is opened anew then, from a kept state. */
  const orGiveUp = async (work: () => Promise<void>) => {
    try {
      await work();
    } catch (error) {
      await giveUp().catch(() => {});
      throw error;
    }
  };
  const form = async (step: number) => {
    if (isClosed) throw new Error('the feed is closed');
    const known = window.get(step);
    if (known) return hold(known);
    await orGiveUp(async () => {
      if (order === null || step < order.next || step > order.next + ahead) await reopen(step);
      while (!window.has(step)) await formNext();
    });
    return hold(window.get(step) as Entry<T>);
  };
  /** One more, where the window has room and nobody waits for another. */
  const prefetch = () => {
    serially(async () => {
      if (isClosed || order === null || order.next > Math.min(latest + ahead, steps - 1)) return;
      await orGiveUp(formNext);
      prefetch();
      // Who asks for that step is told.
    }).catch(() => {});
  };
  return {
    async get(step) {
      const known = window.get(step);
      latest = step;
      const result = known ? hold(known) : await serially(() => form(step));
      prefetch();
      return result;
    },
    release(before) {
      forget((step) => step < before);
    },
    held: () => [...window.keys()].sort((a, b) => a - b),
    async close() {
      isClosed = true;
      await queue;
      await giveUp();
      forget(() => true);
    },
  };
}
