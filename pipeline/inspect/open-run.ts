import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import {
  DOUBLE,
  type DuckDBConnection,
  DuckDBInstance,
  type DuckDBValue,
  LIST,
  listValue,
  VARCHAR,
} from '@duckdb/node-api';
import type { QueryRow } from '../report/queries.ts';
import { findRun, type RunParts } from './run-parts.ts';
import { derivedViews, selectOf, type ViewSource } from './view-sql.ts';
import { type ViewName, views } from './views.ts';

/** A value that is bound to a statement; lists are of texts or of numbers, such as an embedding. */
export type BoundValue = string | number | bigint | boolean | null | readonly string[] | readonly number[];

/** A run's folder, open as views. */
export interface OpenRun {
  readonly parts: RunParts;
  /** The connection that {@link query} uses, for results in chunks; statements on it wait for each other. */
  readonly connection: DuckDBConnection;
  /** Asks DuckDB; values are bound by name (`$name`), never put in the SQL. BIGINT comes as bigint. */
  query(sql: string, values?: Readonly<Record<string, BoundValue>>): Promise<QueryRow[]>;
  /** Another connection on which the views work, for questions beside each other. The caller closes it. */
  connect(): Promise<DuckDBConnection>;
  close(): Promise<void>;
}

/** How a run is opened. */
export interface OpenRunOptions {
  /** Whether SQL may read and write any file, attach databases and load extensions. No unless told. */
  readonly unrestricted?: boolean;
  /** Files that SQL may read or write beside the run's own. */
  readonly allow?: readonly string[];
  /** Memory before DuckDB spills to the system's temporary folder, such as `2GB`. */
  readonly memory?: string;
}

/** The variables of a connection that list the files of a view. */
const variables = ['shards', 'dropped', 'quarantine', 'lineage', 'selections', 'offers', 'metrics'] as const;
type Variable = (typeof variables)[number];

/**
 * Opens a run's folder (of a curation, a distillation, or a demo with both) as the views of {@link views} in a DuckDB
 * in memory. Unless it is told otherwise, DuckDB can read the run's own files and nothing else, and loads no
 * extension; what writes is refused by {@link ./statements.ts}. Throws a UsageError when the folder holds no run.
 */
export async function openRun(folder: string, options: OpenRunOptions = {}): Promise<OpenRun> {
  const parts = await findRun(folder);
  const files = filesOf(parts);
  const spill = await mkdtemp(join(tmpdir(), 'assay-inspect-'));
  const instance = await DuckDBInstance.create(':memory:', {
    temp_directory: spill,
    memory_limit: options.memory ?? '2GB',
  });
  const opened: DuckDBConnection[] = [];
  const connect = async () => {
    const connection = await instance.connect();
    for (const name of variables) {
      await connection.run(
        `SET VARIABLE ${variableOf(name)} = $files`,
        { files: listValue(files[name].map(withoutGlobs)) },
        { files: LIST(VARCHAR) },
      );
    }
    return connection;
  };
  const close = async () => {
    for (const connection of opened) connection.closeSync();
    instance.closeSync();
    await rm(spill, { recursive: true, force: true });
  };
  try {
    const connection = await connect();
    opened.push(connection);
    await connection.run('SET parquet_metadata_cache = true');
    await createViews(connection, files);
    await createTables(connection, parts);
    if (!options.unrestricted)
      await lock(connection, [...Object.values(files).flat(), ...(options.allow ?? [])]);
    return { parts, connection, connect, close, query: (sql, values) => ask(connection, sql, values) };
  } catch (error) {
    await close();
    throw error;
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

function filesOf({ curated, distilled }: RunParts): Record<Variable, readonly string[]> {
  const absolute = (paths: readonly string[] = []) => paths.map((path) => resolve(path));
  return {
    shards: absolute(curated?.files.shards),
    dropped: absolute(curated?.files.dropped),
    quarantine: absolute(curated?.files.quarantine),
    lineage: absolute(curated?.files.lineage),
    selections: absolute(distilled?.files.selections),
    offers: absolute(distilled?.files.offers),
    metrics: absolute(distilled?.files.metrics),
  };
}

function variableOf(name: Variable): string {
  return `assay_${name}`;
}

/** DuckDB takes what it is given for a pattern. */
function withoutGlobs(path: string): string {
  return path.replace(/[[*?]/g, '[$&]');
}

/** The views over files: which files, and how they are read. */
const fileViews: Readonly<Partial<Record<ViewName, Variable>>> = {
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

async function createViews(connection: DuckDBConnection, files: Record<Variable, readonly string[]>) {
  const sources = new Map<Variable, ViewSource | null>();
  for (const name of variables) {
    sources.set(name, files[name].length === 0 ? null : await sourceOf(connection, name));
  }
  for (const [view, variable] of Object.entries(fileViews) as [ViewName, Variable][]) {
    await connection.run(`CREATE VIEW "${view}" AS ${selectOf(view, sources.get(variable) ?? null)}`);
  }
  const hasLabels = sources.get('shards')?.present.has('labels') ?? false;
  for (const [view, sql] of Object.entries(derivedViews(hasLabels))) {
    await connection.run(`CREATE VIEW "${view}" AS ${sql}`);
  }
}

async function sourceOf(connection: DuckDBConnection, name: Variable): Promise<ViewSource> {
  const list = `getvariable('${variableOf(name)}')`;
  const read =
    name === 'metrics'
      ? `read_json(${list}, format = 'newline_delimited', columns = {run: 'VARCHAR', step: 'INTEGER', loss: 'DOUBLE', gradientNorm: 'DOUBLE', learningRate: 'DOUBLE', seconds: 'DOUBLE', flops: 'DOUBLE'})`
      : `read_parquet(${list})`;
  const described = await ask(connection, `DESCRIBE SELECT * FROM ${read}`);
  return { read, present: new Set(described.map((row) => String(row.column_name))) };
}

/** What the reports say, as small tables of the database. */
async function createTables(connection: DuckDBConnection, { curated, distilled }: RunParts): Promise<void> {
  for (const name of ['languages', 'stages'] as const) {
    const columns = Object.entries(views[name].columns).map(([column, { type }]) => `"${column}" ${type}`);
    await connection.run(`CREATE TABLE "${name}" (${columns.join(', ')})`);
  }
  const stages = curated?.report.stages ?? [];
  for (const [position, { stage, in: rowsIn, out, seconds }] of stages.entries()) {
    const values = { position, stage, rowsIn, out, seconds };
    await connection.run('INSERT INTO stages VALUES ($position, $stage, $rowsIn, $out, $seconds)', values);
  }
  const counted = new Map(Object.entries(distilled?.report.drift?.counts ?? {}));
  const reported = new Map((curated?.report.languages ?? []).map((entry) => [entry.language, entry]));
  for (const language of new Set([...reported.keys(), ...counted.keys()])) {
    const { seen, available, kept, requestedShare, realisedShare } = reported.get(language) ?? {};
    const { offered, selected } = counted.get(language) ?? {};
    const figures = { seen, available, kept, requestedShare, realisedShare, offered, selected };
    const values = Object.fromEntries(Object.entries(figures).map(([name, value]) => [name, value ?? null]));
    await connection.run(
      `INSERT INTO languages VALUES ($language, $seen, $available, $kept, $requestedShare, $realisedShare,
         $offered, $selected)`,
      { language, ...values },
    );
  }
}

/** From here on SQL reaches these files and no other, and nothing can be set. */
async function lock(connection: DuckDBConnection, files: readonly string[]): Promise<void> {
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
