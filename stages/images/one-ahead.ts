/**
 * Works on the next item while the consumer has the last one: at most one is held beside the one handed out. `work` of
 * an item begins once the item before it was given to `settle`, whose results are yielded, so that whatever the two
 * write down stands in the order of the items.
 */
export async function* oneAhead<Item, Worked, Settled>(
  items: AsyncIterable<Item>,
  work: (item: Item) => Promise<Worked>,
  settle: (item: Item, worked: Worked) => Settled,
): AsyncGenerator<Settled> {
  const iterator = items[Symbol.asyncIterator]();
  const start = async () => {
    const { done, value } = await iterator.next();
    return done ? null : { item: value as Item, worked: await work(value) };
  };
  let next = start();
  try {
    for (;;) {
      const current = await next;
      if (current === null) return;
      const settled = settle(current.item, current.worked);
      next = start();
      // Whoever pulls next meets the error: until then it is nobody's.
      next.catch(() => {});
      yield settled;
    }
  } finally {
    await next.catch(() => {});
    await iterator.return?.();
  }
}
