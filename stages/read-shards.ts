import type { RecordBatch } from 'apache-arrow';
import { z } from 'zod';
import { openShard } from '../schemas/parquet-reader.ts';
import { inputKind, type PresetName, presets } from '../schemas/presets.ts';
import type { StageContext } from '../schemas/stage.ts';
import { nullUnlessStorage } from '../schemas/storage/errors.ts';
import { statObject } from '../schemas/storage/open-storage.ts';
import { shardNames } from './read-shards/keys.ts';
import { readParquet } from './read-shards/read-parquet.ts';
import { readTar } from './read-shards/read-tar.ts';
import { refuseShard } from './read-shards/reader.ts';
import { isTar, listOf } from './read-shards/tar-rows.ts';

const columnSchema = z.string().min(1).optional();

/** Options of {@link readShards}. */
export const readShardsOptionsSchema = z.strictObject({
  /** The kind of shards; `webli` where neither it nor `columns` is given. */
  preset: z.enum(Object.keys(presets) as [PresetName, ...PresetName[]]).optional(),
  /** The shards' own names of the columns: alone, or over those of a preset. */
  columns: z
    .strictObject({
      key: columnSchema,
      url: columnSchema,
      image: columnSchema,
      alt_texts: columnSchema,
      page_title: columnSchema,
      page_language: columnSchema,
      width: columnSchema,
      height: columnSchema,
    })
    .optional(),
  /**
   * Rows of a record batch at the most: 256 with images, 4,096 without, where it isn't given. A batch never spans row
   * groups, and is closed before that by its bytes.
   */
  batchRows: z.int().positive().optional(),
  /** Bytes that reading may hold: pages, members of tars and the batch that they make. */
  memory: z
    .int()
    .positive()
    .default(2 * 1024 ** 3),
});

/** A shard of which only the row groups from `from` up to, not including, `to` are read; all where absent. */
export interface ShardPart {
  readonly path: string;
  readonly rowGroups?: { readonly from: number; readonly to: number };
  /** What keys that are made begin with; the file's name where absent. */
  readonly name?: string;
}

/** Options of {@link readShards}, with their defaults filled in. */
export type ReadShardsOptions = z.infer<typeof readShardsOptionsSchema>;

/**
 * Reads shards in the order given as record batches of `rowTypes`, the preset's scores and `provenanceTypes`: parquet
 * page by page, tars member by member, so that memory hangs on neither the shards nor their row groups. What can't be
 * read is quarantined with its reason, and never ends the run; a storage that fails does, with a `StorageError`.
 */
export async function* readShards(
  shards: readonly (string | ShardPart)[],
  options: ReadShardsOptions,
  context: StageContext,
): AsyncGenerator<RecordBatch> {
  const { memory } = options;
  const kind = inputKind(options);
  const batchRows = options.batchRows ?? (kind.columns.image === null ? 4096 : 256);
  const parts = shards.map((part): ShardPart => (typeof part === 'string' ? { path: part } : part));
  const nameOf = await shardNames(parts.map(({ path }) => path));
  for (const { path, rowGroups, name = nameOf(path) } of parts) {
    context.signal.throwIfAborted();
    // Of a shard's parts the first one says what is wrong with all of it.
    const refusing = (rowGroups?.from ?? 0) === 0 ? context : { ...context, quarantine() {} };
    const format = isTar(path) ? 'tar' : 'parquet';
    if (!kind.files.includes(format)) {
      const expected = kind.files.join(' or ');
      refuseShard(
        refusing,
        path,
        'wrong-format',
        `${options.preset ?? 'this input'} is read from ${expected}`,
      );
      continue;
    }
    const read = format === 'tar' ? readTar : readParquet;
    yield* read(path, { kind, batchRows, memory, name, rowGroups }, context);
  }
}

/**
 * The number of rows that the shards' footers promise, for progress; a shard without a sound footer counts none, and
 * so does a tar without a list of its rows.
 */
export async function countRows(shards: readonly string[]): Promise<number> {
  let rows = 0;
  for (const path of shards) {
    const listed = isTar(path) ? listOf(path) : path;
    if ((await statObject(listed)) === null) continue;
    const shard = await openShard(listed).catch(nullUnlessStorage);
    for (const group of shard?.rowGroups ?? []) if (group.problem === null) rows += group.rows;
  }
  return rows;
}
