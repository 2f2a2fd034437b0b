import { appendFile, readFile, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { selectionRows } from '../../pipeline/distill/selections.ts';
import { openJournal, type RecordedSelection, writeWhole } from '../../pipeline/feed/journal.ts';
import { createOrder, type OrderOptions, type OrderSource } from '../../pipeline/feed/order.ts';
import { createSuperBatches } from '../../pipeline/feed/super-batches.ts';
import { temporaryFolder } from '../support.ts';

interface TestSource extends OrderSource<string> {
  readonly reads: number[];
  /** How often each row was read and not dropped. */
  readonly kept: Map<string, number>;
}

/** Row groups of rows named by their place, of which two in three are English; counts what is read and kept. */
function sourceOf(groups: readonly number[]): TestSource {
  const reads: number[] = [];
  const kept = new Map<string, number>();
  const count = (row: string, by: number) => {
    const left = (kept.get(row) ?? 0) + by;
    if (left < 0) throw new Error(`${row} was dropped twice`);
    if (left === 0) kept.delete(row);
    else kept.set(row, left);
  };
  return {
    groups,
    reads,
    kept,
    english: async (group) =>
      Uint8Array.from({ length: groups[group] ?? 0 }, (_, i) => (i % 3 === 0 ? 0 : 1)),
    async *read(group, from) {
      reads.push(group);
      const rows = groups[group] ?? 0;
      for (let at = from; at < rows; at += 256) {
        const read = Array.from({ length: Math.min(256, rows - at) }, (_, i) => `${group}:${at + i}`);
        for (const row of read) count(row, 1);
        yield read;
      }
    },
    drop(rows) {
      for (const row of rows) count(row, -1);
    },
  };
}

const options: OrderOptions = { size: (step) => (step < 4 ? 12 : 16), english: 0.5, shuffleRows: 40 };

async function drawn(order: ReturnType<typeof createOrder<string>>, count: number): Promise<string[][]> {
  const all: string[][] = [];
  for (let i = 0; i < count; i += 1) all.push([...(await order.next()).rows]);
  return all;
}

describe('the order of the data', () => {
  it('goes on from any state, and over any steps that are passed by, to the same super-batches', async () => {
    await fc.assert(
      fc.asyncProperty(
        // Of fewer rows than 24 too few aren't English for a super-batch of 16.
        fc.array(fc.integer({ min: 24, max: 600 }), { minLength: 1, maxLength: 5 }),
        fc.integer({ min: 0, max: 30 }),
        fc.integer({ min: 0, max: 30 }),
        fc.constantFrom(0.5, null),
        async (groups, before, skipped, english) => {
          const mixed = { ...options, english };
          const whole = await drawn(createOrder(sourceOf(groups), mixed, 's'), before + skipped + 2);
          const order = createOrder(sourceOf(groups), mixed, 's');
          await drawn(order, before);
          const state = JSON.parse(JSON.stringify(order.state()));
          const again = createOrder(sourceOf(groups), mixed, 's', state);
          for (let i = 0; i < skipped; i += 1) await again.skip();
          expect(await drawn(again, 2)).toEqual(whole.slice(before + skipped));
        },
      ),
      { numRuns: 40 },
    );
  });

  it('drops each row that it read and that no super-batch has, once', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.integer({ min: 24, max: 600 }), { minLength: 1, maxLength: 4 }),
        fc.array(fc.constantFrom('next', 'skip', 'again'), { maxLength: 25 }),
        fc.constantFrom(0.5, 1),
        async (groups, moves, english) => {
          const source = sourceOf(groups);
          const open = (state?: ReturnType<ReturnType<typeof createOrder>['state']>) =>
            createOrder(source, { ...options, english }, 's', state);
          let order = open();
          const drawnRows: string[] = [];
          for (const move of moves) {
            if (move === 'next') drawnRows.push(...(await order.next()).rows);
            else if (move === 'skip') await order.skip();
            else {
              const state = order.state();
              await order.close();
              order = open(state);
            }
            const held = order.state().held.flat().length / 2;
            const all = [...source.kept.values()].reduce((sum, count) => sum + count, 0);
            expect(all).toBeLessThanOrEqual(drawnRows.length + held);
          }
          await order.close();
          for (const row of drawnRows) source.drop([row]);
          expect([...source.kept]).toEqual([]);
        },
      ),
      { numRuns: 60 },
    );
  });

  it('gives every row at most once an epoch, English at its share, each epoch in another order', async () => {
    const steps = await drawn(createOrder(sourceOf([90, 90]), { ...options, size: () => 30 }, 's'), 8);
    for (const rows of steps) {
      expect(rows.filter((row) => Number(row.split(':')[1]) % 3 !== 0)).toHaveLength(15);
    }
    // 60 of 180 rows aren't English: four super-batches an epoch.
    const [first, second] = [steps.slice(0, 4).flat(), steps.slice(4).flat()];
    for (const epoch of [first, second]) expect(new Set(epoch).size).toBe(120);
    expect(first).not.toEqual(second);
  });

  it('gives every row once an epoch where they are taken as they come, and asks for no language', async () => {
    const source = sourceOf([300, 180, 120]);
    const asked = {
      ...source,
      english: () => Promise.reject(new Error('a language was asked for')),
    };
    const order = createOrder(asked, { ...options, english: null, size: () => 30 }, 's');
    const steps = await drawn(order, 40);
    const [first, second] = [steps.slice(0, 20).flat(), steps.slice(20).flat()];
    for (const epoch of [first, second]) expect(new Set(epoch).size).toBe(600);
    expect(first).not.toEqual(second);
    const small = createOrder(sourceOf([12]), { ...options, english: null, size: () => 30 }, 's');
    await expect(small.next()).rejects.toThrow(/30 needs 30 rows, and the data has 12 \(12 rows in all\)/);
  });

  it('leaves no row out for the size of its buffer, where the shares are those of the data', async () => {
    const groups = [300, 180, 120];
    const inEpoch = async (english: number, size: number) => {
      const order = createOrder(sourceOf(groups), { ...options, english, size: () => size }, 's');
      const rows: string[] = [];
      while (order.state().epoch === 0) rows.push(...(await order.next()).rows);
      return new Set(rows.slice(0, -size)).size;
    };
    // Two in three of 600.
    expect(await inEpoch(1, 40)).toBe(400);
    expect(await inEpoch(2 / 3, 30)).toBe(600);
  });

  it('reads no data of what is passed by, and tells a shortage', async () => {
    const source = sourceOf([300, 300]);
    const order = createOrder(source, options, 's');
    for (let i = 0; i < 5; i += 1) await order.skip();
    expect(source.reads).toEqual([]);
    await order.next();
    expect(source.reads.length).toBeGreaterThan(0);
    await expect(createOrder(sourceOf([12]), options, 's').next()).rejects.toThrow(
      /needs 6 non-English rows, and the data has 4 \(12 rows in all\)/,
    );
  });

  it('is formed ahead of who asks, by as much as it is told and no more', async () => {
    const opened: number[] = [];
    const window = createSuperBatches<string>({
      open: async (step) => {
        opened.push(step);
        return createOrder(sourceOf([300]), options, 's');
      },
      ahead: 2,
      steps: 6,
      stateEvery: 3,
      drop: () => {},
    });
    const first = await window.get(0);
    expect(first.before?.step).toBe(0);
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(window.held()).toEqual([0, 1, 2]);
    expect((await window.get(1)).before).toBeNull();
    window.release(2);
    await window.get(5);
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(window.held().at(-1)).toBe(5);
    const again = await window.get(0);
    expect(again.rows).toEqual(first.rows);
    expect(opened).toEqual([0, 0]);
    await window.close();
  });

  it('keeps the rows of a super-batch for as long as somebody holds it, and no longer', async () => {
    const source = sourceOf([300]);
    const dropped: string[] = [];
    const window = createSuperBatches<string>({
      open: async () => createOrder(source, options, 's'),
      ahead: 1,
      steps: 20,
      stateEvery: 3,
      drop(rows) {
        dropped.push(...rows);
        source.drop(rows);
      },
    });
    const [first, again] = [await window.get(0), await window.get(0)];
    const isDropped = () => first.rows.every((row) => dropped.includes(row));
    window.release(1);
    expect(isDropped()).toBe(false);
    first.release();
    first.release();
    expect(isDropped()).toBe(false);
    again.release();
    expect(isDropped()).toBe(true);
    // One that is held stays while the window is opened anew, and once it is closed.
    const second = await window.get(1);
    (await window.get(9)).release();
    expect(dropped).not.toContain(second.rows[0]);
    await window.close();
    expect(new Set(source.kept.keys())).toEqual(new Set(second.rows));
    second.release();
    expect([...source.kept]).toEqual([]);
  });
});

