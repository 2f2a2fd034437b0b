import { createWriteStream } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { finished } from 'node:stream/promises';
import { pack } from 'tar-stream';
import { type Config, parseConfig } from '../../pipeline/config.ts';
import { openDatabase } from '../../pipeline/curation/duplicates/database.ts';
import { inlineEngine } from '../../pipeline/engines/inline.ts';
import { retryIncrements, runIncrement, type Tick } from '../../pipeline/schedule/run-increment.ts';
import { parquetOf } from '../../pipeline/sql-text.ts';
import type { CurationReport } from '../../schemas/reports.ts';
import { quietRun } from '../engines/pool.ts';

/** What a tick added. Throws where it was skipped. */
export function added(tick: Tick) {
  if (tick.kind !== 'added') throw new Error(tick.why);
  return tick;
}

/** All that a report counts, but for the time that it took. */
export function accounts({ stages, reasons, languages, ...report }: CurationReport) {
  const { read, kept, dropped, quarantined, quarantinedShards } = report;
  return {
    ...{ read, kept, dropped, quarantined, quarantinedShards, languages },
    reasons: [...reasons.dropped, ...reasons.quarantined],
    stages: stages.map(({ stage, in: before, out }) => ({ stage, in: before, out })),
  };
}

/**
 * Data sets of a test's folder, by name: each grows from the shards of the folder of its name, by a recipe of these lines.
 */
export function dataSets(folder: string, lines: string) {
  const input = (name: string) => join(folder, name);
  const set = (name: string) => join(folder, `${name}-set`);
  const config = (name: string, more: object = {}): Config => {
    const read = parseConfig(lines.replace('SHARDS', JSON.stringify(input(name))), 'test.yaml');
    return { ...read, ...more };
  };
  const relation = (name: string, part: string) => parquetOf(join(set(name), part, '*.parquet'));
  const asked = async (sql: string): Promise<Record<string, unknown>[]> => {
    const database = await openDatabase(folder);
    try {
      return await database.rows(sql);
    } finally {
      database.close();
    }
  };
  return {
    input,
    set,
    config,
    grow: (name: string, more?: object) =>
      runIncrement(config(name, more), set(name), { ...quietRun(), engine: inlineEngine() }),
    retry: (name: string, more?: object) => retryIncrements(config(name, more), set(name), quietRun()),
    report: async (name: string): Promise<CurationReport> =>
      JSON.parse(await readFile(join(set(name), 'report.json'), 'utf8')),
    asked,
    relation,
    /** The entries of its quarantine, without what was said of them. */
    quarantined: (name: string) =>
      asked(
        `SELECT parse_filename(shard) AS shard, row_group, "row", reason FROM ${relation(name, 'quarantine')}
         ORDER BY shard, row_group, "row"`,
      ),
    /** Keys of the rows that it wrote, in their order. */
    keys: async (name: string) =>
      (await asked(`SELECT key FROM ${relation(name, 'shards')} ORDER BY key`)).map(({ key }) => String(key)),
  };
}

/** Writes a tar of members. */
export async function writeTar(
  path: string,
  members: readonly (readonly [name: string, content: string | Uint8Array])[],
): Promise<void> {
  const tar = pack();
  const file = createWriteStream(path);
  tar.pipe(file);
  for (const [name, content] of members) tar.entry({ name, mtime: new Date(0) }, Buffer.from(content));
  tar.finalize();
  await finished(file);
}
