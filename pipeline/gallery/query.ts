import type { DuckDBConnection } from '@duckdb/node-api';
import { ask, type BoundValue, type OpenRun } from '../inspect/open-run.ts';
import type { QueryRow } from '../report/queries.ts';
import {
  type Anchors,
  type FacetName,
  type Facets,
  type FacetValue,
  facetNames,
  type Outcome,
  outcomes,
  type Region,
  type Row,
  type RowsPage,
  type Sort,
  sorts,
} from './api.ts';
import { encodeCursor } from './cursor.ts';
import {
  directionOf,
  type Filters,
  type Near,
  pageSql,
  type RowsQuery,
  rowsWhere,
  sortOf,
} from './filters.ts';
import { indexRows } from './index-rows.ts';
import type { Sources } from './sources.ts';

/** Where a row's picture is: a shard, the row's index in it, and whether that is a source shard. */
export interface PicturePlace {
  readonly file: string;
  readonly row: number;
  readonly isSource: boolean;
}

/** A row as it is, with what its card doesn't show. */
export interface WholeRow {
  readonly row: Row;
  readonly url: string | null;
  readonly picture: PicturePlace | null;
}

/** The questions that the gallery asks. */
export interface GalleryQueries {
  /** Rows of each outcome. */
  readonly rows: Readonly<Record<Outcome, number>>;
  /** Sorts that have values, with their bounds. */
  readonly scores: readonly { readonly name: Sort; readonly least: number; readonly most: number }[];
  /** The last step at which rows were selected; null where none were. */
  readonly lastStep: number | null;
  /** Why rows that were left out lack their texts; null where they have them. */
  readonly sourcesOff: string | null;
  /** One page of rows. Throws a CursorError on a cursor that isn't of this order. */
  page(query: RowsQuery, near?: Near | null): Promise<RowsPage>;
  /** The number of rows, and of rows by each facet's values under the other facets. */
  facets(filters: Filters, near?: Near | null): Promise<Facets>;
  /** Cursors along the rows, so that a reader can start anywhere. */
  anchors(query: RowsQuery, near?: Near | null): Promise<Anchors>;
  /** One row, by its number. */
  row(id: number): Promise<WholeRow | null>;
  /** One row's number, by its key: that of the kept row where several have it. */
  find(key: string): Promise<number | null>;
  /** The first rows of a duplicates' group, the kept one before the others. */
  group(key: string, most: number): Promise<Row[]>;
  close(): void;
}

/** Scores that a range can be asked of. */
const ranged = (Object.keys(sorts) as Sort[]).filter(
  (sort) => !['order', 'shuffle', 'nearness'].includes(sort),
);

/** As many anchors as an answer holds at the most. */
const mostAnchors = 20_000;
/** As many values of a facet as are listed. */
const mostValues = 300;

const columns = `id, outcome, key, text, texts, language, language_score, stage, reason, value, threshold, width, height,
  text_score, learnability, selections, first_step, group_key, group_size, regions`;

/**
 * Opens a run's rows for the gallery: they are indexed first, a few seconds a million rows. Throws what DuckDB throws
 * where the run's files can't be read.
 */
export async function openGalleryQueries(run: OpenRun, sources: Sources | null): Promise<GalleryQueries> {
  const pages = await run.connect();
  // Facets and anchors take longer: a page never waits for them.
  const counts = await run.connect();
  const sourcesOff = await indexRows(pages, run, sources);
  return {
    rows: await countOutcomes(counts),
    scores: await boundsOf(counts),
    lastStep: await lastStepOf(counts),
    sourcesOff,
    page: (query, near = null) => askPage(pages, query, near),
    facets: (filters, near = null) => askFacets(counts, filters, near),
    anchors: (query, near = null) => askAnchors(counts, query, near),
    async row(id) {
      const [found] = await ask(pages, `SELECT ${columns}, url, file, file_row FROM gallery WHERE id = $id`, {
        id,
      });
      return found ? wholeRow(found) : null;
    },
    async find(key) {
      const [found] = await ask(pages, 'SELECT min(id)::DOUBLE AS id FROM gallery WHERE key = $key', { key });
      return typeof found?.id === 'number' ? found.id : null;
    },
    async group(key, most) {
      const found = await ask(
        pages,
        `SELECT ${columns} FROM gallery WHERE group_key = $key ORDER BY outcome <> 'kept', id LIMIT $most`,
        { key, most },
      );
      return found.map(rowOf);
    },
    close() {
      pages.closeSync();
      counts.closeSync();
    },
  };
}

async function askPage(connection: DuckDBConnection, query: RowsQuery, near: Near | null): Promise<RowsPage> {
  const { sql, values } = pageSql(query, near);
  const places = await ask(connection, sql, values);
  const shown = places.slice(0, query.limit);
  const last = shown.at(-1);
  const found = await rowsOf(
    connection,
    shown.map(({ id }) => Number(id)),
  );
  const rows = shown.flatMap(({ id, nearness }) => {
    const row = found.get(Number(id));
    return row ? [{ ...row, nearness: numberOrNull(nearness) }] : [];
  });
  return { rows, next: places.length > query.limit && last ? cursorOf(last, query) : null };
}

/** Rows by their numbers, each given as a value of its own, so that DuckDB reads only where they are. */
async function rowsOf(connection: DuckDBConnection, ids: readonly number[]): Promise<Map<number, Row>> {
  if (ids.length === 0) return new Map();
  const values = Object.fromEntries(ids.map((id, i) => [`id${i}`, id]));
  const names = Object.keys(values).map((name) => `$${name}`);
  const found = await ask(
    connection,
    `SELECT ${columns} FROM gallery WHERE id IN (${names.join(', ')})`,
    values,
  );
  return new Map(found.map((row) => [Number(row.id), rowOf(row)]));
}

