import { mkdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { colourBytes, cropCount } from '../../models/duplicates/fingerprint.ts';
import { openDatabase } from '../../pipeline/curation/duplicates/database.ts';
import { hashColumns } from '../../pipeline/curation/duplicates/fingerprint-file.ts';
import { findNearPairs } from '../../pipeline/curation/duplicates/near-pairs.ts';
import { openFingerprints, rankingSql } from '../../pipeline/curation/duplicates/plan.ts';
import { reduceFacts } from '../../pipeline/curation/reduce.ts';
import { exactly, parquetOf, quoted } from '../../pipeline/sql-text.ts';
import { deduplicateOptionsSchema } from '../../stages/deduplicate.ts';
import { mixOptionsSchema } from '../../stages/mix-languages.ts';

/** What a child process measures. */
export interface ReductionRequest {
  readonly folder: string;
  readonly rows: number;
}

/** What it measured: seconds of each step, the most memory it took, bytes of facts, and duplicates planted and found. */
export interface ReductionAnswer {
  readonly rows: number;
  readonly seconds: Readonly<Record<'rank' | 'pairs' | 'decide', number>>;
  readonly peakBytes: number;
  readonly factBytes: number;
  readonly planted: number;
  readonly found: number;
}

/** Rows of a shard of the made-up facts. */
const shardRows = 10_000;
/** Of twenty rows in turn, the one that repeats the bytes of the one before it, and the one that is near the one before it. */
const repeatAt = 11;
const nearAt = 1;

/**
 * Facts as the first pass leaves them. Hashes are evenly spread, which those of photos aren't: fewer meet by chance, and
 * every near pair is planted.
 */
async function makeFacts(folder: string, rows: number) {
  const [facts, fingerprints] = [join(folder, 'facts.parquet'), join(folder, 'fingerprints.parquet')];
  const database = await openDatabase(folder);
  const original = (at: number) => `(CASE WHEN i % 20 = ${at} THEN i - 1 ELSE i END)`;
  const bytes = (of: string) => `md5(${of} || 'a') || md5(${of} || 'b')`;
  await database.run(`
    COPY (SELECT i AS id, printf('row-%012d', i) AS key, printf('%06d.parquet', i // ${shardRows}) AS shard,
        0::INT AS row_group, (i % ${shardRows})::INT AS row, ${bytes(original(repeatAt))} AS sha256,
        ['en', 'de', 'fr', 'sw', 'hi'][(hash(i) % 5 + 1)::INT] AS language, 307200::BIGINT AS pixels,
        (hash(i, 'draw') % 1000000007) / 1000000007 AS draw, NULL::FLOAT AS score
      FROM range(${rows}) r(i)) TO ${quoted(facts)} (FORMAT parquet, COMPRESSION zstd)`);
  const spread = (of: string, crop: number) =>
    `(hash(${of}, ${crop})::HUGEINT - 9223372036854775808)::BIGINT`;
  const hashes = hashColumns.map((name, crop) =>
    crop === 0
      ? `xor(${spread(original(nearAt), 0)}, CASE WHEN i % 20 = ${nearAt} THEN 1099511627784 ELSE 0 END) AS ${name}`
      : `${spread('i', crop)} AS ${name}`,
  );
  // As many bytes as a fingerprint's, which hardly compress.
  const sums = Array.from(
    { length: (cropCount * colourBytes) / 16 },
    (_, i) => `md5(${original(nearAt)} || '${i}')`,
  );
  const colours = `from_hex(${sums.join(' || ')}) AS colours`;
  await database.run(`
    COPY (SELECT i AS id, ${hashes}, ${colours} FROM range(${rows}) r(i))
    TO ${quoted(fingerprints)} (FORMAT parquet, COMPRESSION zstd)`);
  database.close();
  return { facts, fingerprints };
}

async function measured(work: () => Promise<unknown>): Promise<number> {
  const started = performance.now();
  await work();
  return (performance.now() - started) / 1000;
}

/** What the tasks of a run do, `rank` and `pairs` in one task each. */
async function measure({ folder, rows }: ReductionRequest): Promise<ReductionAnswer> {
  const { facts, fingerprints } = await makeFacts(folder, rows);
  const { radius, colours, partitionRows } = deduplicateOptionsSchema.parse({});
  const of = (name: string) => join(folder, `${name}.parquet`);
  const stored = (name: string) => parquetOf(exactly(of(name)));
  const inDatabase = async (name: string, work: (spill: string) => Promise<unknown>) => {
    const spill = join(folder, name);
    await mkdir(spill);
    return measured(() => work(spill));
  };
  const rank = await inDatabase('rank', async (spill) => {
    const database = await openDatabase(spill);
    await database.run(`COPY (${rankingSql(stored('facts'))}) TO ${quoted(of('ranks'))} (FORMAT parquet)`);
    database.close();
  });
  const pairs = await inDatabase('pairs', async (spill) => {
    const database = await openDatabase(spill);
    await openFingerprints(database, 'unique_fingerprints', fingerprints, stored('ranks'));
    const comparison = { probe: 'unique_fingerprints', base: 'unique_fingerprints', into: 'pairs' };
    await findNearPairs(database, comparison, { radius, colours, partitionRows }, spill);
    await database.run(`COPY pairs TO ${quoted(of('pairs'))} (FORMAT parquet)`);
    database.close();
  });
  let found = 0;
  const decide = await inDatabase('decide', async (spill) => {
    const reduction = await reduceFacts(facts, spill, {
      fingerprints,
      near: { radius, colours },
      partitionRows,
      evaluation: null,
      dropsDuplicates: true,
      found: { ranks: stored('ranks'), files: () => stored('pairs') },
    });
    const plan = await reduction.planMix(mixOptionsSchema.parse({}));
    await reduction.save(spill);
    await reduction.cut(shardRows, plan);
    found = rows - Object.values(reduction.counts).reduce((sum, count) => sum + count, 0);
    reduction.close();
  });
  const sizes = await Promise.all([facts, fingerprints].map((path) => stat(path)));
  return {
    rows,
    seconds: { rank, pairs, decide },
    peakBytes: process.resourceUsage().maxRSS * 1024,
    factBytes: sizes.reduce((sum, { size }) => sum + size, 0),
    planted: plantedIn(rows, repeatAt) + plantedIn(rows, nearAt),
    found,
  };
}

/** How many of so many rows are at a place of twenty. */
const plantedIn = (rows: number, at: number) => Math.floor((rows - 1 - at) / 20) + 1;

process.on('disconnect', () => process.exit());
process.on('message', async (request: ReductionRequest) => {
  process.send?.(await measure(request));
});
