import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DuckDBInstance } from '@duckdb/node-api';
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { UsageError } from '../../pipeline/errors.ts';
import { exportDatabase } from '../../pipeline/inspect/export-database.ts';
import { openRun } from '../../pipeline/inspect/open-run.ts';
import { cutStatements, isBlank, questionsOf, statementsOf } from '../../pipeline/inspect/statements.ts';
import { type InspectRequest, inspect } from '../../pipeline/inspect/write-answer.ts';
import { temporaryFolder } from '../support.ts';
import { type MadeRun, makeRun } from './made-run.ts';

let made: MadeRun;

beforeAll(async () => {
  made = await makeRun();
});

const signal = new AbortController().signal;

/** Every file of a folder with what is in it. */
async function contents(folder: string): Promise<Record<string, string>> {
  const names = await readdir(folder, { recursive: true });
  const files: Record<string, string> = {};
  for (const name of names.sort()) {
    const path = join(folder, name);
    if ((await stat(path)).isDirectory()) files[name] = 'folder';
    else
      files[name] = createHash('sha256')
        .update(await readFile(path))
        .digest('hex');
  }
  return files;
}

const request = (sql: string, more: Partial<InspectRequest> = {}): InspectRequest => ({
  sql,
  format: 'csv',
  out: null,
  unrestricted: false,
  ...more,
});

describe("a user's SQL", () => {
  it('changes nothing, on the disk or in the database, whatever it tries', async () => {
    const shard = join(made.folder, 'curated', 'shards', '00000.parquet');
    const elsewhere = join(made.folder, 'new');
    const secret = join(await temporaryFolder(), 'secret.csv');
    await writeFile(secret, 'a\n1\n');
    const before = await contents(made.folder);
    const tries = [
      `COPY (SELECT 1) TO '${shard}'`,
      `COPY rows TO '${elsewhere}.csv'`,
      `EXPLAIN ANALYZE COPY (SELECT 1) TO '${shard}' (FORMAT parquet)`,
      `explain analyze /* x */ copy (select 1) to '${shard}' (format parquet)`,
      `SELECT 1; COPY (SELECT 1) TO '${shard}' (FORMAT parquet)`,
      `PREPARE p AS COPY (SELECT 1) TO '${shard}' (FORMAT parquet)`,
      `ATTACH '${elsewhere}.duckdb'`,
      `ATTACH '${shard}'`,
      `EXPORT DATABASE '${elsewhere}'`,
      `IMPORT DATABASE '${elsewhere}'`,
      'INSTALL httpfs',
      'LOAD httpfs',
      "LOAD '/tmp/x.duckdb_extension'",
      'SET enable_external_access = true',
      'RESET lock_configuration',
      `SET VARIABLE assay_main_shards = ['${secret}']`,
      "SET temp_directory = '/tmp/else'",
      "PRAGMA enable_profiling = 'json'",
      'CREATE TABLE t AS SELECT 1',
      'CREATE OR REPLACE VIEW rows AS SELECT 1 AS key',
      'DROP VIEW rows',
      'DELETE FROM languages',
      'UPDATE stages SET rows_in = 0',
      "INSERT INTO languages (language) VALUES ('x')",
      'CALL checkpoint()',
      'CHECKPOINT',
      'BEGIN',
      `SELECT * FROM '${secret}'`,
      `SELECT * FROM read_csv('${secret}')`,
      `SELECT * FROM read_text('${secret}')`,
      `SELECT * FROM glob('${join(secret, '..')}/*')`,
      `SELECT * FROM query('COPY (SELECT 1) TO ''${elsewhere}.csv''')`,
      "SELECT * FROM read_parquet('https://example.org/x.parquet')",
    ];
    for (const sql of tries)
      await expect(inspect(made.folder, request(sql), signal), sql).rejects.toThrow(UsageError);
    const run = await openRun(made.folder);
    try {
      for (const sql of tries)
        await expect(
          questionsOf(run.connection, sql).then(() => run.query(sql)),
          sql,
        ).rejects.toThrow();
      const [row] = await run.query(
        'SELECT (SELECT count(*) FROM rows)::INT AS rows, (SELECT count(*) FROM languages)::INT AS languages',
      );
      expect(row).toEqual({ rows: made.rows.length, languages: 3 });
    } finally {
      await run.close();
    }
    expect(await contents(made.folder)).toEqual(before);
  });

  it('is answered when it is a question', async () => {
    const run = await openRun(made.folder);
    try {
      for (const sql of [
        'SELECT 1; SELECT 2;',
        'FROM rows LIMIT 1',
        'DESCRIBE rows',
        'SUMMARIZE regions',
        'SHOW TABLES',
        'EXPLAIN SELECT * FROM rows',
        'EXPLAIN ANALYZE SELECT count(*) FROM rows',
        "PIVOT dropped ON reason IN ('aspect') USING count(*) GROUP BY stage",
        'WITH a AS (SELECT 1) SELECT * FROM a',
        '-- a comment; with a semicolon\nSELECT 1 -- and another',
      ]) {
        const statements = await questionsOf(run.connection, sql);
        for (const statement of statements) await run.query(statement);
        expect(statements.length).toBe(sql.startsWith('SELECT 1; ') ? 2 : 1);
      }
      for (const empty of ['', ' ; ', '-- nothing', '/* ; */']) {
        await expect(questionsOf(run.connection, empty)).rejects.toThrow('no question');
      }
    } finally {
      await run.close();
    }
  });

  it('may do anything when that is asked for', async () => {
    const path = join(await temporaryFolder(), 'out.csv');
    await inspect(
      made.folder,
      request(`COPY (SELECT key FROM rows WHERE key IN ('k0', 'k1')) TO '${path}'`, {
        unrestricted: true,
        out: `${path}.log`,
      }),
      signal,
    );
    expect((await readFile(path, 'utf8')).split('\n')).toHaveLength(4);
  });
});

