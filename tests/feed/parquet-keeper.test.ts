import { describe, expect, it } from 'vitest';
import { createParquetKeeper } from '../../pipeline/feed/parquet-keeper.ts';

/** A journal whose writing ends when it is told to, and says how many steps each was begun with. */
function slowJournal() {
  const begun: number[] = [];
  let end: (error?: Error) => void = () => {};
  const journal = {
    count: 0,
    steps: () => journal.count,
    writeParquet: () => {
      begun.push(journal.count);
      return new Promise<void>((resolve, reject) => {
        end = (error) => (error ? reject(error) : resolve());
      });
    },
  };
  return { journal, begun, end: (error?: Error) => end(error) };
}

const settled = () => new Promise((resolve) => setImmediate(resolve));

describe('selections.parquet', () => {
  it('is written once whenever the steps have doubled, however many are made while it is', async () => {
    const { journal, begun, end } = slowJournal();
    const keeper = createParquetKeeper(journal, '/nowhere');
    const fail = (error: Error) => {
      throw error;
    };
    const step = async (count: number) => {
      for (let i = 0; i < count; i += 1) {
        journal.count += 1;
        keeper.afterStep(fail);
        await settled();
      }
    };
    await step(63);
    expect(begun).toEqual([]);
    await step(100);
    expect(begun).toEqual([64]);
    end();
    await settled();
    // What was asked for meanwhile isn't made up for, step by step: the next one has it all.
    await step(1);
    expect(begun).toEqual([64, 164]);
    end();
    await settled();
    await step(163);
    expect(begun).toEqual([64, 164]);
    await step(1);
    expect(begun).toEqual([64, 164, 328]);
    // The last one has what was selected while it waited for its turn.
    await step(5);
    const last = keeper.write();
    end();
    await settled();
    expect(begun).toEqual([64, 164, 328, 333]);
    end();
    await last;
  });

  it('is written again after a failure, of which is told', async () => {
    const { journal, begun, end } = slowJournal();
    const keeper = createParquetKeeper(journal, '/nowhere');
    const errors: string[] = [];
    journal.count = 64;
    keeper.afterStep((error) => errors.push(error.message));
    await settled();
    end(new Error('the disk is full'));
    await settled();
    expect(errors).toEqual(['the disk is full']);
    journal.count = 65;
    keeper.afterStep(() => {});
    await settled();
    expect(begun).toEqual([64, 65]);
    end();
  });
});
