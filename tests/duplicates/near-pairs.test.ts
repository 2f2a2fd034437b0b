import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type BandPlan, splitBands } from '../../models/duplicates/bands.ts';
import { openDatabase } from '../../pipeline/curation/duplicates/database.ts';
import { findNearPairs } from '../../pipeline/curation/duplicates/near-pairs.ts';
import { openFingerprints } from '../../pipeline/curation/duplicates/plan.ts';
import type { Nearness } from '../../stages/duplicates/nearness.ts';
import { temporaryFolder } from '../support.ts';
import { type MadeFingerprint, madeFingerprints, writeFingerprints } from './support.ts';

const bitsApart = (a: bigint, b: bigint) =>
  BigInt.asUintN(64, a ^ b)
    .toString(2)
    .replaceAll('0', '').length;

/** Every crop of every probe against every base, as `probe crop... base distance colours`, sorted. */
function bruteForce(
  probes: readonly MadeFingerprint[],
  bases: readonly MadeFingerprint[],
  { radius, colours }: Nearness,
): string[] {
  const found: string[] = [];
  for (const [p, probe] of probes.entries()) {
    for (const [b, base] of bases.entries()) {
      const apart = Math.abs(probe.grey - base.grey);
      if ((probes === bases && p === b) || apart > colours) continue;
      for (const hash of probe.hashes) {
        const distance = bitsApart(hash, base.hashes[0] ?? 0n);
        if (distance <= radius) found.push([p, b, distance, apart].join(' '));
      }
    }
  }
  return found.sort();
}

async function found(
  probes: readonly MadeFingerprint[],
  bases: readonly MadeFingerprint[],
  options: Nearness & { partitionRows: number; plan?: BandPlan },
): Promise<string[]> {
  const folder = await temporaryFolder();
  const database = await openDatabase(folder);
  try {
    await writeFingerprints(join(folder, "p'robes.parquet"), probes);
    await openFingerprints(database, 'probes', join(folder, "p'robes.parquet"));
    if (probes !== bases) {
      await writeFingerprints(join(folder, 'bases.parquet'), bases);
      await openFingerprints(database, 'bases', join(folder, 'bases.parquet'));
    }
    const base = probes === bases ? 'probes' : 'bases';
    await findNearPairs(database, { probe: 'probes', base, into: 'pairs' }, options, folder);
    expect((await readdir(folder)).filter((name) => !name.endsWith('.parquet'))).toEqual([]);
    const rows = await database.rows('SELECT probe, base, distance, colours FROM pairs');
    return rows.map((row) => [row.probe, row.base, row.distance, row.colours].join(' ')).sort();
  } finally {
    database.close();
  }
}

const sizes = fc.record({
  count: fc.integer({ min: 0, max: 50 }),
  seed: fc.nat(),
  spread: fc.integer({ min: 0, max: 10 }),
  radius: fc.integer({ min: 0, max: 8 }),
  colours: fc.integer({ min: 0, max: 4 }),
  partitionRows: fc.integer({ min: 40, max: 2000 }),
});

describe('the pairs that are found over partitions', () => {
  it('are those of brute force, each crop once', async () => {
    await fc.assert(
      fc.asyncProperty(sizes, async ({ count, seed, spread, ...options }) => {
        const made = madeFingerprints(count, seed, spread);
        expect(await found(made, made, options)).toEqual(bruteForce(made, made, options));
      }),
      { numRuns: 12 },
    );
  });

  it.each([1, 2, 3])('are those of brute force where %i bands allow for flipped bits', async (count) => {
    const made = madeFingerprints(60, count, 6);
    const options = { radius: 2 * count - 1, colours: 4, partitionRows: 500 };
    const plan = { bands: splitBands(count), flips: 1 };
    const wanted = bruteForce(made, made, options);
    expect(wanted.length).toBeGreaterThan(20);
    expect(await found(made, made, { ...options, plan })).toEqual(wanted);
  });

  it('are those between two sets, an image with the same place in the other included', async () => {
    const [one, other] = [madeFingerprints(30, 1, 4), madeFingerprints(40, 1, 4)];
    const options = { radius: 4, colours: 8, partitionRows: 300 };
    const wanted = bruteForce(one, other, options);
    expect(wanted.some((pair) => pair.startsWith('0 0 '))).toBe(true);
    expect(await found(one, other, options)).toEqual(wanted);
  });

  it('are none of no images', async () => {
    const options = { radius: 4, colours: 8, partitionRows: 300 };
    expect(await found([], [], options)).toEqual([]);
    expect(await found([], madeFingerprints(3, 1, 1), options)).toEqual([]);
  });
});
