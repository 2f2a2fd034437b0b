import type { QuarantinedRow } from '../../../schemas/stage.ts';
import { indexInTar, placeInTar } from '../../../stages/read-shards/tar-rows.ts';
import type { ReadTask, RowRange } from '../plan/tasks.ts';

/** A row's number as the ranges of a task count it: in its row group, or in the tar where it has none (`isTar`). */
export function countedRow(isTar: boolean, rowGroup: number, row: number): number {
  return isTar ? indexInTar(rowGroup, row) : row;
}

/** Whether a row is in one of the ranges, which are in order. */
export function isAmong(row: number, ranges: readonly RowRange[]): boolean {
  let [low, high] = [0, ranges.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (endOf(ranges[middle]) > row) high = middle;
    else low = middle + 1;
  }
  return row >= (ranges[low]?.[0] ?? Number.POSITIVE_INFINITY);
}

/** Where a range ends: nowhere where it is open. */
export function endOf(range: RowRange | undefined): number {
  return range?.[1] ?? Number.POSITIVE_INFINITY;
}

/**
 * What a task that reads a part of its shard says of an entry of the quarantine: nothing of rows that aren't its own, which
 * are accounted for by the run that read them; of an entry that stands for many rows its own, a row each, or in one where
 * they go on to the end. Of a tar's list, which is read whole, everything. Pure.
 */
export function* ownEntries(
  { path, rowGroups, only }: Pick<ReadTask, 'path' | 'rowGroups' | 'only'>,
  entry: QuarantinedRow,
): Generator<QuarantinedRow> {
  if (only === undefined || entry.shard !== path) return yield entry;
  const isTar = rowGroups === undefined;
  const { firstRow = 0, ...said } = entry;
  if (said.row !== null) {
    if (isAmong(countedRow(isTar, said.rowGroup ?? 0, said.row), only)) yield said;
    return;
  }
  for (const range of only) {
    const [from, to] = [Math.max(range[0], firstRow), range[1]];
    if (to === null) yield { ...said, rowGroup: rowGroups?.from ?? null, firstRow: from };
    for (let row = from; row < (to ?? 0); row += 1) {
      yield { ...said, ...(isTar ? placeInTar(row) : { rowGroup: rowGroups.from, row }) };
    }
  }
}
