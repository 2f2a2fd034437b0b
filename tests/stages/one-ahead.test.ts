import { describe, expect, it } from 'vitest';
import { oneAhead } from '../../stages/images/one-ahead.ts';
import { collect } from '../support.ts';

/** Numbers that tell when they are pulled, and when their source is closed. */
async function* told(log: string[], count: number): AsyncGenerator<number> {
  try {
    for (let i = 0; i < count; i += 1) {
      log.push(`pull ${i}`);
      yield i;
    }
  } finally {
    log.push('closed');
  }
}

describe('working one ahead', () => {
  it('gives every item in order, also of none', async () => {
    const settled = oneAhead(
      told([], 5),
      async (i) => i * 10,
      (i, worked) => `${i}:${worked}`,
    );
    expect(await collect(settled)).toEqual(['0:0', '1:10', '2:20', '3:30', '4:40']);
    expect(
      await collect(
        oneAhead(
          told([], 0),
          async (i) => i,
          (i) => i,
        ),
      ),
    ).toEqual([]);
  });

  it('works on the next item while the last one is out, and on no more', async () => {
    const log: string[] = [];
    const settled = oneAhead(
      told(log, 4),
      async (i) => log.push(`work ${i}`),
      (i) => log.push(`settle ${i}`),
    );
    await settled.next();
    await new Promise((resolve) => setImmediate(resolve));
    expect(log).toEqual(['pull 0', 'work 0', 'settle 0', 'pull 1', 'work 1']);
    await settled.next();
    await new Promise((resolve) => setImmediate(resolve));
    expect(log.slice(5)).toEqual(['settle 1', 'pull 2', 'work 2']);
    await settled.return(undefined);
    expect(log.at(-1)).toBe('closed');
  });

  it('hands an error to whoever pulls next, and closes its source', async () => {
    const log: string[] = [];
    const work = async (i: number) => {
      if (i === 1) throw new Error('no such item');
      return i;
    };
    const settled = oneAhead(told(log, 3), work, (i) => i);
    expect((await settled.next()).value).toBe(0);
    await new Promise((resolve) => setImmediate(resolve));
    await expect(settled.next()).rejects.toThrow('no such item');
    expect(log).toEqual(['pull 0', 'pull 1', 'closed']);
  });
});