describe('a read that fails', () => {
  it('fails who asks for its step, and goes on at the next ask', async () => {
    const sound = sourceOf([300, 300]);
    let isBroken = false;
    const source: OrderSource<string> = {
      ...sound,
      async *read(group, from) {
        if (isBroken) throw new Error('the disk coughs');
        yield* sound.read(group, from);
      },
    };
    const expected = await drawn(createOrder(sourceOf([300, 300]), options, 's'), 4);
    const window = createSuperBatches<string>({
      open: async () => createOrder(source, options, 's'),
      ahead: 0,
      steps: 9,
      stateEvery: 3,
      drop: () => {},
    });
    isBroken = true;
    await expect(window.get(0)).rejects.toThrow('the disk coughs');
    isBroken = false;
    for (const [step, rows] of expected.entries()) expect((await window.get(step)).rows).toEqual(rows);
    await window.close();
  });
});

function selectionOf(step: number): RecordedSelection {
  const selection = {
    indices: Uint32Array.of(1, 0),
    chunks: Uint32Array.of(0, 1),
    selfScores: Float64Array.of(step, 2),
    logits: Float64Array.of(3, 4),
  };
  const superBatch = { keys: [`a${step}`, 'b'], languages: ['en', 'de'] };
  return {
    step,
    learnerStep: step % 2 === 0 ? null : step - 1,
    rows: selectionRows(step, { superBatch, selection, terms: null }),
  };
}

