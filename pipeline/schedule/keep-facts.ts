import { copyFile, mkdir, rename, rm, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { glob } from 'tinyglobby';
import { type Database, openDatabase, relationOf } from '../curation/duplicates/database.ts';
import type { FrozenRun } from '../curation/plan/plan-files.ts';
import { keptName } from '../curation/tasks/decide.ts';
import { writingStage } from '../curation/tasks/finish.ts';
import { factFiles, workLayout } from '../curation/tasks/layout.ts';
import { writeJson } from '../run-folder.ts';
import { exactly, parquetOf, quoted } from '../sql-text.ts';
import { syncFolder, syncOne } from '../to-disk.ts';
import { dataSetLayout } from './data-set.ts';
import { countTakenBack, lostName } from './taken-back.ts';

/** What is kept of a run's rows beside their facts, where its recipe made it. */
const beside = ['fingerprints', 'texts', 'terms'] as const;

/**
 * Keeps what later increments need of a finished run's rows in the data set's folder: facts and whether the row was
 * written, fingerprints, counted texts, terms, the identities of the row groups, where the rows were that its second pass
 * lost (they are no rows of it, but of the one that reads them again), and what it read again of what earlier ones couldn't.
 * Ids are below 0, further down for each increment, so that they are no new row's. Whole or not at all; nothing is done
 * where it is there.
 */
export async function keepFacts(folder: string, number: number, run: FrozenRun): Promise<void> {
  const layout = dataSetLayout(folder);
  const to = layout.factsOf(number);
  if ((await stat(to).catch(() => null)) !== null) return;
  await rm(layout.partial, { recursive: true, force: true });
  await mkdir(layout.partial, { recursive: true });
  await mkdir(layout.facts, { recursive: true });
  const database = await openDatabase(layout.partial);
  try {
    await numberRows(database, layout.facts, run);
    await copyTables(database, layout.partial, run);
  } finally {
    database.close();
  }
  for (const name of ['report.json', 'manifest.json']) {
    await copyFile(join(run.folder, name), join(layout.partial, name));
  }
  await writeJson(join(layout.partial, takenBackName), await countTakenBack(folder, number, run));
  // What a database writes may be in memory alone.
  await syncFolder(layout.partial);
  await rename(layout.partial, to);
  await syncOne(layout.facts);
}

/** The name, among what is kept of an increment, of what it read again of what earlier ones couldn't. */
export const takenBackName = 'taken-back.json';

/** Makes the table `rows` (id, kept_id, written) of a run's rows, and `lost` of those that are in quarantine to be tried again. */
async function numberRows(database: Database, earlier: string, run: FrozenRun): Promise<void> {
  const facts = relationOf(factFiles(run.folder).facts);
  const [decide] = run.tasks('decide');
  if (decide === undefined) throw new Error('a plan without the phase decide');
  const before = (await glob('*/facts.parquet', { cwd: earlier })).length > 0;
  const [least] = before
    ? await database.rows(
        `SELECT min(id) AS id FROM ${parquetOf(join(exactly(earlier), '*', 'facts.parquet'))}`,
      )
    : [];
  const kept = join(workLayout(run.folder).output(decide), keptName);
  const quarantine = parquetOf(join(exactly(run.folder), 'quarantine', '*.parquet'));
  // What the second pass could not write counts nowhere until it is read again: then it is a row of the run that does.
  await database.run(`
    CREATE TABLE lost AS
    SELECT f.id, shard, row_group, "row", language FROM ${facts} f
    SEMI JOIN (SELECT * FROM ${quarantine} WHERE stage = ${quoted(writingStage)}) q USING (shard, row_group, "row")`);
  await database.run(`
    CREATE TABLE rows AS
    SELECT f.id, ${Number(least?.id ?? 0)}::BIGINT - row_number() OVER (ORDER BY f.id) AS kept_id,
      k.id IS NOT NULL AND q.shard IS NULL AS written
    FROM ${facts} f
    ANTI JOIN lost ON lost.id = f.id
    LEFT JOIN ${relationOf(kept)} k ON k.id = f.id
    LEFT JOIN (SELECT DISTINCT shard, row_group, "row" FROM ${quarantine}) q
      ON q.shard = f.shard AND q.row_group = f.row_group AND q."row" = f."row"`);
}

async function copyTables(database: Database, to: string, run: FrozenRun): Promise<void> {
  const files = factFiles(run.folder);
  const copy = (sql: string, name: string) =>
    database.run(
      `COPY (${sql} ORDER BY ALL) TO ${quoted(join(to, `${name}.parquet`))} (FORMAT parquet, COMPRESSION zstd)`,
    );
  const numbered = (relation: string, more = '') =>
    `SELECT x.* REPLACE (r.kept_id AS id)${more} FROM ${relation} x JOIN rows r ON r.id = x.id`;
  await copy(numbered(relationOf(files.facts), ', r.written'), 'facts');
  await copy('SELECT * EXCLUDE (id) FROM lost', basename(lostName, '.parquet'));
  for (const name of beside) {
    if ((await glob(`*/${name}.parquet`, { cwd: workLayout(run.folder).outputs('admit') })).length === 0)
      continue;
    await copy(numbered(relationOf(files[name])), name);
  }
  const tasks = relationOf(workLayout(run.folder).tasks);
  await copy(`SELECT identity, rows FROM ${tasks} WHERE phase = 'admit' AND path IS NOT NULL`, 'tasks');
}

/** The identities of the row groups that earlier increments have read. */
export async function seenIdentities(folder: string): Promise<Set<string>> {
  const { facts } = dataSetLayout(folder);
  if ((await glob('*/tasks.parquet', { cwd: facts })).length === 0) return new Set();
  const database = await openDatabase(facts);
  try {
    const rows = await database.rows(
      `SELECT identity FROM ${parquetOf(join(exactly(facts), '*', 'tasks.parquet'))}`,
    );
    return new Set(rows.map(({ identity }) => String(identity)));
  } finally {
    database.close();
  }
}
