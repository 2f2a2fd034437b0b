import { join } from 'node:path';
import { Int64, Utf8 } from 'apache-arrow';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type ReduceOptions, type Reduction, reduceFacts } from '../../pipeline/curation/reduce.ts';
import { batchOf } from '../../schemas/batches.ts';
import { openParquetWriter } from '../../schemas/parquet-writer.ts';
import { createRandom } from '../../schemas/random.ts';
import { temporaryFolder } from '../support.ts';
import { type MadeFingerprint, type MadeRow, madeRows, writeFacts, writeFingerprints } from './support.ts';

const near = { radius: 3, colours: 2 };

type Evaluation = readonly { key: string; sha256: string; fingerprint: MadeFingerprint }[];

/** Reduces rows that come in shards, and asks `use` of the reduction. */
async function reduced<T>(
  shards: readonly (readonly MadeRow[])[],
  use: (reduction: Reduction) => Promise<T>,
  options: Partial<ReduceOptions> & { inEvaluation?: Evaluation; asked?: { dropsRows: boolean } } = {},
): Promise<T> {
  const folder = await temporaryFolder();
  const files = await writeFacts(folder, shards);
  const { inEvaluation, asked, ...others } = options;
  const reduction = await reduceFacts(files.facts, folder, {
    fingerprints: files.fingerprints,
    near,
    partitionRows: 400,
    evaluation: inEvaluation
      ? { ...near, dropsRows: true, ...(await writeEvaluation(folder, inEvaluation)), ...asked }
      : null,
    dropsDuplicates: true,
    ...others,
  });
  try {
    return await use(reduction);
  } finally {
    reduction.close();
  }
}

async function writeEvaluation(folder: string, rows: Evaluation) {
  const files = { facts: join(folder, 'e.parquet'), fingerprints: join(folder, 'e-fingerprints.parquet') };
  const writer = await openParquetWriter(files.facts);
  await writer.write(
    batchOf({
      id: { type: new Int64(), values: rows.map((_, i) => BigInt(i)) },
      key: { type: new Utf8(), values: rows.map(({ key }) => key) },
      sha256: { type: new Utf8(), values: rows.map(({ sha256 }) => sha256) },
    }),
  );
  await writer.close();
  await writeFingerprints(
    files.fingerprints,
    rows.map(({ fingerprint }) => fingerprint),
  );
  return files;
}

/** What is said of each row that isn't kept, by key. */
const duplicatesByKey =
  (shards: readonly (readonly MadeRow[])[]) =>
  async (reduction: Reduction): Promise<Record<string, object>> => {
    const said: [string, object][] = [];
    for (const [i, rows] of shards.entries()) {
      const found = await reduction.duplicatesOf(`shard-${i}`, 0);
      for (const [row, verdict] of found) said.push([rows[row]?.key ?? '', verdict]);
    }
    return Object.fromEntries(said.sort(([a], [b]) => (a < b ? -1 : 1)));
  };

function shuffledInto(rows: readonly MadeRow[], shards: number, seed: number): MadeRow[][] {
  const random = createRandom(`shuffle:${seed}`);
  const split: MadeRow[][] = Array.from({ length: shards }, () => []);
  const left = [...rows];
  while (left.length > 0) {
    split[random.integer(shards)]?.push(...left.splice(random.integer(left.length), 1));
  }
  return split;
}

const bitsApart = (a: bigint, b: bigint) =>
  BigInt.asUintN(64, a ^ b)
    .toString(2)
    .replaceAll('0', '').length;

function isNear(a: MadeRow, b: MadeRow): boolean {
  const [x, y] = [a.fingerprint, b.fingerprint];
  if (a.sha256 === b.sha256) return true;
  if (x === null || y === null || Math.abs(x.grey - y.grey) > near.colours) return false;
  const reaches = (from: MadeFingerprint, to: MadeFingerprint) =>
    from.hashes.some((hash) => bitsApart(hash, to.hashes[0] ?? 0n) <= near.radius);
  return reaches(x, y) || reaches(y, x);
}

/** The kept key of each row: groups by every pair, the best of each. */
function bruteForce(rows: readonly MadeRow[]): Record<string, string> {
  const kept: Record<string, string> = {};
  const open = new Set(rows);
  for (const start of rows) {
    if (!open.delete(start)) continue;
    const group = [start];
    for (const row of group) {
      for (const other of open) {
        if (isNear(row, other) && open.delete(other)) group.push(other);
      }
    }
    const [best] = [...group].sort((a, b) => b.width - a.width || (a.key < b.key ? -1 : 1));
    for (const { key } of group) if (key !== best?.key) kept[key] = best?.key ?? '';
  }
  return kept;
}

