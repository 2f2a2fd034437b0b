import { resolve } from 'node:path';
import { DOUBLE, type DuckDBConnection, type DuckDBValue, LIST, listValue, VARCHAR } from '@duckdb/node-api';
import type { QueryRow } from '../report/queries.ts';
import type { RunParts } from './run-parts.ts';
import { derivedViews, selectOf, type ViewSource } from './view-sql.ts';
import { type ViewName, views } from './views.ts';

/** A value that is bound to a statement; lists are of texts or of numbers, such as an embedding. */
export type BoundValue = string | number | bigint | boolean | null | readonly string[] | readonly number[];

/** The kinds of files of a run, each listed by a variable of the connection. */
const kinds = ['shards', 'dropped', 'quarantine', 'lineage', 'selections', 'offers', 'metrics'] as const;
type Kind = (typeof kinds)[number];

/** A run whose views stand in a schema. */
export interface RunScope {
  readonly schema: 'main' | 'other';
  readonly parts: RunParts;
  /** Absolute paths. */
  readonly files: Readonly<Record<Kind, readonly string[]>>;
}

/** A run's files, to be shown in a schema. */
export function scopeOf(parts: RunParts, schema: RunScope['schema']): RunScope {
  const { curated, distilled } = parts;
  const absolute = (paths: readonly string[] = []) => paths.map((path) => resolve(path));
  const files = {
    shards: absolute(curated?.files.shards),
    dropped: absolute(curated?.files.dropped),
    quarantine: absolute(curated?.files.quarantine),
    lineage: absolute(curated?.files.lineage),
    selections: absolute(distilled?.files.selections),
    offers: absolute(distilled?.files.offers),
    metrics: absolute(distilled?.files.metrics),
  };
  return { schema, parts, files };
}

/** Tells a connection a run's files: its views work on the connections that know them. */
export async function setFiles(connection: DuckDBConnection, { schema, files }: RunScope): Promise<void> {
  for (const kind of kinds) {
    await connection.run(
      `SET VARIABLE ${variableOf(schema, kind)} = $files`,
      { files: listValue(files[kind].map(withoutGlobs)) },
      { files: LIST(VARCHAR) },
    );
  }
}

function variableOf(schema: RunScope['schema'], kind: Kind): string {
  return `assay_${schema}_${kind}`;
}

