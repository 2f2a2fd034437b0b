import { createWriteStream } from 'node:fs';
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { finished } from 'node:stream/promises';
import { saveTowers } from '../models/checkpoint.ts';
import type { Executor } from '../models/executor.ts';
import { exportTowersOnnx } from '../models/export-onnx.ts';
import { loadTeacher } from '../models/teacher.ts';
import { initializeParameters, type Parameters } from '../models/towers.ts';
import { createRandom } from '../schemas/random.ts';
import type { DistillReport, EvaluationScores, LearnerReport } from '../schemas/reports.ts';
import { openCompute } from './compute.ts';
import type { Config } from './config.ts';
import type { RunContext } from './curate.ts';
import { type EvaluationSet, evaluate, loadEvaluation } from './distill/evaluate.ts';
import { type DistillOptions, superBatchAt } from './distill/options.ts';
import { type PreparedRows, prepareRows } from './distill/prepare.ts';
import { runLearner, uniformOptions } from './distill/run-learner.ts';
import { openSelectionLog, type SelectionLog } from './distill/selections.ts';
import { UsageError } from './errors.ts';
import { resolveFile, resolveShards } from './inputs.ts';
import { prepareRunFolder, writeJson } from './run-folder.ts';
import { version } from './version.ts';

interface Distillation {
  readonly config: Config;
  readonly folder: string;
  readonly run: RunContext;
  readonly executor: Executor;
  readonly rows: PreparedRows;
  readonly initial: Parameters;
  readonly evaluation: EvaluationSet | null;
  readonly log: SelectionLog;
  readonly record: (line: object) => Promise<void>;
}

/**
 * Distils a learner from the curated shards in `data`, twice from the same initial weights: from batches selected
 * by learnability and from uniform ones, of the same super-batches. Writes `metrics.jsonl`, `selections.parquet`,
 * checkpoints, the learner as ONNX and the report. Throws a {@link UsageError} when the recipe can't be run.
 */
export async function distill(
  config: Config,
  data: string,
  folder: string,
  run: RunContext,
): Promise<DistillReport> {
  const started = performance.now();
  const { distill: options } = config;
  checkSizes(options, run.configPath);
  const shards = await resolveShards([join(data, 'shards')], '--data', data);
  const held = config.evaluation;
  const heldShards = held ? await resolveShards(held.shards, 'evaluation.shards', run.configPath) : [];
  const executor = await openCompute(config, run.configPath);
  await prepareRunFolder(folder);
  const { imageSize } = options.learner;
  const rows = await prepareRows(shards, imageSize, join(folder, 'work'), run);
  if (rows.teacher === null && needsTeacher(options)) {
    throw new UsageError(
      `--data: ${data} carries no teacher embeddings: curate it with teacher.checkpoint, or set distill.method: hard`,
    );
  }
  const metrics = createWriteStream(join(folder, 'metrics.jsonl'));
  const log = await openSelectionLog(join(folder, 'selections.parquet'));
  const whole: Distillation = {
    config,
    folder,
    run,
    executor,
    rows,
    initial: initializeParameters(options.learner, createRandom(`${config.seed}:learner`), options.training),
    evaluation: held ? await loadEvaluation(heldShards, imageSize, held.images) : null,
    log,
    record: (line) =>
      new Promise((resolve, reject) => {
        metrics.write(`${JSON.stringify(line)}\n`, (error) => (error ? reject(error) : resolve()));
      }),
  };
  try {
    await mkdir(join(folder, 'checkpoints'));
    const learners = [await trainOne(whole, 'selected')];
    if (options.baseline) learners.push(await trainOne(whole, 'uniform'));
    await log.close();
    const largest = superBatchAt(options.superBatch, options.training.steps);
    const report: DistillReport = {
      kind: 'distillation',
      version,
      seed: config.seed,
      seconds: (performance.now() - started) / 1000,
      rows: rows.rows,
      superBatch: largest,
      batch: options.batch,
      filterRatio: 1 - options.batch / largest,
      method: options.method,
      teacherAgreement: await scoreTeacher(whole, heldShards),
      learners,
      leftOut: leftOutOf(config),
    };
    await writeJson(join(folder, 'manifest.json'), { kind: 'distillation', version, config, data });
    await writeJson(join(folder, 'report.json'), report);
    await rm(join(folder, 'work'), { recursive: true });
    return report;
  } catch (error) {
    await log.abort().catch(() => {});
    throw error;
  } finally {
    metrics.end();
    await finished(metrics);
  }
}

function leftOutOf({ evaluation, teacher }: Config): DistillReport['leftOut'] {
  if (!evaluation) return [{ stage: 'evaluate', why: 'no evaluation.shards' }];
  return teacher ? [] : [{ stage: 'evaluate-teacher', why: 'no teacher.checkpoint' }];
}

/** Both runs are offered the same super-batches in the same order, unless the recipe reuses them. */
async function trainOne(whole: Distillation, name: LearnerReport['name']): Promise<LearnerReport> {
  const { config, executor, initial, rows, run, evaluation, folder } = whole;
  const options = name === 'selected' ? config.distill : uniformOptions(config.distill);
  const { learner, training } = options;
  const { report, parameters } = await runLearner({
    name,
    options,
    executor,
    rows,
    initial,
    evaluation,
    everyLanguage: 'last',
    seed: String(config.seed),
    signal: run.signal,
    task: run.progress.start(`training (${name})`, training.steps, 'steps'),
    onStep: (metrics) => whole.record(metrics),
    onSelection: (step, superBatch, selection) => whole.log.add(step, superBatch, selection),
  });
  await saveTowers(join(folder, 'checkpoints', `${name}.safetensors`), learner, parameters, {
    step: String(training.steps),
    run: name,
  });
  if (name === 'selected') await exportTowersOnnx(learner, parameters, join(folder, 'export'));
  return report;
}

/** Throws when a super-batch is too small for the batches it serves, or the batch too odd to halve. */
function checkSizes({ superBatch, batch, scoring, learner }: DistillOptions, configPath: string): void {
  const wrong = (message: string) => new UsageError(`${configPath}: ${message}`);
  const sizes = typeof superBatch === 'number' ? [superBatch] : superBatch.map(({ size }) => size);
  const least = Math.min(...sizes);
  const wanted = batch * scoring.reuse;
  if (wanted > least) throw wrong(`distill.batch: ${wanted} pairs can't be selected of ${least}`);
  const { imagePool: pool } = scoring;
  if (pool === 1) return;
  if (batch % 2 !== 0)
    throw wrong(`distill.batch: must be even where scoring.imagePool is ${pool}, not ${batch}`);
  const patches = learner.imageSize / learner.patchSize;
  if (patches % pool !== 0) {
    throw wrong(`distill.scoring.imagePool: ${patches} patches a side don't divide by ${pool}`);
  }
}

function needsTeacher({ method, distillation }: DistillOptions): boolean {
  return distillation > 0 || method === 'learnability' || method === 'easy-reference';
}

/** The teacher on the same held-out set: what its learner could reach. */
async function scoreTeacher(
  whole: Distillation,
  shards: readonly string[],
): Promise<EvaluationScores | null> {
  const { config, executor, run } = whole;
  if (!config.teacher || !config.evaluation) return null;
  const path = await resolveFile(config.teacher.checkpoint, 'teacher.checkpoint', run.configPath);
  const teacher = await loadTeacher(path, executor);
  const set = await loadEvaluation(shards, teacher.imageSize, config.evaluation.images);
  const scores = await evaluate(teacher, set, false);
  await teacher.dispose();
  return scores;
}
