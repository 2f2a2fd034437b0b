import { access, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import type { Executor } from '../../models/executor.ts';
import { createOnnxExecutor } from '../../models/onnx-executor.ts';
import { initializeParameters } from '../../models/towers.ts';
import { type Config, configSchema } from '../../pipeline/config.ts';
import { curate, type RunContext } from '../../pipeline/curate.ts';
import { type EvaluationSet, loadEvaluation } from '../../pipeline/distill/evaluate.ts';
import { type PreparedRows, prepareRows } from '../../pipeline/distill/prepare.ts';
import { runLearner } from '../../pipeline/distill/run-learner.ts';
import { resolveShards } from '../../pipeline/inputs.ts';
import { buildEmojiSources } from '../../pipeline/sources/emoji/build.ts';
import { emojiSourceOptionsSchema } from '../../pipeline/sources/emoji/options.ts';
import { createRandom } from '../../schemas/random.ts';
import type { LearnerReport } from '../../schemas/reports.ts';
import {
  distillRecipe,
  type EvidencePlan,
  type EvidenceRun,
  type Noise,
  planRuns,
  poolOptions,
} from './plan.ts';

/** A run that is done, as its file holds it. */
export interface EvidenceResult extends EvidenceRun {
  readonly report: LearnerReport;
}

interface Pool {
  readonly rows: PreparedRows;
  readonly evaluation: EvaluationSet;
}

const teacher = 'models/checkpoints/emoji-109-teacher.safetensors';
/** Languages of the last evaluation, those with the most names first. */
const evaluatedLanguages = 40;

/**
 * Trains each run of the plan that `folder` has no result of, and answers all results. Each run is written when it is
 * done, so that a plan that was stopped goes on where it was.
 */
export async function collectAcidEvidence(
  plan: EvidencePlan,
  folder: string,
  context: RunContext,
): Promise<EvidenceResult[]> {
  const executor = createOnnxExecutor();
  const pools = new Map<Noise, Promise<Pool>>();
  const results: EvidenceResult[] = [];
  const home = join(folder, `${plan.style}-${plan.rows}`);
  const done = join(
    home,
    `steps-${plan.steps}-${plan.batch}-of-${plan.superBatch}-${plan.learningRate}-${plan.weight}`,
  );
  await mkdir(done, { recursive: true });
  for (const run of planRuns(plan)) {
    const path = join(done, `${run.noise}-${run.seed}-${run.method}.json`);
    let result = await readResult(path);
    if (result === null) {
      const pool = pools.get(run.noise) ?? openPool(plan, run.noise, join(home, run.noise), context);
      pools.set(run.noise, pool);
      result = { ...run, report: await train(plan, run, await pool, executor, context) };
      await writeFile(path, `${JSON.stringify(result)}\n`);
    }
    results.push(result);
  }
  return results;
}

async function readResult(path: string): Promise<EvidenceResult | null> {
  const text = await readFile(path, 'utf8').catch(() => null);
  return text === null ? null : (JSON.parse(text) as EvidenceResult);
}

/** Builds and curates a pool once, with the teacher's embeddings and nothing else that costs. */
async function openPool(
  plan: EvidencePlan,
  noise: Noise,
  folder: string,
  context: RunContext,
): Promise<Pool> {
  const [sources, curated] = [join(folder, 'sources'), join(folder, 'curated')];
  const config = recipe({
    seed: 1,
    input: { shards: join(sources, 'shards'), preset: 'webli' },
    teacher: { checkpoint: resolve(teacher) },
    mix: { rest: 'temperature', temperature: 2 },
  });
  const isBuilt = await access(join(curated, 'report.json')).then(
    () => true,
    () => false,
  );
  if (!isBuilt) {
    const task = context.progress.start(`building the pool (${noise})`, plan.rows, 'rows');
    const options = emojiSourceOptionsSchema.parse(poolOptions(plan, noise, sources));
    await buildEmojiSources(options, { signal: context.signal, progress: (rows) => task.update(rows) });
    task.end();
    const report = await curate(config, curated, context);
    await writeFile(join(curated, 'report.json'), JSON.stringify(report));
  }
  const shards = await resolveShards([join(curated, 'shards')], 'shards', folder);
  const held = await resolveShards([join(sources, 'evaluation')], 'evaluation', folder);
  const work = join(folder, 'work');
  await mkdir(work, { recursive: true });
  const set = await loadEvaluation(held, 32, 600);
  return {
    rows: await prepareRows(shards, 32, work, context),
    evaluation: withLanguages(set, evaluatedLanguages),
  };
}

/** The set with the languages that name most of it: English and the others. */
function withLanguages(set: EvaluationSet, most: number): EvaluationSet {
  const named = (names: readonly (string | null)[]) => names.filter((name) => name !== null).length;
  const kept = [...set.names]
    .sort(([a, x], [b, y]) => named(y) - named(x) || (a < b ? -1 : 1))
    .slice(0, most);
  const english = set.names.get('en');
  return { ...set, names: new Map([...kept, ...(english ? [['en', english] as const] : [])]) };
}

async function train(
  plan: EvidencePlan,
  run: EvidenceRun,
  { rows, evaluation }: Pool,
  executor: Executor,
  { signal, progress }: RunContext,
): Promise<LearnerReport> {
  const { distill: options } = recipe({ distill: distillRecipe(plan, run.method) });
  const { report } = await runLearner({
    name: run.method === 'uniform' ? 'uniform' : 'selected',
    options,
    executor,
    rows,
    initial: initializeParameters(options.learner, createRandom(`${run.seed}:learner`), options.training),
    evaluation,
    everyLanguage: true,
    seed: String(run.seed),
    signal,
    task: progress.start(`${run.noise}, seed ${run.seed}, ${run.method}`, plan.steps, 'steps'),
    onStep: async () => {},
    onSelection: async () => {},
  });
  return report;
}

function recipe(config: object): Config {
  return configSchema.parse(config);
}
