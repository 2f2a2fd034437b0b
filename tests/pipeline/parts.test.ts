import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { openFacts } from '../../pipeline/curation/facts.ts';
import { chainStages } from '../../pipeline/curation/funnel.ts';
import { openLedger } from '../../pipeline/curation/ledger.ts';
import { reduceFacts } from '../../pipeline/curation/reduce.ts';
import { createSpool, readSpool } from '../../pipeline/curation/spool.ts';
import { drawUniformly } from '../../pipeline/distill/choose-batch.ts';
import { rankOfOwn, recallAt } from '../../pipeline/distill/recall.ts';
import { progressLine } from '../../pipeline/progress.ts';
import { withColumns } from '../../schemas/batches.ts';
import { openShard } from '../../schemas/parquet-reader.ts';
import { createRandom, hashUniform, restoreRandom } from '../../schemas/random.ts';
import { curatedTypes, rowTypes } from '../../schemas/rows.ts';
import type { Stage } from '../../schemas/stage.ts';
import { collect, readBatch, rememberingContext, streamOf, temporaryFolder, valuesOf } from '../support.ts';

describe('the random source', () => {
  it('goes on from a kept state as if it had never stopped', () => {
    const random = createRandom('x');
    random.normal();
    const state = random.state();
    const ahead = [random.uniform(), random.integer(1000), random.normal()];
    const again = restoreRandom(state);
    expect([again.uniform(), again.integer(1000), again.normal()]).toEqual(ahead);
  });

  it('draws other numbers under another seed, and normals of variance 1', () => {
    expect(createRandom(1).uniform()).not.toBe(createRandom(2).uniform());
    const random = createRandom('normals');
    const draws = Array.from({ length: 20_000 }, () => random.normal());
    const mean = draws.reduce((sum, x) => sum + x, 0) / draws.length;
    const variance = draws.reduce((sum, x) => sum + (x - mean) ** 2, 0) / draws.length;
    // Six standard errors of each.
    expect(Math.abs(mean)).toBeLessThan(6 / Math.sqrt(20_000));
    expect(Math.abs(variance - 1)).toBeLessThan(6 * Math.sqrt(2 / 20_000));
  });

  it('hashes keys evenly over [0, 1), by seed', () => {
    const draws = Array.from({ length: 10_000 }, (_, i) => hashUniform(`key-${i}`, 5));
    const low = draws.filter((draw) => draw < 0.25).length;
    expect(Math.abs(low - 2500)).toBeLessThan(6 * Math.sqrt(10_000 * 0.25 * 0.75));
    expect(hashUniform('key-1', 5)).not.toBe(hashUniform('key-1', 6));
  });
});

describe('the spool', () => {
  it('gives back its batches, nested columns and all', async () => {
    const path = join(await temporaryFolder(), 'x.arrows');
    const spool = createSpool(path);
    const batches = [0, 1, 2].map((i) =>
      readBatch([
        { key: `a${i}`, image: new Uint8Array([i, 9]), altTexts: ['x', `y${i}`] },
        { key: `b${i}` },
      ]),
    );
    for (const batch of batches) await spool.write(batch);
    await spool.close();
    const back = await collect(readSpool(path));
    expect(valuesOf(back, 'key')).toEqual(['a0', 'b0', 'a1', 'b1', 'a2', 'b2']);
    expect(back[2]?.getChild('image')?.getChild('bytes')?.get(0)).toEqual(new Uint8Array([2, 9]));
    expect([...(back[1]?.getChild('alt_texts')?.get(0) ?? [])]).toEqual(['x', 'y1']);
  });

  it('fails when it cannot be written', async () => {
    const spool = createSpool('/nowhere/at/all.arrows');
    await expect(
      (async () => {
        await spool.write(readBatch([{ key: 'a' }]));
        await spool.close();
      })(),
    ).rejects.toThrow(/ENOENT/);
  });
});