/** DuckDB takes what it is given for a pattern. */
function withoutGlobs(path: string): string {
  return path.replace(/[[*?]/g, '[$&]');
}

/** The views over files: which files, and how they are read. */
const fileViews: Readonly<Partial<Record<ViewName, Kind>>> = {
  rows: 'shards',
  dropped: 'dropped',
  quarantined: 'quarantine',
  lineage: 'lineage',
  selections: 'selections',
  offers: 'offers',
  metrics: 'metrics',
  images: 'shards',
  embeddings: 'shards',
};

/** Makes a run's views, and tables of what its reports say. */
export async function createViews(
  connection: DuckDBConnection,
  scope: RunScope,
  kind: 'VIEW' | 'TEMP VIEW' = 'VIEW',
): Promise<void> {
  const { schema, files } = scope;
  // A view of the connection alone stands in no schema of the database.
  const prefix = kind === 'VIEW' ? `${schema}.` : '';
  if (schema !== 'main') await connection.run(`CREATE SCHEMA ${schema}`);
  const sources = new Map<Kind, ViewSource | null>();
  for (const name of kinds) {
    sources.set(name, files[name].length === 0 ? null : await sourceOf(connection, schema, name));
  }
  for (const [view, of] of Object.entries(fileViews) as [ViewName, Kind][]) {
    await connection.run(`CREATE ${kind} ${prefix}"${view}" AS ${selectOf(view, sources.get(of) ?? null)}`);
  }
  const hasLabels = sources.get('shards')?.present.has('labels') ?? false;
  for (const [view, sql] of Object.entries(derivedViews(hasLabels, prefix))) {
    await connection.run(`CREATE ${kind} ${prefix}"${view}" AS ${sql}`);
  }
  await createTables(connection, scope);
}

async function sourceOf(
  connection: DuckDBConnection,
  schema: RunScope['schema'],
  name: Kind,
): Promise<ViewSource> {
  const list = `getvariable('${variableOf(schema, name)}')`;
  const read =
    name === 'metrics'
      ? `read_json(${list}, format = 'newline_delimited', columns = {run: 'VARCHAR', step: 'INTEGER', loss: 'DOUBLE', gradientNorm: 'DOUBLE', learningRate: 'DOUBLE', seconds: 'DOUBLE', flops: 'DOUBLE'})`
      : `read_parquet(${list}, hive_partitioning = false)`;
  const described = await ask(connection, `DESCRIBE SELECT * FROM ${read}`);
  return { read, present: new Set(described.map((row) => String(row.column_name))) };
}

/** What the reports say, as small tables of the database. */
async function createTables(connection: DuckDBConnection, { schema, parts }: RunScope): Promise<void> {
  const { curated, distilled } = parts;
  for (const name of ['languages', 'stages'] as const) {
    const columns = Object.entries(views[name].columns).map(([column, { type }]) => `"${column}" ${type}`);
    await connection.run(`CREATE TABLE ${schema}."${name}" (${columns.join(', ')})`);
  }
  const stages = curated?.report.stages ?? [];
  for (const [position, { stage, in: rowsIn, out, seconds }] of stages.entries()) {
    const values = { position, stage, rowsIn, out, seconds };
    await connection.run(
      `INSERT INTO ${schema}.stages VALUES ($position, $stage, $rowsIn, $out, $seconds)`,
      values,
    );
  }
  const counted = new Map(Object.entries(distilled?.report.drift?.counts ?? {}));
  const reported = new Map((curated?.report.languages ?? []).map((entry) => [entry.language, entry]));
  for (const language of new Set([...reported.keys(), ...counted.keys()])) {
    const { seen, available, kept, requestedShare, realisedShare } = reported.get(language) ?? {};
    const { offered, selected } = counted.get(language) ?? {};
    const figures = { seen, available, kept, requestedShare, realisedShare, offered, selected };
    const values = Object.fromEntries(Object.entries(figures).map(([name, value]) => [name, value ?? null]));
    await connection.run(
      `INSERT INTO ${schema}.languages VALUES ($language, $seen, $available, $kept, $requestedShare, $realisedShare,
         $offered, $selected)`,
      { language, ...values },
    );
  }
}

/** From here on SQL reaches these files and no other, and nothing can be set. */
export async function lock(connection: DuckDBConnection, files: readonly string[]): Promise<void> {
  const paths = files.flatMap((path) => [resolve(path), withoutGlobs(resolve(path))]);
  await connection.run('SET allowed_paths = $paths', { paths: listValue(paths) }, { paths: LIST(VARCHAR) });
  for (const setting of [
    'autoinstall_known_extensions = false',
    'autoload_known_extensions = false',
    'allow_community_extensions = false',
    'enable_external_access = false',
    'lock_configuration = true',
  ]) {
    await connection.run(`SET ${setting}`);
  }
}

/** Asks a connection of an open run; values are bound by name. */
export async function ask(
  connection: DuckDBConnection,
  sql: string,
  values: Readonly<Record<string, BoundValue>> = {},
): Promise<QueryRow[]> {
  const bound: Record<string, DuckDBValue> = {};
  const types: Record<string, ReturnType<typeof LIST>> = {};
  for (const [name, value] of Object.entries(values)) {
    if (!isList(value)) bound[name] = value;
    else {
      bound[name] = listValue([...value]);
      types[name] = LIST(typeof value[0] === 'number' ? DOUBLE : VARCHAR);
    }
  }
  return (await connection.runAndReadAll(sql, bound, types)).getRowObjectsJS();
}

function isList(value: BoundValue): value is readonly string[] | readonly number[] {
  return Array.isArray(value);
}