describe('the journal of selections', () => {
  it('keeps what was added whatever a kill leaves behind it, and makes the same parquet', async () => {
    const folder = await temporaryFolder();
    const path = join(folder, 'journal');
    const journal = await openJournal(path);
    for (let step = 0; step < 5; step += 1) await journal.add(selectionOf(step));
    await expect(journal.add(selectionOf(9))).rejects.toThrow(/step 9 comes after that of 4/);
    await journal.writeParquet(join(folder, 'whole.parquet'));
    await journal.close();
    const bytes = await readFile(path);

    await appendFile(path, bytes.subarray(0, 50));
    const torn = await openJournal(path);
    expect(torn.steps()).toBe(5);
    expect((await torn.read(3)).learnerStep).toBe(2);
    expect((await torn.read(4)).rows.getChild('key')?.toJSON()).toEqual(['b', 'a4']);
    await torn.close();
    await truncate(path, bytes.length - 1);
    const cut = await openJournal(path);
    expect(cut.steps()).toBe(4);
    await cut.add(selectionOf(4));
    await cut.writeParquet(join(folder, 'again.parquet'));
    await cut.close();
    expect(await readFile(path)).toEqual(bytes);
    expect(await readFile(join(folder, 'again.parquet'))).toEqual(
      await readFile(join(folder, 'whole.parquet')),
    );
    const back = await openJournal(path, 2);
    expect(back.steps()).toBe(2);
    await back.close();
  });

  it('writes on where the disk takes a part', async () => {
    const written = new Uint8Array(20);
    const file = {
      async write(bytes: Uint8Array, from: number, length: number, at: number) {
        const bytesWritten = Math.min(3, length);
        written.set(bytes.subarray(from, from + bytesWritten), at);
        return { bytesWritten, buffer: bytes };
      },
    };
    const bytes = Uint8Array.from({ length: 10 }, (_, i) => i + 1);
    await writeWhole(file as unknown as Parameters<typeof writeWhole>[0], bytes, 5);
    expect([...written]).toEqual([...new Array(5).fill(0), ...bytes, ...new Array(5).fill(0)]);
  });
});
