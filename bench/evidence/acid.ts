import { createHash } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Executor } from '../../models/executor.ts';
import { createOnnxExecutor } from '../../models/onnx-executor.ts';
import { initializeParameters } from '../../models/towers.ts';
import { type Config, configSchema } from '../../pipeline/config.ts';
import type { RunContext } from '../../pipeline/curate.ts';
import type { EvaluationSet } from '../../pipeline/distill/evaluate.ts';
import type { PreparedRows } from '../../pipeline/distill/prepare.ts';
import { runLearner } from '../../pipeline/distill/run-learner.ts';
import type { StepMetrics } from '../../pipeline/distill/train-learner.ts';
import type { Task } from '../../pipeline/progress.ts';
import { createRandom } from '../../schemas/random.ts';
import type { LearnerReport } from '../../schemas/reports.ts';
import { distillRecipe, type EvidencePlan, type EvidenceRun, type Noise, planRuns, stepsOf } from './plan.ts';
import { openPool, type Pool } from './pool.ts';
import { type Timings, timeMethods } from './timings.ts';

/** A run that is done, as its file holds it. */
export interface EvidenceResult extends EvidenceRun {
  readonly report: LearnerReport;
}

/** Where a plan's runs are kept, and the threads of the models: the machine's cores unless told. */
export interface EvidencePlace {
  readonly work: string;
  readonly threads?: number | undefined;
}

/** Pixels of a side, of the recipes' learner. */
const imageSize = 32;
const teacher = 'models/checkpoints/emoji-109-teacher.safetensors';
/** Languages of an evaluation, those with the most names first, and the images that each but English is scored on. */
const evaluatedLanguages = 40;
const imagesOfLanguage = 60;

/**
 * Trains each run of the plan that `work` has no result of, and answers all results, and what a step of each method
 * takes. Each run is written when it is done, so that a plan that was stopped goes on where it was, and several
 * processes may share the work, each with seeds, methods or pools of its own.
 */
export async function collectAcidEvidence(
  plan: EvidencePlan,
  { work, threads }: EvidencePlace,
  context: RunContext,
): Promise<{ readonly results: EvidenceResult[]; readonly timings: Timings }> {
  const executor = createOnnxExecutor({ threads });
  const pools = new Map<Noise, Promise<Pool>>();
  const results: EvidenceResult[] = [];
  const home = join(work, `${plan.style}-${plan.rows}-of-${plan.emoji}`);
  const { seeds: _, noises: __, methods: ___, ...settings } = plan;
  const done = join(home, createHash('sha256').update(JSON.stringify(settings)).digest('hex').slice(0, 12));
  await mkdir(done, { recursive: true });
  await writeFile(join(done, 'settings.json'), `${JSON.stringify(settings, null, 2)}\n`);
  const poolOf = (noise: Noise) => {
    const settings = { ...plan, noise, side: imageSize, teacher };
    const pool = pools.get(noise) ?? openPool(settings, join(home, noise), context).then(withFewerNames);
    pools.set(noise, pool);
    return pool;
  };
  for (const run of planRuns(plan)) {
    const path = join(done, `${run.noise}-${run.seed}-${run.method}.json`);
    let result = await readJson<EvidenceResult>(path);
    if (result === null) {
      const task = context.progress.start(
        `${run.noise}, seed ${run.seed}, ${run.method}`,
        stepsOf(plan, run.method),
        'steps',
      );
      const recipeOfRun = { distill: distillRecipe(plan, run.method) };
      const report = await train(recipeOfRun, run.seed, await poolOf(run.noise), executor, {
        ...context,
        task,
      });
      result = { ...run, report };
      await writeFile(path, `${JSON.stringify(result)}\n`);
    }
    results.push(result);
  }
  const path = join(done, 'timings.json');
  let timings = await readJson<Timings>(path);
  if (timings === null) {
    const pool = await poolOf(plan.noises[0] ?? 'web');
    timings = await timeMethods(plan, context, (method, steps, onStep) => {
      const options = distillRecipe({ ...plan, steps, selectedSteps: steps, distilledSteps: steps }, method);
      const unseen = { ...pool, evaluation: null };
      return train({ distill: options }, 1, unseen, executor, { ...context, task: untold, onStep });
    });
    await writeFile(path, `${JSON.stringify(timings)}\n`);
  }
  return { results, timings };
}

const untold: Task = { update() {}, end() {} };

async function readJson<T>(path: string): Promise<T | null> {
  const text = await readFile(path, 'utf8').catch(() => null);
  return text === null ? null : (JSON.parse(text) as T);
}

function withFewerNames({ rows, evaluation }: Pool): Pool {
  return { rows, evaluation: withLanguages(evaluation) };
}

/** The set with the languages that name most of it, each but English on a part of its images: scoring them all costs. */
function withLanguages(set: EvaluationSet): EvaluationSet {
  const named = (names: readonly (string | null)[]) => names.filter((name) => name !== null).length;
  const part = (names: readonly (string | null)[]) => {
    let left = imagesOfLanguage;
    return names.map((name) => (name !== null && left-- > 0 ? name : null));
  };
  const others = [...set.names]
    .filter(([language]) => language !== 'en')
    .sort(([a, x], [b, y]) => named(y) - named(x) || (a < b ? -1 : 1))
    .slice(0, evaluatedLanguages - 1)
    .map(([language, names]) => [language, part(names)] as const);
  const english = set.names.get('en');
  return { ...set, names: new Map([...others, ...(english ? [['en', english] as const] : [])]) };
}

interface Training {
  readonly signal: AbortSignal;
  readonly task: Task;
  readonly onStep?: (metrics: StepMetrics) => void;
}

async function train(
  settings: object,
  seed: number,
  { rows, evaluation }: { readonly rows: PreparedRows; readonly evaluation: EvaluationSet | null },
  executor: Executor,
  { signal, task, onStep }: Training,
): Promise<LearnerReport> {
  const { distill: options } = recipe(settings);
  const { report } = await runLearner({
    name: options.method === 'uniform' ? 'uniform' : 'selected',
    options,
    executor,
    rows,
    initial: initializeParameters(options.learner, createRandom(`${seed}:learner`), options.training),
    evaluation,
    everyLanguage: 'always',
    seed: String(seed),
    signal,
    task,
    onStep: async (metrics) => onStep?.(metrics),
    onSelection: async () => {},
  });
  return report;
}

function recipe(config: object): Config {
  return configSchema.parse(config);
}