describe('the ledger', () => {
  it('writes what stages hand in, and counts it by stage and reason', async () => {
    const folder = await temporaryFolder();
    const ledger = await openLedger(folder);
    const where = { shard: 's.parquet', rowGroup: 1, stage: 'read-shards', detail: 'x' };
    ledger.quarantine({ ...where, key: 'k', row: 4, reason: 'no-key' });
    ledger.quarantine({ ...where, key: null, row: null, firstRow: 9, reason: 'unreadable-shard' });
    ledger.quarantine({ ...where, key: null, row: null, reason: 'unreadable-shard' });
    ledger.drop({ key: 'd', stage: 'mix-languages', reason: 'over-share', value: 'de' });
    const at = { shard: 's.parquet', rowGroup: 2, row: 7, language: 'fr', kept: 'k' };
    ledger.drop({ key: 'e', stage: 'mix-languages', reason: 'over-share', value: 'fr', ...at });
    await ledger.close();
    expect(ledger.dropped()).toEqual([{ stage: 'mix-languages', reason: 'over-share', rows: 2 }]);
    expect(ledger.quarantined()).toEqual([{ stage: 'read-shards', reason: 'no-key', rows: 1 }]);
    expect(ledger.quarantinedShards()).toBe(2);
    const shard = await openShard(join(folder, 'quarantine', '00000.parquet'));
    const place = ['row_group', 'row', 'first_row'];
    expect(shard.columns).toEqual(['key', 'shard', ...place, 'stage', 'reason', 'detail']);
    const found = await shard.readRowGroup(0, [...place, 'reason']);
    const entries = [0, 1, 2].map((i) => [...place, 'reason'].map((name) => found[name]?.[i] ?? null));
    expect(entries).toEqual([
      [1, 4, null, 'no-key'],
      [1, null, 9, 'unreadable-shard'],
      [1, null, 0, 'unreadable-shard'],
    ]);
    const dropped = await openShard(join(folder, 'dropped', '00000.parquet'));
    const traces = ['kept_key', 'language', 'shard', 'row_group', 'row'];
    const values = await dropped.readRowGroup(0, traces);
    expect(traces.map((name) => values[name]?.[0] ?? null)).toEqual([null, null, null, null, null]);
    expect(traces.map((name) => values[name]?.[1])).toEqual(['k', 'fr', 's.parquet', 2, 7]);
  });

  it('leaves files with a schema also when nothing was handed in', async () => {
    const folder = await temporaryFolder();
    await (await openLedger(folder)).close();
    expect(await readdir(join(folder, 'dropped'))).toEqual(['00000.parquet']);
    const shard = await openShard(join(folder, 'dropped', '00000.parquet'));
    expect(shard.columns.slice(0, 5)).toEqual(['key', 'stage', 'reason', 'value', 'threshold']);
    expect(shard.columns.slice(5)).toEqual(['kept_key', 'language', 'shard', 'row_group', 'row']);
  });
});

