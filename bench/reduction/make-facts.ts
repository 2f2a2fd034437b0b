import { join } from 'node:path';
import { colourBytes, cropCount } from '../../models/duplicates/fingerprint.ts';
import { openDatabase } from '../../pipeline/curation/duplicates/database.ts';
import { hashColumns } from '../../pipeline/curation/duplicates/fingerprint-file.ts';
import { quoted } from '../../pipeline/sql-text.ts';

/** Rows of a shard of the made-up facts. */
export const shardRows = 10_000;

/** Of twenty rows in turn, which one is the one before it again. */
const planted = {
  /** By its bytes. */
  repeat: 11,
  /** By its look. */
  near: 1,
  /** By its text, which is that of so many others. */
  boilerplate: 5,
} as const;

/** Texts that are boilerplate, and hosts. */
const [boilerplates, hosts] = [7, 50_000];
/** Words that texts are made of, the first of them the most frequent, and words of a text. */
const [vocabulary, wordsOfText] = [100_000, 8];

/** Files of facts, as the first pass leaves them. */
export interface MadeFacts {
  readonly facts: string;
  readonly fingerprints: string;
  readonly texts: string;
  readonly terms: string;
  /** Rows that repeat another one's image, by bytes or by look. */
  readonly duplicates: number;
}

/**
 * Makes facts of so many rows. Hashes are evenly spread, which those of photos aren't: few meet by chance, and every near
 * pair is planted.
 */
export async function makeFacts(folder: string, rows: number): Promise<MadeFacts> {
  const database = await openDatabase(folder);
  const write = async (name: string, select: string): Promise<string> => {
    const path = join(folder, `${name}.parquet`);
    const from = `${select} FROM range(${rows}) r(i)`;
    await database.run(`COPY (${from}) TO ${quoted(path)} (FORMAT parquet, COMPRESSION zstd)`);
    return path;
  };
  const original = (at: number) => `(CASE WHEN i % 20 = ${at} THEN i - 1 ELSE i END)`;
  const uniform = (salt: string) => `(hash(i, ${salt}) % 1000000007) / 1000000007`;
  const spread = (of: string, crop: number) =>
    `(hash(${of}, ${crop})::HUGEINT - 9223372036854775808)::BIGINT`;
  // Two bits of the whole image's hash are others.
  const flipped = `CASE WHEN i % 20 = ${planted.near} THEN 1099511627784 ELSE 0 END`;
  const hashes = hashColumns.map((name, crop) =>
    crop === 0
      ? `xor(${spread(original(planted.near), 0)}, ${flipped}) AS ${name}`
      : `${spread('i', crop)} AS ${name}`,
  );
  // As many bytes as a fingerprint's, which hardly compress.
  const sums = Array.from(
    { length: (cropCount * colourBytes) / 16 },
    (_, i) => `md5(${original(planted.near)} || '${i}')`,
  );
  const words = Array.from(
    { length: wordsOfText },
    (_, i) => `'w' || floor(exp(${uniform(`'word ${i}'`)} * ln(${vocabulary})))::INT`,
  );
  try {
    return {
      facts: await write(
        'facts',
        `SELECT i AS id, printf('row-%012d', i) AS key, printf('%06d.parquet', i // ${shardRows}) AS shard,
          0::INT AS row_group, (i % ${shardRows})::INT AS row,
          md5(${original(planted.repeat)} || 'a') || md5(${original(planted.repeat)} || 'b') AS sha256,
          ['en', 'de', 'fr', 'sw', 'hi'][(hash(i) % 5 + 1)::INT] AS language, 307200::BIGINT AS pixels,
          ${uniform("'draw'")} AS draw, NULL::FLOAT AS score`,
      ),
      fingerprints: await write(
        'fingerprints',
        `SELECT i AS id, ${hashes}, from_hex(${sums.join(' || ')}) AS colours`,
      ),
      texts: await write(
        'texts',
        `SELECT i AS id, 0::INT AS place, ${wordsOfText}::INT AS words, printf('host-%d', hash(i, 'host') % ${hosts}) AS host,
          ${spread(`CASE WHEN i % 20 = ${planted.boilerplate} THEN i // 20 % ${boilerplates} ELSE i END`, 9)} AS hash`,
      ),
      terms: await write(
        'terms',
        `SELECT i AS id, ${uniform("'balance'")} AS balance_draw, list_distinct([${words}]) AS terms`,
      ),
      duplicates: plantedIn(rows, planted.repeat) + plantedIn(rows, planted.near),
    };
  } finally {
    database.close();
  }
}

/** How many of so many rows are at a place of twenty. */
const plantedIn = (rows: number, at: number) => Math.floor((rows - 1 - at) / 20) + 1;