describe('cutting SQL at its semicolons', () => {
  /** Pieces in which a semicolon ends nothing. */
  const piece = fc.constantFrom(
    "'a;''b'",
    '"c;""d"',
    '$$;$$',
    '$t$ ; $t$',
    '-- ;\n',
    '/* ; /* ; */ ; */',
    "E'\\';'",
    ' x ',
    '1',
    '\n',
  );

  it('finds exactly those that end a statement', () => {
    fc.assert(
      fc.property(
        fc.array(fc.array(piece, { minLength: 1, maxLength: 5 }), { minLength: 1, maxLength: 5 }),
        (parts) => {
          const texts = parts.map((pieces) => pieces.join(' '));
          const { statements, rest } = cutStatements(texts.join(';'));
          expect(statements).toEqual(texts.slice(0, -1).filter((text) => !isBlank(text)));
          expect(rest).toBe(texts.at(-1));
        },
      ),
    );
  });

  it('loses nothing of any text', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: fc.constantFrom("'", '"', '$', ';', '-', '/', '*', '\n', 'a', '\\', 'E') }),
        (sql) => {
          const { statements, rest } = cutStatements(sql);
          expect(sql.endsWith(rest)).toBe(true);
          const kept = [...statements, rest].reduce((sum, { length }) => sum + length, 0);
          const cut = sql.length - kept;
          expect(cut).toBeGreaterThanOrEqual(statements.length);
          expect(cut > 0).toBe(sql.includes(';') && rest !== sql);
          for (const statement of statements) expect(sql).toContain(`${statement};`);
        },
      ),
    );
  });

  it('gives the last statement without its semicolon', () => {
    expect(statementsOf('SELECT 1; SELECT 2')).toEqual(['SELECT 1', ' SELECT 2']);
  });
});

describe('files', () => {
  it('an answer is there whole, as parquet too, or not at all', async () => {
    const folder = await temporaryFolder();
    const path = join(folder, "it's.parquet");
    await inspect(
      made.folder,
      request('SELECT key, regions FROM rows -- all', { format: 'parquet', out: path }),
      signal,
    );
    const instance = await DuckDBInstance.create(':memory:');
    const connection = await instance.connect();
    const read = await connection.runAndReadAll('SELECT key FROM read_parquet($path)', { path });
    expect(read.getRowObjects().map(({ key }) => key)).toEqual(made.rows.map(({ key }) => key));
    instance.closeSync();
    const wrong = request('SELECT error(key) FROM rows', { out: join(folder, 'wrong.csv') });
    await expect(inspect(made.folder, wrong, signal)).rejects.toThrow(UsageError);
    await expect(inspect(made.folder, request('SELECT 1', { format: 'parquet' }), signal)).rejects.toThrow(
      '--out',
    );
    expect(await readdir(folder)).toEqual(["it's.parquet"]);
  });

  it('an export is a database that stands alone, and replaces none', async () => {
    const path = join(await temporaryFolder(), 'run.duckdb');
    const { rows } = await exportDatabase(made.folder, path);
    const run = await openRun(made.folder);
    const instance = await DuckDBInstance.create(path, {
      access_mode: 'READ_ONLY',
      enable_external_access: 'false',
    });
    const connection = await instance.connect();
    for (const name of Object.keys(rows)) {
      const sql = `SELECT * FROM "${name}" ORDER BY ALL`;
      const exported = (await connection.runAndReadAll(sql)).getRowsJson();
      expect(exported).toEqual((await run.connection.runAndReadAll(sql)).getRowsJson());
      expect(exported).toHaveLength(rows[name] as number);
    }
    instance.closeSync();
    await run.close();
    expect(rows).toMatchObject({ rows: made.rows.length, dropped: made.dropped.length, stages: 4 });
    const before = await readFile(path);
    await expect(exportDatabase(made.folder, path)).rejects.toThrow('is there already');
    expect((await readFile(path)).equals(before)).toBe(true);
  });

  it('a folder without a finished run is said to be none', async () => {
    const folder = await temporaryFolder();
    await expect(openRun(join(folder, 'nope'))).rejects.toThrow('no such folder');
    await expect(openRun(folder)).rejects.toThrow('neither manifest.json');
    await mkdir(join(folder, 'work'));
    await expect(openRun(folder)).rejects.toThrow("isn't finished");
    await writeFile(join(folder, 'manifest.json'), '{"kind": 1');
    await expect(openRun(folder)).rejects.toThrow('not JSON');
    await writeFile(join(folder, 'manifest.json'), '{"kind": "curation", "config": {}}');
    await writeFile(join(folder, 'report.json'), '{"read": "many"}');
    await expect(openRun(folder)).rejects.toThrow('report.json: read');
    await expect(exportDatabase(folder, join(folder, 'x.duckdb'))).rejects.toThrow(UsageError);
    expect((await readdir(folder)).sort()).toEqual(['manifest.json', 'report.json', 'work']);
  });
});
