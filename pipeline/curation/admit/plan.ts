import { createHash } from 'node:crypto';
import { openShard, type RowGroupFacts } from '../../../schemas/parquet-reader.ts';
import { nullUnlessStorage } from '../../../schemas/storage/errors.ts';
import { openObject } from '../../../schemas/storage/open-storage.ts';
import type { ByteSource } from '../../../schemas/storage/storage.ts';
import { countRows } from '../../../stages/read-shards.ts';
import { endOfPart, type RowRange } from '../plan/tasks.ts';

/** What a plan needs of one shard. */
export interface ShardFacts {
  readonly path: string;
  /** Its size and a sha256 of its footer: the same wherever the file lies and whatever it is called. */
  readonly identity: string;
  /** What keys that are made of its rows begin with. */
  readonly name: string;
  /** Empty for a file that has no sound parquet footer: such a shard is one task. */
  readonly rowGroups: readonly Pick<RowGroupFacts, 'rows' | 'bytes'>[];
  /** Rows that it promises, where it has no row groups to say so. */
  readonly rows?: number;
}

/** One piece of the first pass: a run of row groups of one shard, which one process takes from start to end. */
export interface AdmitTask {
  /** Its place among the tasks: what it leaves is taken up in this order. */
  readonly position: number;
  /**
   * What it works on, by content: size, footer and row groups. Two runs over the same data have the same; copies of one
   * shard are counted.
   */
  readonly identity: string;
  readonly path: string;
  readonly name: string;
  /** The row groups from `from` up to, not including, `to`; all of the shard where absent. */
  readonly rowGroups?: { readonly from: number; readonly to: number };
  /** The rows of its row group, or of its tar, that alone are read, in order and apart; all where absent. */
  readonly only?: readonly RowRange[];
  /** Rows that the footer promises; 0 where there is none. */
  readonly rows: number;
}

/** Uncompressed bytes of a task's row groups, which are never split: enough to be worth a task's start. */
const taskBytes = 32 * 1024 * 1024;

/**
 * Cuts shards into tasks, in an order that hangs on what is in the shards: not on their names, their folders or the
 * order in which they are given. Pure.
 */
export function planTasks(shards: readonly ShardFacts[], bytes: number = taskBytes): AdmitTask[] {
  const order = (a: string, b: string) => (a < b ? -1 : a > b ? 1 : 0);
  const sorted = [...shards].sort((a, b) => order(a.identity, b.identity) || order(a.path, b.path));
  const copies = new Map<string, number>();
  return sorted
    .map((shard) => {
      const copy = (copies.get(shard.identity) ?? 0) + 1;
      copies.set(shard.identity, copy);
      return copy === 1 ? shard : { ...shard, identity: `${shard.identity}#${copy}` };
    })
    .flatMap(cutInto(bytes))
    .map((task, position) => ({ position, ...task }));
}

const cutInto =
  (bytes: number) =>
  ({ path, identity, name, rowGroups, rows: promised = 0 }: ShardFacts): Omit<AdmitTask, 'position'>[] => {
    if (rowGroups.length === 0) return [{ identity, path, name, rows: promised }];
    const tasks: Omit<AdmitTask, 'position'>[] = [];
    let [from, held, rows] = [0, 0, 0];
    const cut = (to: number) => {
      const rowGroups = { from, to };
      tasks.push({ identity: `${identity}${endOfPart({ rowGroups })}`, path, name, rowGroups, rows });
      [from, held, rows] = [to, 0, 0];
    };
    rowGroups.forEach((group, i) => {
      if (i > from && held + group.bytes > bytes) cut(i);
      held += group.bytes;
      rows += group.rows;
    });
    cut(rowGroups.length);
    return tasks;
  };

/**
 * The part of a task that reads these rows of one of its row groups, which has `rows`, and no others; of its tar's where
 * `rowGroup` is null. Pure.
 */
export function partOfTask(
  { path, name, identity, rowGroups }: AdmitTask,
  rowGroup: number | null,
  only: readonly RowRange[],
  rows: number,
): Omit<AdmitTask, 'position'> {
  const shard = rowGroups === undefined ? identity : identity.slice(0, -endOfPart({ rowGroups }).length);
  const part = { only, ...(rowGroup === null ? {} : { rowGroups: { from: rowGroup, to: rowGroup + 1 } }) };
  const read = only.reduce((sum, [from, to]) => sum + Math.max(0, (to ?? rows) - from), 0);
  return { identity: `${shard}${endOfPart(part)}`, path, name, ...part, rows: read };
}

/** Reads what a plan needs of a shard of a name. Throws only where the file can't be opened. */
export async function readShardFacts(path: string, name: string): Promise<ShardFacts> {
  const source = await openObject(path);
  const tail = await readTail(source);
  const shard = await openShard(path).catch(nullUnlessStorage);
  const identity = `${createHash('sha256').update(tail).digest('hex')}:${source.size}`;
  if (shard === null) return { path, identity, name, rowGroups: [], rows: await countRows([path]) };
  // What a footer says of a row group with a problem may be anything.
  const sound = (group: RowGroupFacts) => (group.problem === null ? group : { rows: 0, bytes: 0 });
  return { path, identity, name, rowGroups: shard.rowGroups.map(sound) };
}

const usualTail = 64 * 1024;

/** A parquet file's footer, and its length and magic after it; of another file the last 64 KiB. */
async function readTail(source: ByteSource): Promise<Uint8Array> {
  const last = async (bytes: number) => Buffer.from((await source.read(source.size - bytes, bytes)).buffer);
  const usual = await last(Math.min(source.size, usualTail));
  if (usual.length < 8 || usual.toString('latin1', usual.length - 4) !== 'PAR1') return usual;
  const footer = usual.readUInt32LE(usual.length - 8) + 8;
  if (footer > source.size) return usual;
  return footer <= usual.length ? usual.subarray(usual.length - footer) : await last(footer);
}
