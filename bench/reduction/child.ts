import { mkdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { openDatabase } from '../../pipeline/curation/duplicates/database.ts';
import { findNearPairs } from '../../pipeline/curation/duplicates/near-pairs.ts';
import { openFingerprints, rankingSql } from '../../pipeline/curation/duplicates/plan.ts';
import type { SavedVerdicts } from '../../pipeline/curation/duplicates/verdict-tables.ts';
import { reduceFacts } from '../../pipeline/curation/reduce.ts';
import { exactly, parquetOf, quoted } from '../../pipeline/sql-text.ts';
import { balanceOptionsSchema } from '../../stages/balance-terms.ts';
import { deduplicateOptionsSchema } from '../../stages/deduplicate.ts';
import { dropBoilerplateOptionsSchema } from '../../stages/drop-boilerplate.ts';
import { mixOptionsSchema } from '../../stages/mix-languages.ts';
import { makeFacts, shardRows } from './make-facts.ts';

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
  /** Rows with a text that captions too many images, and rows that the balance of terms doesn't draw. */
  readonly boilerplate: number;
  readonly unbalanced: number;
}

async function measured(work: () => Promise<unknown>): Promise<number> {
  const started = performance.now();
  await work();
  return (performance.now() - started) / 1000;
}

/** What the tasks of a run do, `rank` and `pairs` in one task each. */
async function measure({ folder, rows }: ReductionRequest): Promise<ReductionAnswer> {
  const { facts, fingerprints, texts, terms, duplicates } = await makeFacts(folder, rows);
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
  let saved: SavedVerdicts = {};
  const decide = await inDatabase('decide', async (spill) => {
    const reduction = await reduceFacts(facts, spill, {
      fingerprints,
      near: { radius, colours },
      partitionRows,
      evaluation: null,
      dropsDuplicates: true,
      boilerplate: { ...dropBoilerplateOptionsSchema.parse({}), texts, dropsRows: false },
      balance: { ...balanceOptionsSchema.parse({ mode: 'label' }), terms },
      found: { ranks: stored('ranks'), files: () => stored('pairs') },
    });
    const plan = await reduction.planMix(mixOptionsSchema.parse({}));
    saved = await reduction.save(spill);
    await reduction.cut(shardRows, plan);
    reduction.close();
  });
  const sizes = await Promise.all([facts, fingerprints, texts, terms].map((path) => stat(path)));
  return {
    rows,
    seconds: { rank, pairs, decide },
    peakBytes: process.resourceUsage().maxRSS * 1024,
    factBytes: sizes.reduce((sum, { size }) => sum + size, 0),
    planted: duplicates,
    found: saved.duplicates ?? 0,
    boilerplate: saved.boilerplate ?? 0,
    unbalanced: saved.unbalanced ?? 0,
  };
}

process.on('disconnect', () => process.exit());
process.on('message', async (request: ReductionRequest) => {
  process.send?.(await measure(request));
});
