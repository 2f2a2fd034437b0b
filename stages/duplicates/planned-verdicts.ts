import { column } from '../../schemas/batches.ts';
import type { Stage } from '../../schemas/stage.ts';
import { applyVerdicts, type FilterMode, type Verdict } from '../../schemas/verdicts.ts';

/** What a plan over the whole data set says of the rows of a row group: those that it names are not wanted. */
export type PlannedVerdicts = (shard: string, rowGroup: number) => Promise<ReadonlyMap<number, Verdict>>;

/**
 * A filter whose verdicts were reached over the whole data set. The plan is asked once a row group, so what is held
 * is one row group's share, whatever the size of the data set.
 */
export function filterByPlan(name: string, verdictsOf: PlannedVerdicts, mode: FilterMode): Stage {
  return {
    name,
    async *run(batches, context) {
      let held: { of: string; rows: ReadonlyMap<number, Verdict> } = { of: '', rows: new Map() };
      for await (const batch of batches) {
        context.signal.throwIfAborted();
        const rows = column(batch, 'row');
        const [shards, groups] = [column(batch, 'shard'), column(batch, 'row_group')];
        const verdicts: (Verdict | undefined)[] = [];
        for (let i = 0; i < batch.numRows; i += 1) {
          const of = `${groups.get(i)}\u0000${shards.get(i)}`;
          if (of !== held.of) held = { of, rows: await verdictsOf(shards.get(i), groups.get(i)) };
          verdicts.push(held.rows.get(rows.get(i)));
        }
        const kept = applyVerdicts(batch, verdicts, { stage: name, mode }, context);
        if (kept !== null) yield kept;
      }
    },
  };
}
