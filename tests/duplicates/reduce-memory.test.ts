import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { openDatabase } from '../../pipeline/curation/duplicates/database.ts';
import { reduceFacts } from '../../pipeline/curation/reduce.ts';
import { exactly, parquetOf, quoted } from '../../pipeline/sql-text.ts';
import { mixOptionsSchema } from '../../stages/mix-languages.ts';
import { temporaryFolder } from '../support.ts';

/** Rows: the facts of them are several times what the reduction is given. */
const rows = 600_000;
const memory = 128e6;

/** Facts of rows of which, of 20 in turn, one has the bytes of the row before it, and one looks like the row before it. */
async function writeFacts(folder: string) {
  const database = await openDatabase(folder);
  const write = async (name: string, sql: string) => {
    const path = join(folder, `${name}.parquet`);
    await database.run(`COPY (${sql}) TO ${quoted(path)} (FORMAT parquet)`);
    return parquetOf(exactly(path));
  };
  await write(
    'facts',
    `SELECT i AS id, printf('row-%012d', i) AS key, printf('%06d.parquet', i // 1000) AS shard, 0::INT AS row_group,
       (i % 1000)::INT AS row, sha256(CASE WHEN i % 20 = 11 THEN i - 1 ELSE i END || '') AS sha256,
       ['en', 'de', 'fr'][(i % 3 + 1)::INT] AS language, 100::BIGINT AS pixels,
       (hash(i) % 1000000007) / 1000000007 AS draw, NULL::FLOAT AS score FROM range(${rows}) r(i)`,
  );
  const of = (at: number) => `FROM range(${rows}) r(i) WHERE i % 20 = ${at}`;
  const ranks = await write('ranks', `SELECT i AS id, i - 1 AS rep_id ${of(11)}`);
  const pairs = await write(
    'pairs',
    `SELECT i - 1 AS probe, i AS base, 2::INT AS distance, 1.5::DOUBLE AS colours ${of(1)}`,
  );
  database.close();
  return { facts: join(folder, 'facts.parquet'), found: { ranks, files: () => pairs } };
}

describe('the reduction', () => {
  it('decides on rows of which its memory holds a part, and to what it decides with room for all', async () => {
    const folder = await temporaryFolder();
    const { facts, found } = await writeFacts(folder);
    const decided = async (name: string, limit?: number) => {
      const own = join(folder, name);
      await mkdir(own);
      const reduction = await reduceFacts(facts, own, {
        ...{ fingerprints: null, near: { radius: 8, colours: 12 }, partitionRows: 1_000_000 },
        ...{ evaluation: null, dropsDuplicates: true, found, memory: limit },
      });
      try {
        const mix = await reduction.planMix(mixOptionsSchema.parse({ english: 0.5 }));
        const [saved, ranges] = [await reduction.save(own), await reduction.cut(10_000, mix)];
        return { mix, saved, ranges, verdicts: await reduction.duplicatesOf('000020.parquet', 0) };
      } finally {
        reduction.close();
      }
    };
    const little = await decided('little', memory);
    expect(little).toEqual(await decided('much'));
    expect(little.saved.duplicates).toBe(rows / 10);
    expect(little.verdicts.size).toBe(100);
  });
});
