import type { RecordBatch } from 'apache-arrow';
import type { Preset } from '../../schemas/presets.ts';
import type { StageContext } from '../../schemas/stage.ts';

/** The stage's name, in the entries of the quarantine. */
export const stage = 'read-shards';

/** What couldn't be read of a row group is an entry of the quarantine a row, or one where it is more rows than this. */
export const mostEntries = 1_000_000;

/** What a reader of shards goes by. */
export interface ReadOptions {
  readonly kind: Preset;
  /** Rows of a record batch at the most; a batch never spans row groups. */
  readonly batchRows: number;
  /** Bytes that reading may hold. */
  readonly memory: number;
  /** What keys that are made begin with: one name a shard. */
  readonly name: string;
  /** The row groups from `from` up to, not including, `to`; all where absent. */
  readonly rowGroups?: { readonly from: number; readonly to: number } | undefined;
}

/**
 * Reads one shard of a kind of file, in order, in bounded memory. What can't be read is handed to the context's
 * quarantine, never thrown, unless the storage fails; of the rows, each is yielded or quarantined.
 */
export type ShardReader = (
  path: string,
  options: ReadOptions,
  context: StageContext,
) => AsyncGenerator<RecordBatch>;

/** Hands a whole shard, or what is left of it from a row on, to the quarantine. */
export function refuseShard(
  context: StageContext,
  shard: string,
  reason: string,
  detail: string,
  firstRow = 0,
): void {
  context.quarantine({ key: null, shard, rowGroup: null, row: null, firstRow, stage, reason, detail });
}

/** What an error says. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
