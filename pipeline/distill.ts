import { createWriteStream } from 'node:fs';
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { finished } from 'node:stream/promises';
import { saveTowers } from '../models/checkpoint.ts';
import { createEmbedder } from '../models/embedder.ts';
import type { Executor } from '../models/executor.ts';
import { exportTowersOnnx } from '../models/export-onnx.ts';
import { createOnnxExecutor } from '../models/onnx-executor.ts';
import { loadTeacher } from '../models/teacher.ts';
import { initializeParameters, type Parameters } from '../models/towers.ts';
import { createTrainer } from '../models/trainer.ts';
import { createRandom } from '../schemas/random.ts';
import type { DistillReport, EvaluationScores, LearnerReport } from '../schemas/reports.ts';
import { formSuperBatches } from '../stages/form-super-batches.ts';
import type { Config } from './config.ts';
import type { RunContext } from './curate.ts';
import { type EvaluationSet, evaluate, loadEvaluation } from './distill/evaluate.ts';
import { type PreparedRows, prepareRows } from './distill/prepare.ts';
import { openSelectionLog, type SelectionLog } from './distill/selections.ts';
import { type LearnerRun, trainLearner } from './distill/train-learner.ts';
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
  if (options.batch > options.superBatch) {
    throw new UsageError(
      `${run.configPath}: distill.batch: ${options.batch} pairs can't be selected of ${options.superBatch}`,
    );
  }
  const shards = await resolveShards([join(data, 'shards')], '--data', data);
  const held = config.evaluation;
  const heldShards = held ? await resolveShards(held.shards, 'evaluation.shards', run.configPath) : [];
  await prepareRunFolder(folder);
  const { imageSize } = options.learner;
  const rows = await prepareRows(shards, imageSize, join(folder, 'work'), run);
  if (rows.teacher === null && options.method !== 'hard') {
    throw new UsageError(
      `--data: ${data} carries no teacher embeddings: curate it with teacher.checkpoint, or set distill.method: hard`,
    );
  }
  const metrics = createWriteStream(join(folder, 'metrics.jsonl'));
  const log = await openSelectionLog(join(folder, 'selections.parquet'));
  const executor = createOnnxExecutor({ threads: config.threads });
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
    const learners = [await trainOne(whole, 'selected'), await trainOne(whole, 'uniform')];
    await log.close();
    const report: DistillReport = {
      kind: 'distillation',
      version,
      seed: config.seed,
      seconds: (performance.now() - started) / 1000,
      rows: rows.rows,
      superBatch: options.superBatch,
      batch: options.batch,
      filterRatio: 1 - options.batch / options.superBatch,
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

async function trainOne(whole: Distillation, name: LearnerReport['name']): Promise<LearnerReport> {
  const { config, executor, initial, rows, run, evaluation, folder } = whole;
  const { distill: options } = config;
  const { learner, training } = options;
  const trainer = await createTrainer({
    executor,
    config: learner,
    parameters: initial,
    optimizer: training,
    batch: options.batch,
    textTokens: learner.textTokens,
  });
  const embedder = await createEmbedder({ executor, config: learner, parameters: initial, frozen: false });
  // Both runs are offered the same super-batches in the same order.
  const superBatches = formSuperBatches(
    rows.epoch,
    { size: options.superBatch, english: options.english, shuffleRows: options.shuffleRows },
    createRandom(`${config.seed}:super-batches`),
  );
  const learnerRun: LearnerRun = {
    name,
    options,
    superBatches,
    trainer,
    embedder,
    teacher: rows.teacher,
    random: createRandom(`${config.seed}:${name}`),
    signal: run.signal,
    task: run.progress.start(`training (${name})`, training.steps, 'steps'),
    onStep: (metrics) => whole.record(metrics),
    onSelection: (step, superBatch, selection) => whole.log.add(step, superBatch, selection),
    evaluate: async (last) => (evaluation ? evaluate(embedder, evaluation, last) : null),
  };
  const report = await trainLearner(learnerRun);
  const parameters = trainer.parameters();
  await saveTowers(join(folder, 'checkpoints', `${name}.safetensors`), learner, parameters, {
    step: String(training.steps),
    run: name,
  });
  if (name === 'selected') await exportTowersOnnx(learner, parameters, join(folder, 'export'));
  await embedder.dispose();
  await trainer.dispose();
  return report;
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
