import { join } from 'node:path';
import type { StageContext } from '../schemas/stage.ts';
import { checkImages } from '../stages/check-images.ts';
import { cleanTexts } from '../stages/clean-texts.ts';
import { fingerprintMeasure } from '../stages/duplicates/fingerprint-column.ts';
import { hashImages } from '../stages/hash-images.ts';
import { identifyLanguage } from '../stages/identify-language.ts';
import { countRows, readShards } from '../stages/read-shards.ts';
import type { Config } from './config.ts';
import { findsNear, withoutMeasures, workFiles } from './duplicates/settings.ts';
import { openFacts } from './facts.ts';
import { chainStages } from './funnel.ts';
import type { Ledger } from './ledger.ts';
import type { Progress } from './progress.ts';
import { createSpool } from './spool.ts';

/** What the first pass needs of a run. */
export interface AdmitRun {
  readonly config: Config;
  readonly folder: string;
  readonly ledger: Ledger;
  readonly context: StageContext;
  readonly progress: Progress;
}

/**
 * The first pass: admits rows (images, texts, language) to a spool in the run's working folder, and writes down the
 * few facts of each that decisions over the whole data set need.
 */
export async function admit(run: AdmitRun, shards: readonly string[]) {
  const { config, context, folder, ledger } = run;
  const options = config.input as NonNullable<Config['input']>;
  const measures = findsNear(config) ? [fingerprintMeasure] : [];
  const stages = [
    checkImages(config.images, measures),
    hashImages(),
    cleanTexts({ ...config.texts, seed: config.seed }),
    identifyLanguage(config.language),
  ];
  const source = { name: 'read-shards', batches: readShards(shards, options, context) };
  const chain = chainStages(source, stages, context);
  const task = run.progress.start('reading and cleaning', await countRows(shards), 'rows');
  const spool = createSpool(join(folder, 'work', 'admitted.arrows'));
  const files = workFiles(folder);
  const facts = await openFacts(files.facts, config.seed, findsNear(config) ? files.fingerprints : undefined);
  let rows = 0;
  try {
    for await (const batch of chain.batches) {
      await facts.write(batch);
      await spool.write(withoutMeasures(batch));
      await ledger.flush();
      rows += batch.numRows;
      task.update(chain.figures()[0]?.out ?? rows);
    }
  } catch (error) {
    await facts.abort();
    throw error;
  } finally {
    await spool.close();
  }
  await facts.close();
  task.end();
  return { rows, figures: chain.figures(), seen: facts.seen() };
}
