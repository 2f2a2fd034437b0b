import { mkdir } from 'node:fs/promises';
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
import { type MadeFacts, shardRows } from './make-facts.ts';

/** What the phases of a run do that look at all rows, `rank` and `pairs` in one task each; in this order. */
export interface ReductionSteps {
  rank(): Promise<void>;
  pairs(): Promise<void>;
  /** Decides; says how many rows there are verdicts on. */
  decide(): Promise<SavedVerdicts>;
}

/** Makes the steps of made-up facts; what each leaves is in `folder`. */
export function reductionSteps(folder: string, made: MadeFacts): ReductionSteps {
  const { radius, colours, partitionRows } = deduplicateOptionsSchema.parse({});
  const of = (name: string) => join(folder, `${name}.parquet`);
  const stored = (name: string) => parquetOf(exactly(of(name)));
  const spillOf = async (name: string) => {
    const spill = join(folder, name);
    await mkdir(spill, { recursive: true });
    return spill;
  };
  return {
    async rank() {
      const database = await openDatabase(await spillOf('rank'));
      const ranks = rankingSql(parquetOf(exactly(made.facts)));
      await database.run(`COPY (${ranks}) TO ${quoted(of('ranks'))} (FORMAT parquet)`);
      database.close();
    },
    async pairs() {
      const spill = await spillOf('pairs');
      const database = await openDatabase(spill);
      await openFingerprints(database, 'unique_fingerprints', made.fingerprints, stored('ranks'));
      const comparison = { probe: 'unique_fingerprints', base: 'unique_fingerprints', into: 'pairs' };
      await findNearPairs(database, comparison, { radius, colours, partitionRows }, spill);
      await database.run(`COPY pairs TO ${quoted(of('pairs'))} (FORMAT parquet)`);
      database.close();
    },
    async decide() {
      const spill = await spillOf('decide');
      const reduction = await reduceFacts(made.facts, spill, {
        fingerprints: made.fingerprints,
        near: { radius, colours },
        partitionRows,
        evaluation: null,
        dropsDuplicates: true,
        boilerplate: { ...dropBoilerplateOptionsSchema.parse({}), texts: made.texts, dropsRows: false },
        balance: { ...balanceOptionsSchema.parse({ mode: 'label' }), terms: made.terms },
        found: { ranks: stored('ranks'), files: () => stored('pairs') },
      });
      try {
        const saved = await reduction.save(spill);
        await reduction.cut(shardRows, await reduction.planMix(mixOptionsSchema.parse({})));
        return saved;
      } finally {
        reduction.close();
      }
    },
  };
}
