import { type ViewName, views } from './views.ts';

/** Where a view's rows come from: the variable that lists its files, how they are read, and what they have. */
export interface ViewSource {
  /** A table function over a variable of the connection: no path is ever part of a statement. */
  readonly read: string;
  /** The columns that the files have. */
  readonly present: ReadonlySet<string>;
}

/** The column of a file that an expression of {@link views} is made of. */
const virtualColumns = new Set(['filename', 'file_row_number']);

/**
 * The select list of a view over files: its documented columns, in order, null where the files lack them. All names
 * are this program's own; what the files call their columns is never part of it.
 */
export function selectOf(name: ViewName, source: ViewSource | null): string {
  const columns = Object.entries(views[name].columns).map(
    ([column, { type, from = column }]: [string, { type: string; from?: string }]) => {
      const base = (/\((\w+)\)$/.exec(from)?.[1] ?? from.split('.')[0]) as string;
      const isThere = source !== null && (source.present.has(base) || virtualColumns.has(base));
      const value = from === column ? `"${column}"` : from;
      return `${isThere ? `TRY_CAST(${value} AS ${type})` : `NULL::${type}`} AS "${column}"`;
    },
  );
  return source === null
    ? `SELECT ${columns.join(', ')} WHERE false`
    : `SELECT ${columns.join(', ')} FROM ${source.read}`;
}

/** A duplicate's verdict names the row that is kept: in a column of its own, or in its words in older runs. */
const groupKey = `coalesce(kept_key, CASE reason WHEN 'exact-duplicate' THEN substr(value, 4) ELSE
  regexp_extract(value, '^of (.*?)( through .*)?: (\\d+ <= \\d+ bits, colours [\\d.]+ <= [\\d.]+|through rows that are left out)$', 1, 's') END)`;

const kindOf = `CASE reason WHEN 'exact-duplicate' THEN 'exact' ELSE 'near' END`;

/** The views that are made of others; `labels` is read only where the shards have it. */
export function derivedViews(hasLabels: boolean): Readonly<Record<string, string>> {
  const labelled = `SELECT key, label.stage AS stage, label.reason AS reason, label.value AS value,
    label.threshold AS threshold FROM (SELECT key, unnest(labels) AS label FROM rows)`;
  const members = [
    `SELECT ${groupKey} AS group_key, key, ${kindOf} AS kind, 'dropped' AS outcome, value, threshold
     FROM dropped WHERE stage = 'deduplicate'`,
    ...(hasLabels
      ? [
          `SELECT ${groupKey} AS group_key, key, ${kindOf} AS kind, 'labelled' AS outcome, value, threshold
           FROM (SELECT *, NULL::VARCHAR AS kept_key FROM (${labelled})) WHERE stage = 'deduplicate'`,
        ]
      : []),
  ].join(' UNION ALL ');
  return {
    verdicts: [
      "SELECT key, 'dropped' AS outcome, stage, reason, value, threshold FROM dropped",
      `SELECT key, 'quarantined' AS outcome, stage, reason, detail AS value, NULL::VARCHAR AS threshold
       FROM quarantined`,
      ...(hasLabels
        ? [`SELECT key, 'labelled' AS outcome, stage, reason, value, threshold FROM (${labelled})`]
        : []),
    ].join(' UNION ALL '),
    duplicates: `WITH members AS MATERIALIZED (${members})
      SELECT group_key, key, kind, outcome, value, threshold FROM members
      UNION ALL SELECT DISTINCT group_key, group_key, 'kept', 'kept', NULL, NULL FROM members`,
    regions: `SELECT key, (place - 1)::INTEGER AS region, language, part.text AS text, part.score AS score,
        part.box[1] AS ymin, part.box[2] AS xmin, part.box[3] AS ymax, part.box[4] AS xmax
      FROM (SELECT key, language, unnest(regions) AS part, generate_subscripts(regions, 1) AS place FROM rows)`,
  };
}
