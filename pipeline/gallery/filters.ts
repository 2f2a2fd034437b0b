import { z } from 'zod';
import type { BoundValue } from '../inspect/open-run.ts';
import { type FacetName, outcomes, type Sort, sorts } from './api.ts';
import { decodeCursor } from './cursor.ts';

const sortNames = Object.keys(sorts) as [Sort, ...Sort[]];

/** A parameter that may be given several times. */
const several = <T extends z.ZodType>(value: T) =>
  z.preprocess(
    (given) => (given === undefined ? [] : Array.isArray(given) ? given : [given]),
    z.array(value).max(500),
  );

const name = z.string().max(4096);
const figure = z
  .string()
  .regex(/^-?\d{1,20}(\.\d{1,20})?(e[+-]?\d{1,3})?$/i)
  .transform(Number);
const step = z
  .string()
  .regex(/^\d{1,9}$/)
  .transform(Number);

const filters = {
  outcome: several(z.enum(outcomes)),
  /** The empty text stands for rows without one. */
  language: several(name),
  stage: several(name),
  reason: several(name),
  /** The score that `min` and `max` bound, ends included. */
  score: z.enum(sortNames).optional(),
  min: figure.optional(),
  max: figure.optional(),
  /** The key of the row that is kept for a group of duplicates. */
  group: name.optional(),
  /** Rows selected at one of these steps, ends included. */
  from: step.optional(),
  to: step.optional(),
  /** Words that the alt-texts hold, all of them, in any order. */
  text: z.string().max(500).optional(),
  /** The name of a search by embeddings. */
  search: z.string().max(64).optional(),
} as const;

/** What rows are asked for, as the parameters of an address. Nothing else is taken. */
export const filtersSchema = z.strictObject(filters);
export type Filters = z.infer<typeof filtersSchema>;

/** Rows in an order, from a cursor on. */
export const rowsQuerySchema = z.strictObject({
  ...filters,
  sort: z.enum(sortNames).default('order'),
  direction: z.enum(['asc', 'desc']).default('desc'),
  cursor: z.string().max(200).optional(),
  limit: z
    .string()
    .regex(/^\d{1,3}$/)
    .transform(Number)
    .pipe(z.int().min(1).max(200))
    .default(60),
});
export type RowsQuery = z.infer<typeof rowsQuerySchema>;

/** Rows near what was searched for: their numbers and cosine similarities, beside each other. */
export interface Near {
  readonly ids: readonly number[];
  readonly nearness: readonly number[];
}

/** A part of a statement, with the values bound in it. */
export interface SqlPart {
  readonly sql: string;
  readonly values: Readonly<Record<string, BoundValue>>;
}

/** The rows that a question is about, and what holds of them: FROM and WHERE. One facet may be left out of it. */
export function rowsWhere(query: Filters, near: Near | null, except?: FacetName): SqlPart {
  const conditions: string[] = [];
  const values: Record<string, BoundValue> = {};
  for (const facet of ['outcome', 'language', 'stage', 'reason'] as const) {
    if (query[facet].length === 0 || facet === except) continue;
    conditions.push(`list_contains($${facet}, coalesce(${facet}, ''))`);
    values[facet] = query[facet];
  }
  const { score, min, max, group, from, to } = query;
  for (const [bound, operator, value] of [
    ['min', '>=', min],
    ['max', '<=', max],
  ] as const) {
    if (score === undefined || score === 'order' || value === undefined) continue;
    if (score === 'nearness' && near === null) continue;
    conditions.push(`${score} ${operator} $${bound}[1]`);
    // A list binds it as a double: a whole number alone would be bound as an integer, and may not fit one.
    values[bound] = [value];
  }
  if (group !== undefined) {
    conditions.push('group_key = $group');
    values.group = group;
  }
  if (from !== undefined || to !== undefined) {
    conditions.push('id IN (SELECT id FROM gallery_steps WHERE step BETWEEN $from AND $to)');
    values.from = from ?? 0;
    values.to = to ?? 2 ** 31 - 1;
  }
  for (const [i, word] of wordsOf(query.text ?? '').entries()) {
    conditions.push(`contains(search, $word${i})`);
    values[`word${i}`] = word;
  }
  if (near !== null) {
    values.ids = near.ids;
    values.nearness = near.nearness;
  }
  return {
    sql: `${fromOf(near)}${conditions.length > 0 ? ` WHERE ${conditions.join(' AND ')}` : ''}`,
    values,
  };
}

function fromOf(near: Near | null): string {
  if (near === null) return 'FROM gallery';
  if (near.ids.length === 0) return 'FROM (SELECT *, NULL::DOUBLE AS nearness FROM gallery WHERE false)';
  return 'FROM gallery JOIN (SELECT unnest($ids)::BIGINT AS id, unnest($nearness) AS nearness) USING (id)';
}

/** The words of a search, as they are in the index: small letters. */
export function wordsOf(text: string): string[] {
  return text.normalize('NFC').toLowerCase().split(/\s+/u).filter(Boolean).slice(0, 12);
}

/** What rows are sorted by; those without it come last either way, and ties go by number. */
export function sortOf({ sort }: Pick<RowsQuery, 'sort'>, near: Near | null): string {
  return sort === 'order' || (sort === 'nearness' && near === null) ? 'id' : sort;
}

/** Rows as they are written go one way; scores go both. */
export function directionOf({ sort, direction }: Pick<RowsQuery, 'sort' | 'direction'>): 'asc' | 'desc' {
  return sort === 'order' ? 'asc' : direction;
}

/**
 * The statement of one page: the numbers of its rows in order, with what they are sorted by, from the cursor on and one
 * more than `limit` to see the end. The rows themselves are read by their numbers: only narrow columns are sorted.
 */
export function pageSql(query: RowsQuery, near: Near | null): SqlPart {
  const where = rowsWhere(query, near);
  const [sort, direction] = [sortOf(query, near), directionOf(query)];
  const values: Record<string, BoundValue> = { ...where.values, limit: query.limit + 1 };
  let after = '';
  if (query.cursor !== undefined) {
    const { value, id } = decodeCursor(query.cursor, query);
    const beyond = `${sort} ${direction === 'asc' ? '>' : '<'} $at[1] OR ${sort} IS NULL`;
    values.after = id;
    if (sort === 'id') after = 'id > $after';
    else if (value === null) after = `(${sort} IS NULL AND id > $after)`;
    else {
      after = `(${beyond} OR (${sort} = $at[1] AND id > $after))`;
      values.at = [value];
    }
    after = `${where.sql.includes(' WHERE ') ? ' AND' : ' WHERE'} ${after}`;
  }
  const order = sort === 'id' ? 'id' : `${sort} ${direction} NULLS LAST, id`;
  const columns = `id, ${sort}::DOUBLE AS sorted_by${near === null ? '' : ', nearness'}`;
  return { sql: `SELECT ${columns} ${where.sql}${after} ORDER BY ${order} LIMIT $limit`, values };
}