const cases = fc.record({ seed: fc.nat(), spread: fc.integer({ min: 0, max: 8 }) });

describe('groups of duplicates over a whole data set', () => {
  it('are the connected ones, each with its largest row, then its first key', async () => {
    await fc.assert(
      fc.asyncProperty(cases, async ({ seed, spread }) => {
        const rows = madeRows(40, seed, spread);
        const shards = shuffledInto(rows, 3, seed);
        const said = await reduced(shards, duplicatesByKey(shards));
        const kept = Object.entries(said).map(([key, verdict]) => [key, (verdict as { kept: string }).kept]);
        expect(Object.fromEntries(kept)).toEqual(bruteForce(rows));
      }),
      { numRuns: 8 },
    );
  });

  it('are the same, to the letter, for any order of the rows and any split into shards', async () => {
    await fc.assert(
      fc.asyncProperty(cases, fc.integer({ min: 1, max: 6 }), async ({ seed, spread }, count) => {
        const rows = madeRows(40, seed, spread);
        const [one, other] = [[rows], shuffledInto(rows, count, seed)];
        const partitionRows = 100 + (seed % 500);
        expect(await reduced(other, duplicatesByKey(other), { partitionRows })).toEqual(
          await reduced(one, duplicatesByKey(one)),
        );
      }),
      { numRuns: 6 },
    );
  });

  it('leave every row once: kept and counted, a duplicate, or contaminated', async () => {
    await fc.assert(
      fc.asyncProperty(cases, fc.nat(6), async ({ seed, spread }, images) => {
        const rows = madeRows(40, seed, spread);
        const shards = shuffledInto(rows, 4, seed);
        const inEvaluation = madeRows(images, seed + 1, spread).flatMap(({ key, sha256, fingerprint }) =>
          fingerprint === null ? [] : [{ key, sha256, fingerprint }],
        );
        const { duplicates, contaminated, counts } = await reduced(
          shards,
          async (reduction) => ({
            duplicates: Object.keys(await duplicatesByKey(shards)(reduction)),
            contaminated: (
              await Promise.all(
                shards.map(async (shard, i) =>
                  [...(await reduction.contaminatedOf(`shard-${i}`, 0)).keys()].map((at) => shard[at]?.key),
                ),
              )
            ).flat(),
            counts: reduction.counts,
          }),
          { inEvaluation },
        );
        expect(new Set([...duplicates, ...contaminated]).size).toBe(duplicates.length + contaminated.length);
        expect(duplicates.length + contaminated.length + (counts.en ?? 0) + (counts.de ?? 0)).toBe(40);
      }),
      { numRuns: 6 },
    );
  });

  it('take nothing from the mix when they are only labelled', async () => {
    const rows = madeRows(60, 5, 4);
    const counts = await reduced([rows], async (reduction) => reduction.counts, { dropsDuplicates: false });
    expect((counts.en ?? 0) + (counts.de ?? 0)).toBe(60);
  });

  it('are of equal bytes alone when near ones are not asked for', async () => {
    const rows = madeRows(60, 5, 4);
    const said = await reduced([rows], duplicatesByKey([rows]), { near: null });
    const copies = rows.length - new Set(rows.map(({ sha256 }) => sha256)).size;
    expect(Object.keys(said)).toHaveLength(copies);
    expect(Object.values(said).every((one) => (one as { reason: string }).reason === 'exact-duplicate')).toBe(
      true,
    );
  });
});

const hashes = (whole: bigint) => Array.from({ length: 9 }, () => whole);
const row = (key: string, whole: bigint, width: number, grey = 100, sha256 = key): MadeRow => ({
  key,
  sha256,
  width,
  language: 'en',
  fingerprint: { hashes: hashes(whole), grey },
});

