import { join } from 'node:path';
import { colourBytes, cropCount } from '../../models/duplicates/fingerprint.ts';
import { openFingerprintFile } from '../../pipeline/curation/duplicates/fingerprint-file.ts';
import { openFacts } from '../../pipeline/curation/facts.ts';
import { withColumns } from '../../schemas/batches.ts';
import { createRandom } from '../../schemas/random.ts';
import { curatedTypes, rowTypes } from '../../schemas/rows.ts';
import { fingerprintMeasure, packFingerprint } from '../../stages/duplicates/fingerprint-column.ts';
import { readBatch } from '../support.ts';

/** A fingerprint to be: each crop's hash, and one grey for all the cells of all its crops. */
export interface MadeFingerprint {
  readonly hashes: readonly bigint[];
  readonly grey: number;
}

/** Hashes around a few centres, so that many are near and many are not; crops are a few bits off. */
export function madeFingerprints(count: number, seed: number, spread: number): MadeFingerprint[] {
  const random = createRandom(`fingerprints:${seed}`);
  const flipped = (hash: bigint, most: number) => {
    let value = hash;
    for (let n = random.integer(most + 1); n > 0; n -= 1) value ^= 1n << BigInt(random.integer(64));
    return BigInt.asIntN(64, value);
  };
  const word = () =>
    BigInt(random.integer(2 ** 30)) |
    (BigInt(random.integer(2 ** 30)) << 30n) |
    (BigInt(random.integer(16)) << 60n);
  const centres = Array.from({ length: 5 }, word);
  return Array.from({ length: count }, () => {
    const whole = flipped(random.pick(centres), spread);
    return {
      hashes: Array.from({ length: cropCount }, (_, crop) => (crop === 0 ? whole : flipped(whole, 3))),
      grey: 100 + random.integer(8),
    };
  });
}

export function packed({ hashes, grey }: MadeFingerprint): Uint8Array {
  const colours = new Uint8Array(cropCount * colourBytes).fill(grey);
  return packFingerprint({ hashes: BigInt64Array.from(hashes), colours });
}

export async function writeFingerprints(path: string, made: readonly MadeFingerprint[]): Promise<void> {
  const file = await openFingerprintFile(path);
  await file.write(0, made.map(packed));
  await file.close();
}

/** A row of a data set to be: its fingerprint, null where its image is plain, and what ranks it. */
export interface MadeRow {
  readonly key: string;
  readonly sha256: string;
  readonly width: number;
  readonly language: string;
  readonly fingerprint: MadeFingerprint | null;
}

/** Rows with near and exact duplicates among them; rows of the same bytes have the same fingerprint. */
export function madeRows(count: number, seed: number, spread: number): MadeRow[] {
  const random = createRandom(`rows:${seed}`);
  return madeFingerprints(count, seed, spread).map((made, i, all) => {
    const image = random.uniform() < 0.25 ? random.integer(i + 1) : i;
    return {
      key: `k${(i * 7919) % 1000}`,
      sha256: `sha-${image}`,
      width: 40 + (image % 3),
      language: random.uniform() < 0.6 ? 'en' : 'de',
      fingerprint: image % 11 === 10 ? null : (all[image] ?? made),
    };
  });
}

/** Writes the facts of shards, one batch and one row group each, as the first pass does. */
export async function writeFacts(
  folder: string,
  shards: readonly (readonly MadeRow[])[],
): Promise<{ facts: string; fingerprints: string }> {
  const files = { facts: join(folder, 'facts.parquet'), fingerprints: join(folder, 'fingerprints.parquet') };
  const facts = await openFacts(files.facts, 11, { fingerprints: files.fingerprints });
  for (const [i, rows] of shards.entries()) {
    if (rows.length === 0) continue;
    const source = readBatch(
      rows.map(({ key }) => ({ key })),
      `shard-${i}`,
    );
    await facts.write(
      withColumns(source, {
        width: { type: rowTypes.width, values: rows.map(({ width }) => width) },
        sha256: { type: curatedTypes.sha256, values: rows.map(({ sha256 }) => sha256) },
        language: { type: curatedTypes.language, values: rows.map(({ language }) => language) },
        fingerprint: {
          type: fingerprintMeasure.type,
          values: rows.map(({ fingerprint }) => fingerprint && packed(fingerprint)),
        },
      }),
    );
  }
  await facts.close();
  return files;
}
