import { access, mkdir, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { configSchema } from '../../pipeline/config.ts';
import { curate, type RunContext } from '../../pipeline/curate.ts';
import { type EvaluationSet, loadEvaluation } from '../../pipeline/distill/evaluate.ts';
import { type PreparedRows, prepareRows } from '../../pipeline/distill/prepare.ts';
import { resolveShards } from '../../pipeline/inputs.ts';
import { buildEmojiSources } from '../../pipeline/sources/emoji/build.ts';
import { emojiSourceOptionsSchema } from '../../pipeline/sources/emoji/options.ts';
import { type EvidencePlan, type Noise, poolOptions } from './plan.ts';

/** A curated pool, decoded for a learner, and its held-out set. */
export interface Pool {
  readonly rows: PreparedRows;
  readonly evaluation: EvaluationSet;
}

/** What a pool is of, and how it is prepared. */
export interface PoolSettings extends Pick<EvidencePlan, 'style' | 'rows' | 'emoji'> {
  readonly noise: Noise;
  /** Pixels of a side, as the learner sees them. */
  readonly side: number;
  /** The checkpoint whose embeddings the rows get; none where absent. */
  readonly teacher?: string | undefined;
}

/** Builds and curates a pool in `folder` once, with the teacher's embeddings and nothing else that costs. */
export async function openPool(settings: PoolSettings, folder: string, context: RunContext): Promise<Pool> {
  const { noise, side, teacher, rows, emoji } = settings;
  const [sources, curated] = [join(folder, 'sources'), join(folder, 'curated')];
  const isBuilt = await access(join(curated, 'report.json')).then(
    () => true,
    () => false,
  );
  if (!isBuilt) {
    const task = context.progress.start(`building the pool (${noise})`, rows, 'rows');
    const options = emojiSourceOptionsSchema.parse(poolOptions(settings, noise, sources));
    await buildEmojiSources(options, { signal: context.signal, progress: (done) => task.update(done) });
    task.end();
    const config = configSchema.parse({
      seed: 1,
      input: { shards: join(sources, 'shards'), preset: 'webli' },
      ...(teacher === undefined ? {} : { teacher: { checkpoint: resolve(teacher) } }),
      mix: { rest: 'temperature', temperature: 2 },
      regions: { detector: 'none' },
    });
    const report = await curate(config, curated, context);
    await writeFile(join(curated, 'report.json'), JSON.stringify(report));
  }
  const work = join(folder, 'work');
  await mkdir(work, { recursive: true });
  const shards = await resolveShards([join(curated, 'shards')], 'shards', folder);
  const held = await resolveShards([join(sources, 'evaluation')], 'evaluation', folder);
  return {
    rows: await prepareRows(shards, side, work, context),
    evaluation: await loadEvaluation(held, side, emoji),
  };
}
