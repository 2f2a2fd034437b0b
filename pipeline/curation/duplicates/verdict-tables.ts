import { join } from 'node:path';
import type { Verdict } from '../../../schemas/verdicts.ts';
import type { DuplicatesOf } from '../../../stages/deduplicate.ts';
import type { BoilerplateOf, BoilerplateText } from '../../../stages/drop-boilerplate.ts';
import { type Nearness, nearnessThreshold, nearnessValue } from '../../../stages/duplicates/nearness.ts';
import type { PlannedVerdicts } from '../../../stages/duplicates/planned-verdicts.ts';
import { quoted } from '../../sql-text.ts';
import { balanceVerdict } from '../balance/reduce.ts';
import { type Bound, type Database, relationOf } from './database.ts';

/** What near is, for the verdicts' values; null where only equal bytes count. */
export interface VerdictNearness {
  readonly near: Nearness | null;
  readonly evaluation: Nearness | null;
}

/** What a reduction says of rows, one table a stage. */
export interface Verdicts {
  readonly contaminatedOf: PlannedVerdicts;
  readonly boilerplateOf: BoilerplateOf;
  readonly duplicatesOf: DuplicatesOf;
  readonly unbalancedOf: PlannedVerdicts;
}

/** The tables of verdicts, as the reduction's own tables make them: id, shard, row_group, row, and what was found. */
const tables = {
  contaminated: `SELECT f.id, shard, row_group, "row", evaluation_key, distance, colours
    FROM facts f JOIN ranked USING (id) JOIN contaminated USING (rep_id)`,
  duplicates: `SELECT f.id, shard, row_group, "row", kept_key, exact, through, distance, colours
    FROM facts f JOIN gathered g USING (id) LEFT JOIN closest ON closest.id = g.rep_id WHERE f.id <> kept_id`,
  unbalanced: `SELECT f.id, shard, row_group, "row", u.draw, probability, matched
    FROM facts f JOIN unbalanced u USING (id)`,
  boilerplate: 'SELECT id, shard, row_group, "row", place, images, threshold, host FROM boilerplate',
} as const;

type TableName = keyof typeof tables;

/** Rows of the saved tables, by name: of those that there are. */
export type SavedVerdicts = Readonly<Record<string, number>>;

/** Asks one row group of the tables after the other. */
type Ask = (table: TableName, shard: string, rowGroup: number) => Promise<readonly Found[]>;
type Found = Readonly<Record<string, unknown>>;

/** Verdicts by the tables of a reduction, which are asked once a row group. */
export function askDatabase(database: Database, isBalanced: boolean, nearness: VerdictNearness): Verdicts {
  return verdictsBy(async (table, shard, rowGroup) => {
    if (table === 'unbalanced' && !isBalanced) return [];
    const values: Bound = { shard, rowGroup };
    await database.run(`CREATE TABLE IF NOT EXISTS asked_${table} AS ${tables[table]}`);
    const where = 'shard = $shard AND row_group = $rowGroup';
    return database.rows(`SELECT * FROM asked_${table} WHERE ${where} ORDER BY ALL`, values);
  }, nearness);
}

/**
 * Writes the verdicts of a reduction to a folder, in the order of the ids, so that a range of rows finds its own, and says
 * how many there are.
 */
export async function saveVerdicts(
  database: Database,
  isBalanced: boolean,
  folder: string,
): Promise<SavedVerdicts> {
  const saved: Record<string, number> = {};
  for (const [name, sql] of Object.entries(tables)) {
    if (name === 'unbalanced' && !isBalanced) continue;
    const to = quoted(join(folder, `${name}.parquet`));
    const [copied] = await database.rows(
      `COPY (SELECT * FROM (${sql}) ORDER BY ALL) TO ${to} (FORMAT parquet, ROW_GROUP_SIZE 8192)`,
    );
    saved[name] = Number(copied?.Count);
  }
  return saved;
}

/**
 * Reads the saved verdicts of the rows of ids [from, to): no more than those are held. Tables without a row are not asked
 * for.
 */
export async function readVerdicts(
  open: () => Promise<Database>,
  folder: string,
  { from, to }: { readonly from: number; readonly to: number },
  saved: SavedVerdicts,
  nearness: VerdictNearness,
): Promise<Verdicts> {
  const held = new Map<string, Found[]>();
  const keyOf = (table: string, shard: unknown, rowGroup: unknown) =>
    `${table}\u0000${rowGroup}\u0000${shard}`;
  for (const [name, count] of Object.entries(saved)) {
    if (count === 0) continue;
    const rows = await (await open()).rows(
      `SELECT * FROM ${relationOf(join(folder, `${name}.parquet`))}
       WHERE id >= ${from}::BIGINT AND id < ${to}::BIGINT ORDER BY ALL`,
    );
    for (const row of rows) {
      const key = keyOf(name, row.shard, row.row_group);
      const list = held.get(key) ?? [];
      held.set(key, list);
      list.push(row);
    }
  }
  return verdictsBy(
    async (table, shard, rowGroup) => held.get(keyOf(table, shard, rowGroup)) ?? [],
    nearness,
  );
}

function verdictsBy(ask: Ask, { near, evaluation }: VerdictNearness): Verdicts {
  const by =
    <V extends Verdict>(table: TableName, verdictOf: (row: Found) => V) =>
    async (shard: string, rowGroup: number): Promise<ReadonlyMap<number, V>> =>
      new Map((await ask(table, shard, rowGroup)).map((row) => [Number(row.row), verdictOf(row)]));
  return {
    contaminatedOf: by('contaminated', (row) => contamination(row, evaluation)),
    duplicatesOf: by('duplicates', (row) => duplicate(row, near)),
    unbalancedOf: by('unbalanced', balanceVerdict),
    async boilerplateOf(shard, rowGroup) {
      const rows = new Map<number, BoilerplateText[]>();
      for (const { row, place, images, threshold, host } of await ask('boilerplate', shard, rowGroup)) {
        const texts = rows.get(Number(row)) ?? [];
        rows.set(Number(row), texts);
        texts.push({
          place: Number(place),
          images: Number(images),
          threshold: Number(threshold),
          host: host === null ? null : String(host),
        });
      }
      return rows;
    },
  };
}

function duplicate(row: Found, near: Nearness | null) {
  const kept = String(row.kept_key);
  if (row.exact === true || near === null) {
    return { reason: 'exact-duplicate', value: `of ${kept}`, kept } as const;
  }
  const value =
    row.distance === null
      ? `of ${kept}: through rows that are left out`
      : nearnessValue(kept, nearnessOf(row), near, String(row.through));
  return { reason: 'near-duplicate', value, threshold: nearnessThreshold(near), kept } as const;
}

function contamination(row: Found, nearness: Nearness | null) {
  const of = String(row.evaluation_key);
  const isExact = row.distance === null || nearness === null;
  if (isExact) return { reason: 'near-evaluation', value: `of ${of}: the same bytes` };
  const value = nearnessValue(of, nearnessOf(row), nearness);
  return { reason: 'near-evaluation', value, threshold: nearnessThreshold(nearness) };
}

function nearnessOf(row: Found) {
  return { distance: Number(row.distance), colours: Number(row.colours) };
}
