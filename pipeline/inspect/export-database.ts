import { rename, rm, stat } from 'node:fs/promises';
import { UsageError } from '../errors.ts';
import { quoted } from '../sql-text.ts';
import { openRun } from './open-run.ts';
import { derivedViews } from './view-sql.ts';
import { type ViewName, viewNames, views } from './views.ts';

/** Too large for a database that is handed around: they stay in the run's shards. */
const leftOut: ReadonlySet<ViewName> = new Set(['images', 'embeddings']);

/** What the reports are made into as the run is opened. */
const tables: ReadonlySet<ViewName> = new Set(['languages', 'stages']);

/** What an export came to. */
export interface ExportReport {
  readonly path: string;
  readonly bytes: number;
  /** Rows by table or view. */
  readonly rows: Readonly<Record<string, number>>;
}

/**
 * Writes a run's views as a DuckDB database that needs no other file: tables, and views of them, with what each holds
 * as comments; images and embeddings are left out. The file is there once it is whole. Throws a {@link UsageError} when
 * a file of that name is there, or the folder holds no run.
 */
export async function exportDatabase(folder: string, path: string): Promise<ExportReport> {
  if (await stat(path).catch(() => null)) throw new UsageError(`--export: ${path} is there already`);
  const partial = `${path}.partial`;
  const clear = async () => {
    for (const file of [partial, `${partial}.wal`]) await rm(file, { force: true });
  };
  await clear();
  try {
    const rows = await fill(folder, partial);
    await rename(partial, path);
    return { path, bytes: (await stat(path)).size, rows };
  } catch (error) {
    await clear();
    throw error;
  }
}

async function fill(folder: string, database: string): Promise<Record<string, number>> {
  const run = await openRun(folder, { unrestricted: true, database });
  const { connection } = run;
  try {
    const derived = derivedViews(true);
    const exported = viewNames.filter((name) => !leftOut.has(name));
    for (const name of exported) {
      if (tables.has(name) || name in derived) continue;
      await connection.run(`CREATE TABLE main."${name}" AS SELECT * FROM temp.main."${name}"`);
    }
    // This connection's own views would stand before what they were made into.
    for (const name of viewNames) await connection.run(`DROP VIEW IF EXISTS temp.main."${name}"`);
    for (const [name, sql] of Object.entries(derived)) {
      await connection.run(`CREATE VIEW main."${name}" AS ${sql}`);
    }
    const rows: Record<string, number> = {};
    for (const name of exported) {
      await connection.run(
        `COMMENT ON ${name in derived ? 'VIEW' : 'TABLE'} "${name}" IS ${quoted(views[name].what)}`,
      );
      for (const [column, { what }] of Object.entries(views[name].columns)) {
        await connection.run(`COMMENT ON COLUMN "${name}"."${column}" IS ${quoted(what)}`);
      }
      const [counted] = await run.query(`SELECT count(*) AS rows FROM "${name}"`);
      rows[name] = Number(counted?.rows);
    }
    await connection.run('CHECKPOINT');
    return rows;
  } finally {
    await run.close();
  }
}
