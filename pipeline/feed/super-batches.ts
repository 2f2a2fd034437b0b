import type { Order, OrderState } from './order.ts';

/** A step's candidates, and what the order was before they were drawn where it is to be kept. */
export interface FeedSuperBatch<T> {
  readonly step: number;
  readonly rows: readonly T[];
  readonly before: OrderState | null;
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
}

/** Super-batches by step: a window of them, formed ahead of who asks, and no more. */
export interface SuperBatches<T> {
  /** The super-batch of a step; one before or far after the window is formed anew, from a kept state. */
  get(step: number): Promise<FeedSuperBatch<T>>;
  /** Lets go of the super-batches before a step. */
  release(before: number): void;
  /** Steps that are held. */
  held(): number[];
  close(): Promise<void>;
}

/** Opens the window at `first`: forming begins when somebody asks. */
export function createSuperBatches<T>(options: SuperBatchesOptions<T>): SuperBatches<T> {
  const { ahead, steps, stateEvery } = options;
  const window = new Map<number, FeedSuperBatch<T>>();
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
  const formNext = async () => {
    if (order === null) throw new Error('no order is open');
    const before = order.next % stateEvery === 0 ? order.made.state() : null;
    const { step, rows } = await order.made.next();
    order.next = step + 1;
    window.set(step, { step, rows, before });
  };
  const giveUp = async () => {
    const made = order?.made;
    order = null;
    await made?.close();
  };
  const reopen = async (step: number) => {
    await giveUp();
    window.clear();
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
    if (known) return known;
    await orGiveUp(async () => {
      if (order === null || step < order.next || step > order.next + ahead) await reopen(step);
      while (!window.has(step)) await formNext();
    });
    return window.get(step) as FeedSuperBatch<T>;
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
      const result = known ?? (await serially(() => form(step)));
      prefetch();
      return result;
    },
    release(before) {
      for (const step of [...window.keys()]) if (step < before) window.delete(step);
    },
    held: () => [...window.keys()].sort((a, b) => a - b),
    async close() {
      isClosed = true;
      await queue;
      await order?.made.close();
      window.clear();
    },
  };
}
