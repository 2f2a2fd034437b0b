import { column, takeRows } from '../schemas/batches.ts';
import type { Stage } from '../schemas/stage.ts';

/** Which rows of a row group are duplicates, each with the key of the row that is kept in its place. */
export type DuplicatesOf = (shard: string, rowGroup: number) => Promise<ReadonlyMap<number, string>>;

const stage = 'deduplicate';

/**
 * Drops the rows that a plan over the whole data set calls duplicates. The plan is asked once a row group, so what
 * is held is one row group's share, whatever the size of the data set.
 */
export function deduplicate(duplicatesOf: DuplicatesOf): Stage {
  return {
    name: stage,
    async *run(batches, context) {
      let held: { of: string; rows: ReadonlyMap<number, string> } = { of: '', rows: new Map() };
      for await (const batch of batches) {
        context.signal.throwIfAborted();
        const [keys, rows] = [column(batch, 'key'), column(batch, 'row')];
        const [shards, groups] = [column(batch, 'shard'), column(batch, 'row_group')];
        const kept: number[] = [];
        for (let i = 0; i < batch.numRows; i += 1) {
          const of = `${groups.get(i)}\u0000${shards.get(i)}`;
          if (of !== held.of) held = { of, rows: await duplicatesOf(shards.get(i), groups.get(i)) };
          const keptKey = held.rows.get(rows.get(i));
          if (keptKey === undefined) kept.push(i);
          else context.drop({ key: keys.get(i), stage, reason: 'exact-duplicate', value: `of ${keptKey}` });
        }
        if (kept.length > 0) yield kept.length === batch.numRows ? batch : takeRows(batch, kept);
      }
    },
  };
}