function cursorOf(row: QueryRow, query: RowsQuery): string {
  return encodeCursor({ value: numberOrNull(row.sorted_by), id: Number(row.id) }, query);
}

async function askFacets(connection: DuckDBConnection, filters: Filters, near: Near | null): Promise<Facets> {
  const values: Partial<Record<FacetName, FacetValue[]>> = {};
  for (const facet of facetNames) {
    const where = rowsWhere(filters, near, facet);
    const found = await ask(
      connection,
      `SELECT ${facet} AS value, count(*)::INTEGER AS many ${where.sql} GROUP BY ALL ORDER BY many DESC, value LIMIT ${mostValues}`,
      where.values,
    );
    values[facet] = found.map(({ value, many }) => ({ value: textOrNull(value), rows: Number(many) }));
  }
  const where = rowsWhere(filters, near);
  const [total] = await ask(connection, `SELECT count(*)::INTEGER AS many ${where.sql}`, where.values);
  return { total: Number(total?.many ?? 0), values: values as Facets['values'] };
}

async function askAnchors(
  connection: DuckDBConnection,
  query: RowsQuery,
  near: Near | null,
): Promise<Anchors> {
  const where = rowsWhere(query, near);
  const [total] = await ask(connection, `SELECT count(*)::INTEGER AS many ${where.sql}`, where.values);
  const pages = Math.ceil(Number(total?.many ?? 0) / query.limit);
  const every = query.limit * Math.max(1, Math.ceil(pages / mostAnchors));
  const [sort, direction] = [sortOf(query, near), directionOf(query)];
  const values: Record<string, BoundValue> = { ...where.values, every };
  const found = await ask(
    connection,
    `SELECT id, sorted_by FROM (
       SELECT id, sorted_by, row_number() OVER (ORDER BY sorted_by ${direction} NULLS LAST, id) AS nth
       FROM (SELECT id, ${sort} AS sorted_by ${where.sql}))
     WHERE nth % $every = 0 ORDER BY nth`,
    values,
  );
  return { every, cursors: found.map((row) => cursorOf(row, query)) };
}

async function countOutcomes(connection: DuckDBConnection): Promise<Record<Outcome, number>> {
  const counted: Record<Outcome, number> = { kept: 0, dropped: 0, quarantined: 0 };
  const found = await ask(connection, 'SELECT outcome, count(*)::INTEGER AS many FROM gallery GROUP BY ALL');
  for (const { outcome, many } of found) {
    const known = outcomes.find((name) => name === outcome);
    if (known) counted[known] = Number(many);
  }
  return counted;
}

async function boundsOf(connection: DuckDBConnection): Promise<GalleryQueries['scores']> {
  const list = ranged.map(
    (name) => `min(${name})::DOUBLE AS "least ${name}", max(${name})::DOUBLE AS "most ${name}"`,
  );
  const [found = {}] = await ask(connection, `SELECT ${list.join(', ')} FROM gallery`);
  return ranged.flatMap((name) => {
    const [least, most] = [numberOrNull(found[`least ${name}`]), numberOrNull(found[`most ${name}`])];
    return least === null || most === null ? [] : [{ name, least, most }];
  });
}

async function lastStepOf(connection: DuckDBConnection): Promise<number | null> {
  const [found] = await ask(connection, 'SELECT max(step)::INTEGER AS last FROM gallery_steps');
  return numberOrNull(found?.last);
}

function wholeRow(found: QueryRow): WholeRow {
  const row = rowOf(found);
  const [file, place] = [textOrNull(found.file), numberOrNull(found.file_row)];
  return {
    row,
    url: textOrNull(found.url),
    picture: file !== null && place !== null ? { file, row: place, isSource: row.outcome !== 'kept' } : null,
  };
}

function rowOf(found: QueryRow): Row {
  return {
    id: Number(found.id),
    outcome: outcomes.find((name) => name === found.outcome) ?? 'kept',
    key: textOrNull(found.key),
    text: textOrNull(found.text),
    texts: listOf(found.texts).filter((text) => typeof text === 'string'),
    language: textOrNull(found.language),
    language_score: numberOrNull(found.language_score),
    stage: textOrNull(found.stage),
    reason: textOrNull(found.reason),
    value: textOrNull(found.value),
    threshold: textOrNull(found.threshold),
    width: numberOrNull(found.width),
    height: numberOrNull(found.height),
    text_score: numberOrNull(found.text_score),
    learnability: numberOrNull(found.learnability),
    selections: numberOrNull(found.selections),
    first_step: numberOrNull(found.first_step),
    group_key: textOrNull(found.group_key),
    group_size: numberOrNull(found.group_size),
    regions: regionsOf(found.regions),
    nearness: numberOrNull(found.nearness),
  };
}

function regionsOf(value: unknown): Region[] {
  const list = listOf(value) as { box: unknown; text: unknown; score: unknown }[];
  return list.flatMap(({ box, text, score }): Region[] => {
    const [ymin, xmin, ymax, xmax] = (Array.isArray(box) ? box : []).map(Number);
    if (ymin === undefined || xmin === undefined || ymax === undefined || xmax === undefined) return [];
    return [{ box: [ymin, xmin, ymax, xmax], text: String(text ?? ''), score: Number(score ?? 0) }];
  });
}

/** A list that the index keeps as JSON. */
function listOf(value: unknown): unknown[] {
  const list: unknown = typeof value === 'string' ? JSON.parse(value) : null;
  return Array.isArray(list) ? list : [];
}

function textOrNull(value: unknown): string | null {
  return value === null || value === undefined ? null : String(value);
}

function numberOrNull(value: unknown): number | null {
  if (value === null || value === undefined) return null;
  const number = Number(value);
  return Number.isNaN(number) ? null : number;
}
