import { mkdir, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { DuckDBBlobValue } from '@duckdb/node-api';
import {
  type Band,
  type BandPlan,
  bandRows,
  flipMasks,
  planBands,
} from '../../../models/duplicates/bands.ts';
import { colourBytes, colourDistance } from '../../../models/duplicates/fingerprint.ts';
import type { Nearness } from '../../../stages/duplicates/nearness.ts';
import { exactly, parquetOf, quoted } from '../../sql-text.ts';
import type { Database } from './database.ts';
import { hashColumns } from './fingerprint-file.ts';

/** Which fingerprints are compared: each crop of a probe with the whole image of a base. */
export interface Comparison {
  /** Tables or views of id, hash_0 to hash_8, colours. */
  readonly probe: string;
  readonly base: string;
  /** Where the pairs go: a table of probe, base, distance, colours. */
  readonly into: string;
}

/** How the search is cut up: rows that are joined at a time. */
export interface Partitioning {
  readonly partitionRows: number;
  /** The bands; those that suit the radius and the number of rows when absent. */
  readonly plan?: BandPlan;
  /** The part of the search that is done, all of it when absent. */
  readonly part?: SearchPart | undefined;
  /** Stops the search between partitions. */
  readonly signal?: AbortSignal | undefined;
}

/** One of the parts of a search, which together find what the whole finds, each pair once. */
export interface SearchPart {
  /** The band that is joined; all of them when absent. */
  readonly band?: number | undefined;
  /** Of its partitions, each `of`-th from `share` on; `of` is a power of two. */
  readonly share: number;
  readonly of: number;
}

/**
 * Finds every pair of a probe and another base whose fingerprints are near, and adds it to the table `into` with its
 * distance in bits and its colours' in grey levels; a pair that is near by several crops is there for each.
 *
 * Hashes meet in bands ({@link planBands}). Each band is written to partitions by the prefix of its bits, and DuckDB
 * joins one partition of about `partitionRows` rows after the other: memory doesn't grow with the rows, disk does, by
 * one band. `folder` holds a band's files as long as it takes.
 */
export async function findNearPairs(
  database: Database,
  { probe, base, into }: Comparison,
  options: Nearness & Partitioning,
  folder: string,
): Promise<void> {
  await database.run(
    `CREATE TABLE IF NOT EXISTS ${into} (probe BIGINT, base BIGINT, distance INT, colours DOUBLE)`,
  );
  const count = async (table: string) =>
    Number((await database.rows(`SELECT count(*) AS rows FROM ${table}`))[0]?.rows ?? 0);
  const [probes, bases] = [await count(probe), await count(base)];
  if (probes === 0 || bases === 0) return;
  const rows = Math.max(probes, bases);
  const plan = options.plan ?? planBands(options.radius, rows);
  await database.run(
    'CREATE OR REPLACE TABLE candidates (probe BIGINT, crop TINYINT, base BIGINT, distance INT)',
  );
  const { part: wanted = { share: 0, of: 1 } } = options;
  for (const [i, band] of plan.bands.entries()) {
    if (wanted.band !== undefined && wanted.band !== i) continue;
    // A name of its own: DuckDB keeps what it read of a file, and a second file of that name would be taken for it.
    const at = join(folder, `${into}-${i}`);
    const parts = bandParts(band, plan, rows, options.partitionRows, wanted.of);
    await writeBand(database, { probe, base }, parts, plan.flips, wanted, at);
    for (const part of await readdir(join(at, 'probe')).catch(() => [])) {
      options.signal?.throwIfAborted();
      const files = (side: string) => parquetOf(join(exactly(join(at, side, part)), '*.parquet'));
      const has = await readdir(join(at, 'base', part)).catch(() => []);
      if (has.length === 0) continue;
      await database.run(joinSql(files, parts, plan, i, options.radius, probe === base));
    }
    await rm(at, { recursive: true });
  }
  await keepThoseOfLikeColours(database, { probe, base, into }, options.colours);
  await database.run('DROP TABLE candidates');
}

const bandMask = ({ bits }: Band) => BigInt.asIntN(64, (1n << BigInt(bits)) - 1n);
const bitsOf = (hash: string, band: Band) => `((${hash} >> ${band.shift}) & ${literal(bandMask(band))})`;

/** The smallest integer has no literal of its own. */
function literal(value: bigint): string {
  return value === -(2n ** 63n) ? '(-9223372036854775807 - 1)::BIGINT' : `(${value})::BIGINT`;
}

/** A band cut in two: partitions are by its upper bits, and rows meet within one by its lower bits. */
interface BandParts {
  readonly prefix: Band;
  readonly rest: Band;
}

/** A prefix that makes partitions of about so many rows, counted as they are joined, each under all its masks. */
function bandParts(
  band: Band,
  plan: BandPlan,
  rows: number,
  partitionRows: number,
  least: number,
): BandParts {
  const wanted = Math.ceil(Math.log2(Math.max(1, least, bandRows(plan, rows) / partitionRows)));
  const bits = Math.min(wanted, mostPrefixBits, band.bits);
  const restBits = band.bits - bits;
  return {
    prefix: { shift: band.shift + restBits, bits },
    rest: { shift: band.shift, bits: restBits },
  };
}

/** A band makes 65,536 partitions at the most: more are no use to a file system. */
const mostPrefixBits = 16;

/** Masks as an SQL list. */
const maskList = (bits: number, flips: number) => `[${flipMasks(bits, flips).map(literal).join(', ')}]`;

async function writeBand(
  database: Database,
  { probe, base }: Pick<Comparison, 'probe' | 'base'>,
  { prefix, rest }: BandParts,
  flips: number,
  { share, of }: SearchPart,
  folder: string,
): Promise<void> {
  const crops = hashColumns.map((_, crop) => crop).join(', ');
  // A base goes to every partition whose prefix it may have, with as many flips as that leaves for the rest.
  const sides = {
    probe: `SELECT *, ${bitsOf('hash', rest)} AS value, ${bitsOf('hash', prefix)} AS part FROM (
              SELECT id, unnest([${crops}])::TINYINT AS crop, unnest([${hashColumns.join(', ')}]) AS hash
              FROM ${probe})`,
    base: `SELECT id, hash, ${bitsOf('hash', rest)} AS value, ${flips} - bit_count(mask) AS flips,
             xor(${bitsOf('hash', prefix)}, mask) AS part
           FROM (SELECT id, hash_0 AS hash, unnest(${maskList(prefix.bits, flips)}) AS mask FROM ${base})`,
  };
  await mkdir(folder);
  for (const [side, sql] of Object.entries(sides)) {
    const rows = of === 1 ? sql : `SELECT * FROM (${sql}) WHERE part % ${of} = ${share}`;
    await database.run(
      `COPY (${rows}) TO ${quoted(join(folder, side))} (FORMAT parquet, PARTITION_BY (part))`,
    );
  }
}

function joinSql(
  files: (side: string) => string,
  { rest }: BandParts,
  plan: BandPlan,
  at: number,
  radius: number,
  isSameSet: boolean,
): string {
  // A pair that meets in several bands is taken where it meets first.
  const notBefore = plan.bands
    .slice(0, at)
    .map((band) => `AND bit_count(${bitsOf('difference', band)}) > ${plan.flips}`);
  return `
    INSERT INTO candidates
    SELECT probe, crop, base, bit_count(difference) FROM (
      SELECT p.id AS probe, p.crop, b.id AS base, xor(p.hash, b.hash) AS difference
      FROM ${files('probe')} p
      JOIN (SELECT id, hash, xor(value, mask) AS value
        FROM (SELECT *, unnest(${maskList(rest.bits, plan.flips)}) AS mask
          FROM ${files('base')})
        WHERE bit_count(mask) <= flips) b ON p.value = b.value
      ${isSameSet ? 'WHERE p.id <> b.id' : ''})
    WHERE bit_count(difference) <= ${radius} ${notBefore.join(' ')}`;
}

async function keepThoseOfLikeColours(
  database: Database,
  { probe, base, into }: Comparison,
  most: number,
): Promise<void> {
  // Of the few rows that have met: those of all rows are most of what there is of fingerprints.
  const coloursOf = async (from: string, ids: string) => {
    const name = `colours_of_${from}`;
    await database.run(
      `CREATE OR REPLACE TABLE ${name} AS SELECT f.id, f.colours FROM ${from} f SEMI JOIN (${ids}) c ON c.id = f.id`,
    );
    return name;
  };
  const [probeIds, baseIds] = ['SELECT probe AS id FROM candidates', 'SELECT base AS id FROM candidates'];
  const ofProbes = await coloursOf(probe, probe === base ? `${probeIds} UNION ${baseIds}` : probeIds);
  const ofBases = probe === base ? ofProbes : await coloursOf(base, baseIds);
  const candidates = database.stream(
    `SELECT c.probe, c.crop, c.base, c.distance, p.colours, b.colours
     FROM candidates c JOIN ${ofProbes} p ON p.id = c.probe JOIN ${ofBases} b ON b.id = c.base`,
  );
  await database.append(into, async (appender) => {
    for await (const [probes = [], crops, bases, distances, probed, based] of candidates) {
      for (let i = 0; i < probes.length; i += 1) {
        const crop = Number(crops?.[i]);
        const [a, b] = [bytesOf(probed?.[i]), bytesOf(based?.[i])];
        const colours = colourDistance(a, crop * colourBytes, b, 0);
        if (colours > most) continue;
        appender.appendBigInt(probes[i] as bigint);
        appender.appendBigInt(bases?.[i] as bigint);
        appender.appendInteger(Number(distances?.[i]));
        appender.appendDouble(colours);
        appender.endRow();
      }
    }
  });
  for (const name of new Set([ofProbes, ofBases])) await database.run(`DROP TABLE ${name}`);
}

function bytesOf(value: unknown): Uint8Array {
  if (value instanceof DuckDBBlobValue) return value.bytes;
  throw new Error(`colours should be bytes, and are ${typeof value}`);
}
