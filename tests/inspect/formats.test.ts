import { DuckDBInstance } from '@duckdb/node-api';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { answerOf } from '../../pipeline/inspect/answers.ts';
import { formatAnswer, printable, type TextFormat } from '../../pipeline/inspect/formats.ts';

let instance: DuckDBInstance;

beforeAll(async () => {
  instance = await DuckDBInstance.create(':memory:');
});
afterAll(() => instance.closeSync());

async function formatted(sql: string, format: TextFormat): Promise<string> {
  const connection = await instance.connect();
  let text = '';
  for await (const piece of formatAnswer(await answerOf(connection, sql), format)) text += piece;
  connection.closeSync();
  return text;
}

/** An independent reader of RFC 4180. */
function parseCsv(text: string): string[][] {
  const rows: string[][] = [[]];
  const field = /"((?:[^"]|"")*)"|([^",\n]*)/y;
  for (let at = 0; at < text.length; ) {
    field.lastIndex = at;
    const found = field.exec(text);
    rows.at(-1)?.push(found?.[1]?.replaceAll('""', '"') ?? found?.[2] ?? '');
    at = field.lastIndex;
    if (text[at] === '\n') rows.push([]);
    at += 1;
  }
  return rows.slice(0, -1);
}

const texts = fc.array(fc.tuple(fc.string({ unit: 'binary' }), fc.string()), { minLength: 1, maxLength: 5 });

async function fill(rows: readonly (readonly [string, string])[]): Promise<void> {
  const connection = await instance.connect();
  await connection.run('CREATE OR REPLACE TABLE made (a VARCHAR, b VARCHAR)');
  for (const [a, b] of rows) await connection.run('INSERT INTO made VALUES ($a, $b)', { a, b });
  connection.closeSync();
}

describe('answers as text', () => {
  it('CSV and JSON give any text back as it was', async () => {
    await fc.assert(
      fc.asyncProperty(texts, async (rows) => {
        // A text that is bound ends at a zero.
        const clean = rows.map((row) => row.map((text) => text.replaceAll('\0', '')) as [string, string]);
        await fill(clean);
        expect(parseCsv(await formatted('FROM made', 'csv'))).toEqual([['a', 'b'], ...clean]);
        const objects = JSON.parse(await formatted('FROM made', 'json'));
        expect(objects).toEqual(clean.map(([a, b]) => ({ a, b })));
      }),
      { numRuns: 30 },
    );
  });

  it('markdown keeps a row on its line and its cells in their places', async () => {
    await fill([['a | b\n<script>', '`c`\\|*d*']]);
    const lines = (await formatted('FROM made', 'markdown')).trimEnd().split('\n');
    expect(lines).toHaveLength(3);
    expect(lines[2]?.match(/(?<!\\)(?:\\\\)*\|/g)).toHaveLength(3);
    expect(lines[2]).not.toContain('<');
  });

  it('numbers, lists, structs, bytes and nulls are what a program expects', async () => {
    const sql = `SELECT 5::BIGINT AS n, 9007199254740993::BIGINT AS large, 0.1::FLOAT AS f, 1.5::DECIMAL(4, 2) AS d,
      [0.1]::FLOAT[] AS l, {'a': [1], 'b': NULL} AS s, 'hi'::BLOB AS bytes, NULL AS nothing, 'nan'::DOUBLE AS nan,
      DATE '2020-01-02' AS day, true AS yes, 1 AS n`;
    expect(JSON.parse(await formatted(sql, 'json'))).toEqual([
      {
        n: 5,
        large: '9007199254740993',
        f: 0.1,
        d: 1.5,
        l: [0.1],
        s: { a: [1], b: null },
        bytes: 'aGk=',
        nothing: null,
        nan: 'NaN',
        day: '2020-01-02',
        yes: true,
        'n:1': 1,
      },
    ]);
    expect(await formatted(sql, 'table')).toContain('<2 bytes>');
  });

  it('an answer without rows has its head alone', async () => {
    const sql = 'SELECT 1 AS a WHERE false';
    expect(await formatted(sql, 'csv')).toBe('a\n');
    expect(JSON.parse(await formatted(sql, 'json'))).toEqual([]);
  });

  it('a table shows its first thousand rows, and says so when there are more', async () => {
    const all = await formatted('FROM range(1000)', 'table');
    const more = await formatted('FROM range(5000)', 'table');
    expect(all.split('\n')).toHaveLength(1005);
    expect(more.split('\n')).toHaveLength(1006);
    expect(more).toContain('the first 1000 rows');
    expect(all).not.toContain('the first');
  });

  it('what a terminal would obey is shown, not sent', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        expect(printable(text)).not.toMatch(/[\p{Cc}\u2028\u2029\u202a-\u202e\u2066-\u2069]/u);
      }),
    );
    expect(printable('a\u001b]0;x\u0007\nصندوق')).toBe('a\\u001b]0;x\\u0007\\nصندوق');
  });
});