describe('reducing facts', () => {
  async function reduced(rows: readonly { key: string; sha256: string; language: string; width: number }[]) {
    const folder = await temporaryFolder();
    const facts = await openFacts(join(folder, 'facts.parquet'), 11);
    await facts.write(
      withColumns(readBatch(rows.map(({ key }) => ({ key }))), {
        width: { type: rowTypes.width, values: rows.map(({ width }) => width) },
        sha256: { type: curatedTypes.sha256, values: rows.map(({ sha256 }) => sha256) },
        language: { type: curatedTypes.language, values: rows.map(({ language }) => language) },
      }),
    );
    await facts.close();
    return { reduction: await reduceFacts(join(folder, 'facts.parquet'), folder), seen: facts.seen() };
  }

  it('keeps the largest of exact duplicates, then the first key', async () => {
    const { reduction } = await reduced([
      { key: 'z', sha256: '1', language: 'en', width: 9 },
      { key: 'a', sha256: '1', language: 'en', width: 5 },
      { key: 'n', sha256: '2', language: 'de', width: 5 },
      { key: 'm', sha256: '2', language: 'de', width: 5 },
    ]);
    expect(await reduction.duplicatesOf('a.parquet', 0)).toEqual(
      new Map([
        [1, { reason: 'exact-duplicate', value: 'of z', kept: 'z' }],
        [2, { reason: 'exact-duplicate', value: 'of m', kept: 'm' }],
      ]),
    );
    expect(await reduction.duplicatesOf('other.parquet', 0)).toEqual(new Map());
    expect(reduction.counts).toEqual({ de: 1, en: 1 });
  });

  it('sets thresholds that exactly a quota of the keys is at or under', async () => {
    const rows = Array.from({ length: 300 }, (_, i) => ({
      key: `k${i}`,
      sha256: String(i),
      language: i % 3 === 0 ? 'de' : 'en',
      width: 1,
    }));
    const { reduction, seen } = await reduced(rows);
    const plan = await reduction.planMix({ english: 0.9, rest: 'natural', temperature: 1 });
    expect(seen).toEqual({ de: 100, en: 200 });
    for (const language of ['en', 'de']) {
      const { quota, threshold } = plan.languages[language] ?? { quota: -1, threshold: -1 };
      const under = rows.filter(
        (row) => row.language === language && hashUniform(row.key, '11:mix') <= threshold,
      );
      expect(under.length).toBe(quota);
    }
    expect(plan.languages.de?.quota).toBe(22);
  });
});

describe('the funnel', () => {
  it('counts rows at every joint', async () => {
    const { context } = rememberingContext();
    const halve: Stage = {
      name: 'halve',
      async *run(batches) {
        for await (const batch of batches) yield batch.slice(0, batch.numRows / 2);
      },
    };
    const batches = streamOf(readBatch([{ key: 'a' }, { key: 'b' }, { key: 'c' }, { key: 'd' }]));
    const chain = chainStages({ name: 'source', batches }, [halve, halve], context);
    await collect(chain.batches);
    expect(chain.figures().map(({ stage, in: rows, out }) => [stage, rows, out])).toEqual([
      ['source', 4, 4],
      ['halve', 4, 2],
      ['halve', 2, 1],
    ]);
  });
});

describe('retrieval', () => {
  it('ranks each query by its own candidate', () => {
    const queries = Float32Array.of(1, 0, 0, 1, 0.6, 0.8);
    const candidates = Float32Array.of(0.9, 0.1, 1, 0, 0.6, 0.8);
    expect([...rankOfOwn(queries, candidates, 2)]).toEqual([1, 2, 0]);
    expect(recallAt([1, 2, 0], 1)).toBeCloseTo(1 / 3, 12);
    expect(recallAt([1, 2, 0], 2)).toBeCloseTo(2 / 3, 12);
  });

  it('finds nothing in embeddings that are all alike, or not numbers', () => {
    const alike = new Float32Array(20).fill(0.5);
    expect(recallAt(rankOfOwn(alike, alike, 2), 1)).toBe(0.1);
    const broken = new Float32Array(20).fill(Number.NaN);
    expect(recallAt(rankOfOwn(broken, broken, 2), 5)).toBe(0);
  });
});

describe('uniform batches', () => {
  it('draws each index at most once, evenly', () => {
    const random = createRandom('uniform');
    const counts = new Array<number>(10).fill(0);
    for (let n = 0; n < 3000; n += 1) {
      const drawn = drawUniformly(10, 3, random);
      expect(new Set(drawn).size).toBe(3);
      for (const index of drawn) counts[index] = (counts[index] ?? 0) + 1;
    }
    for (const count of counts) expect(Math.abs(count - 900)).toBeLessThan(6 * Math.sqrt(3000 * 0.3 * 0.7));
  });
});

describe('progress', () => {
  it('says how much, how fast and how long in one plain line', () => {
    expect(progressLine('reading', 500, 2000, 'rows', 10_000)).toBe(
      'reading: 500/2000 rows 25%, 50 rows/s, ETA 30 s',
    );
  });
});
