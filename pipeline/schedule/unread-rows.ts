import { isTar, listOf } from '../../stages/read-shards/tar-rows.ts';
import { endOf } from '../curation/admit/part.ts';
import { type AdmitTask, partOfTask } from '../curation/admit/plan.ts';
import type { ReadTask, RowRange } from '../curation/plan/tasks.ts';

/** Rows of one row group. */
export interface GroupRows {
  /** Null for a tar, whose rows are counted from its start. */
  readonly group: number | null;
  /** In order and apart; one that is open comes last. */
  readonly ranges: readonly RowRange[];
}

/** Rows of a shard: all that it has, or some of its row groups'. */
export type ShardRows = 'all' | readonly GroupRows[];

/**
 * Rows by the path of the shard that the quarantine names: what is unread of a data set, and what the tasks of a run read of
 * it. What is read again and what leaves the quarantine are both told by this, so that neither can be more than the other.
 */
export type RowsByShard = ReadonlyMap<string, ShardRows>;

/** What is chosen by beside the rows that are unread. */
export interface Choice {
  /** Identities of the tasks that earlier increments have done: a file of another one is another file. */
  readonly seen: ReadonlySet<string>;
  /** Whether parquet files beside tars are their lists. */
  readonly lists: boolean;
  /** How many rows a row group of a shard has. */
  readonly rowsOf: (path: string, group: number) => number;
}

/**
 * Which of the tasks over all shards read what is unread: the rows in question alone where a shard is what it was, all of
 * one that is another file now. A tar's list is read with it, whatever is read of the tar. Pure.
 */
export function chooseUnread(
  tasks: readonly AdmitTask[],
  unread: RowsByShard,
  { seen, lists, rowsOf }: Choice,
): Omit<AdmitTask, 'position'>[] {
  return tasks.flatMap((task) => {
    const { path, identity, rowGroups, rows } = task;
    const own = unread.get(path);
    const isListed = lists && isTar(path) && unread.has(listOf(path));
    if (own === undefined && !isListed) return [];
    if (own === 'all' || !seen.has(identity)) return [task];
    const groups = own ?? [];
    if (rowGroups === undefined) {
      const found = groups.find(({ group }) => group === null);
      return found || isListed ? [partOfTask(task, null, found?.ranges ?? [], rows)] : [];
    }
    return groups.flatMap(({ group, ranges }) =>
      group !== null && group >= rowGroups.from && group < rowGroups.to
        ? [partOfTask(task, group, ranges, rowsOf(path, group))]
        : [],
    );
  });
}

/**
 * What the tasks of a run read, as the quarantine of earlier runs names it. A task over whole row groups reads a file that is
 * new to the data set, or of which nothing could be read: all that was said of one of its path is done with. Pure.
 */
export function rowsRead(
  tasks: readonly Pick<ReadTask, 'path' | 'rowGroups' | 'only'>[],
  lists: boolean,
): RowsByShard {
  const read = new Map<string, ShardRows>();
  for (const { path, rowGroups, only } of tasks) {
    const before = read.get(path) ?? [];
    if (only === undefined || before === 'all') read.set(path, 'all');
    else if (only.length > 0) read.set(path, [...before, { group: rowGroups?.from ?? null, ranges: only }]);
    if (lists && isTar(path)) read.set(listOf(path), 'all');
  }
  return read;
}

/** Ranges of one row group as few that are in order and apart: what they have in common, and what is next to it, is one. Pure. */
export function mergeRanges(ranges: readonly RowRange[]): RowRange[] {
  const merged: RowRange[] = [];
  for (const range of [...ranges].sort(([a], [b]) => a - b)) {
    const last = merged.at(-1);
    if (last === undefined || endOf(last) < range[0]) merged.push(range);
    else if (endOf(range) > endOf(last)) merged[merged.length - 1] = [last[0], range[1]];
  }
  return merged;
}