describe('what is written down of a duplicate', () => {
  it('is its group, its distances and the thresholds', async () => {
    const rows = [row('a', 0b11n, 9), row('b', 0b1n, 8, 101), row('c', 2n ** 40n - 1n, 9)];
    expect(await reduced([rows], duplicatesByKey([rows]))).toEqual({
      b: {
        reason: 'near-duplicate',
        kept: 'a',
        value: 'of a: 1 <= 3 bits, colours 1.00 <= 2',
        threshold: '3 bits, colours 2',
      },
    });
  });

  it('names the row that connects it, when that is not the kept one', async () => {
    const rows = [row('a', 0n, 9), row('b', 0b111n, 8), row('c', 0b111111n, 7)];
    expect(await reduced([rows], duplicatesByKey([rows]))).toMatchObject({
      b: { kept: 'a', value: 'of a: 3 <= 3 bits, colours 0.00 <= 2' },
      c: { kept: 'a', value: 'of a through b: 3 <= 3 bits, colours 0.00 <= 2' },
    });
  });

  it('names no row between where it is near the kept one itself, though it is nearer to another', async () => {
    const rows = [row('a', 0n, 9), row('b', 0b11n, 8), row('c', 0b111n, 7)];
    expect(await reduced([rows], duplicatesByKey([rows]))).toMatchObject({
      c: { kept: 'a', value: 'of a: 3 <= 3 bits, colours 0.00 <= 2' },
    });
  });

  it('says exact of the same bytes as the kept row, and near of the copies of a near one', async () => {
    const rows = [row('a', 0n, 9), row('a2', 0n, 9, 100, 'a'), row('b', 1n, 8), row('b2', 1n, 8, 100, 'b')];
    expect(await reduced([rows], duplicatesByKey([rows]))).toMatchObject({
      a2: { reason: 'exact-duplicate', value: 'of a' },
      b: { reason: 'near-duplicate', value: 'of a: 1 <= 3 bits, colours 0.00 <= 2' },
      b2: { reason: 'near-duplicate', value: 'of a: 1 <= 3 bits, colours 0.00 <= 2' },
    });
  });
});

describe('decontamination', () => {
  const rows = [
    row('same', 0n, 9, 100, 'e'),
    row('near', 0b101n, 9),
    row('crop', 2n ** 50n - 1n, 9),
    row('tinted', 0b1n, 9, 120),
    row('far', 2n ** 30n - 1n, 9),
    row('beside', 0b11101n, 9),
  ];
  const evaluation = [
    { key: 'E', sha256: 'e', fingerprint: { hashes: hashes(0n), grey: 100 } },
    {
      key: 'F',
      sha256: 'f',
      fingerprint: { hashes: [-1n, 2n ** 50n - 2n, ...hashes(-1n).slice(2)], grey: 101 },
    },
  ];

  it('finds rows in the set and near it, by the crops of either side, with the row that they are near', async () => {
    const found = await reduced([rows], (reduction) => reduction.contaminatedOf('shard-0', 0), {
      inEvaluation: evaluation,
    });
    const threshold = '3 bits, colours 2';
    expect(found).toEqual(
      new Map([
        [0, { reason: 'near-evaluation', value: 'of E: the same bytes' }],
        [1, { reason: 'near-evaluation', value: 'of E: 2 <= 3 bits, colours 0.00 <= 2', threshold }],
        [2, { reason: 'near-evaluation', value: 'of F: 1 <= 3 bits, colours 1.00 <= 2', threshold }],
      ]),
    );
  });

  it('leaves the contaminated out of the duplicates and the counts: a row near one of them is kept', async () => {
    const { said, counts } = await reduced(
      [rows],
      async (reduction) => ({ said: await duplicatesByKey([rows])(reduction), counts: reduction.counts }),
      { inEvaluation: evaluation },
    );
    expect(said).toEqual({});
    expect(counts).toEqual({ en: 3 });
    const without = await reduced([rows], duplicatesByKey([rows]));
    expect(without).toHaveProperty('same');
  });

  it('changes neither duplicates nor counts when it only labels', async () => {
    const { said, counts, found } = await reduced(
      [rows],
      async (reduction) => ({
        said: await duplicatesByKey([rows])(reduction),
        counts: reduction.counts,
        found: await reduction.contaminatedOf('shard-0', 0),
      }),
      { inEvaluation: evaluation, asked: { dropsRows: false } },
    );
    expect([...found.keys()]).toEqual([0, 1, 2]);
    const without = await reduced([rows], async (reduction) => ({
      said: await duplicatesByKey([rows])(reduction),
      counts: reduction.counts,
    }));
    expect({ said, counts }).toEqual(without);
  });

  it('stops when it is told to', async () => {
    const signal = AbortSignal.abort(new Error('stopped'));
    await expect(reduced([rows], duplicatesByKey([rows]), { signal })).rejects.toThrow('stopped');
  });

  it('needs no near duplicates to be asked for', async () => {
    const found = await reduced([rows], (reduction) => reduction.contaminatedOf('shard-0', 0), {
      inEvaluation: evaluation,
      near: null,
    });
    expect([...found.keys()]).toEqual([0, 1, 2]);
  });
});
