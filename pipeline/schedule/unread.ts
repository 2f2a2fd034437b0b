import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { hasLists, inputKind } from '../../schemas/presets.ts';
import { groupSamples } from '../../stages/read-shards/tar-rows.ts';
import type { Config } from '../config.ts';
import { openDatabase } from '../curation/duplicates/database.ts';
import type { RowRange } from '../curation/plan/tasks.ts';
import { retriedStages } from '../curation/tasks/commit.ts';
import { exactly, parquetOf, quoted } from '../sql-text.ts';
import { dataSetLayout } from './data-set.ts';
import { mergeRanges, type RowsByShard, type ShardRows } from './unread-rows.ts';

/** Whether parquet files beside the tars of a recipe are their lists. */
export const listsOf = ({ input }: Config): boolean => input !== undefined && hasLists(inputKind(input));

/**
 * Entries of ledgers that are tried again, each with its place as {@link RowsByShard} counts it: `part`, its row group or -1
 * where it is the tar's, or the shard's; `place`, its row there, or the first of those that it stands for (`is_open`).
 */
export function entriesOf(pattern: string): string {
  const isOfTar = `lower(shard) LIKE '%.tar'`;
  // Ledgers of earlier versions don't say where reading stopped.
  const ledgers = `(SELECT * FROM ${parquetOf(pattern, ', union_by_name = true, file_row_number = true')}
    UNION ALL BY NAME SELECT NULL::INTEGER AS first_row WHERE false)`;
  return `(
    SELECT stage, reason, shard, row_group, "row", file_row_number AS entry, "row" IS NULL AS is_open,
      CASE WHEN ${isOfTar} THEN -1 ELSE coalesce(row_group, -1) END AS part,
      coalesce("row", first_row, 0)::BIGINT
        + CASE WHEN ${isOfTar} THEN coalesce(row_group, 0)::BIGINT * ${groupSamples} ELSE 0 END AS place
    FROM ${ledgers}
    WHERE stage IN (${retriedStages.map(quoted).join(', ')}) AND shard IS NOT NULL)`;
}

/** What the increments of a data set couldn't read. */
export async function readUnread(folder: string): Promise<RowsByShard> {
  const quarantine = join(folder, 'quarantine');
  const names = await readdir(quarantine).catch(() => []);
  if (names.length === 0) return new Map();
  const database = await openDatabase(dataSetLayout(folder).runs);
  try {
    const entries = entriesOf(join(exactly(quarantine), '*.parquet'));
    // Rows that follow one another are one range.
    const rows = await database.rows(`
      WITH entries AS (SELECT DISTINCT shard, part, place, is_open FROM ${entries}), runs AS (
        SELECT *, place - row_number() OVER (PARTITION BY shard, part ORDER BY place) AS run
        FROM entries WHERE NOT is_open
      )
      SELECT shard, part, min(place) AS first, max(place) + 1 AS beyond FROM runs GROUP BY shard, part, run
      UNION ALL SELECT shard, part, min(place), NULL FROM entries WHERE is_open GROUP BY shard, part
      ORDER BY shard, part, first`);
    return unreadOf(
      rows.map(({ shard, part, first, beyond }) => ({
        ...{ shard: String(shard), part: Number(part) },
        range: [Number(first), beyond === null ? null : Number(beyond)],
      })),
    );
  } finally {
    database.close();
  }
}

interface Found {
  readonly shard: string;
  readonly part: number;
  readonly range: RowRange;
}

/** Ranges, of which those of one shard and one part follow one another, as what is unread. */
function unreadOf(found: readonly Found[]): RowsByShard {
  const unread = new Map<string, ShardRows>();
  for (let i = 0; i < found.length; ) {
    const { shard, part } = found[i] as Found;
    const ranges: RowRange[] = [];
    while (found[i]?.shard === shard && found[i]?.part === part) ranges.push((found[i++] as Found).range);
    const merged = mergeRanges(ranges);
    const before = unread.get(shard) ?? [];
    const [first, end] = merged[0] ?? [];
    const isWhole = before === 'all' || (part < 0 && first === 0 && end === null);
    unread.set(shard, isWhole ? 'all' : [...before, { group: part < 0 ? null : part, ranges: merged }]);
  }
  return unread;
}
