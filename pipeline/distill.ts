import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { saveTowers } from '../models/checkpoint.ts';
import type { Executor } from '../models/executor.ts';
import { exportTowersOnnx } from '../models/export-onnx.ts';
import { initializeParameters, type Parameters } from '../models/towers.ts';
import type { RunIdentity } from '../models/training-state.ts';
import { createRandom } from '../schemas/random.ts';
import type { DistillReport, EvaluationScores, LearnerReport } from '../schemas/reports.ts';
import { joinLocation } from '../schemas/storage/locations.ts';
import { computeNameOf, openCompute, threadsOf } from './compute.ts';
import type { Config } from './config.ts';
import type { RunContext } from './curate.ts';
import { driftOf } from './distill/drift.ts';
import { type EvaluationSet, evaluate, loadEvaluation } from './distill/evaluate.ts';
import { digestOf, digestOfFiles } from './distill/identity.ts';
import { type KeptLearner, loadLearner, saveLearner } from './distill/learner-state.ts';
import { type MetricsFile, openMetrics } from './distill/metrics-file.ts';
import { type DistillOptions, superBatchAt } from './distill/options.ts';
import { type PreparedRows, prepareRows } from './distill/prepare.ts';
import { halfOf, runLearner, type TrainedLearner, uniformOptions } from './distill/run-learner.ts';
import { openSelectionLog, type SelectionLog } from './distill/selections.ts';
import { UsageError } from './errors.ts';
import { resolveShards } from './inputs.ts';
import { prepareRunFolder, writeJson } from './run-folder.ts';
import { openTeacher, resolveTeacher } from './teacher.ts';
import { version } from './version.ts';

interface Distillation {
  readonly config: Config;
  readonly folder: string;
  readonly run: RunContext;
  readonly threads: number;
  readonly executor: Executor;
  readonly rows: PreparedRows;
  readonly initial: Parameters;
  readonly evaluation: EvaluationSet | null;
  readonly log: SelectionLog;
  readonly metrics: MetricsFile;
  readonly identity: RunIdentity;
  readonly kept: KeptLearners;
  /** Of the whole run so far, before it was stopped included. */
  readonly seconds: () => number;
}

type LearnerName = LearnerReport['name'];
/** The states that a stopped run left. */
type KeptLearners = Readonly<Record<LearnerName, KeptLearner | null>>;

/** Options of {@link distill} that aren't the recipe's. */
export interface DistillSettings {
  /** Starts over where a stopped run could go on. */
  readonly fresh?: boolean | undefined;
}

/**
 * Distils a learner from the curated shards in `data`, twice from the same initial weights: from batches selected
 * by learnability and from uniform ones, of the same super-batches. Writes `metrics.jsonl`, `selections.parquet`,
 * `offers.parquet`, checkpoints, the learner as ONNX and the report. A run that was stopped or killed goes on from the last state in its
 * `work` folder, and comes to the same bits as one that wasn't. Throws a {@link UsageError} when the recipe can't be
 * run, or the folder holds a stopped run of another recipe or other data.
 */
export async function distill(
  config: Config,
  data: string,
  folder: string,
  run: RunContext,
  settings: DistillSettings = {},
): Promise<DistillReport> {
  const started = performance.now();
  const { distill: options } = config;
  checkSizes(options, run.configPath);
  const shards = await resolveShards([joinLocation(data, 'shards')], '--data', data);
  const held = config.evaluation;
  const heldShards = held ? await resolveShards(held.shards, 'evaluation.shards', run.configPath) : [];
  const threads = threadsOf(config);
  const executor = await openCompute(config, run.configPath);
  const identity = await identityOf(config, threads, [...shards, ...heldShards]);
  const kept = settings.fresh ? nothingKept : await loadKept(folder, options, identity);
  const latest = kept.uniform ?? kept.selected;
  if (latest === null) await prepareRunFolder(folder);
  const work = join(folder, 'work');
  const { imageSize } = options.learner;
  const { naflex, learner } = options;
  const images = naflex
    ? { patchSize: learner.patchSize, sequenceLength: Math.max(...naflex.sequenceLengths) }
    : imageSize;
  const rows = await prepareRows(shards, images, work, run, latest !== null);
  if (rows.teacher === null && needsTeacher(options)) {
    throw new UsageError(
      `--data: ${data} carries no teacher embeddings: curate it with teacher.checkpoint, or set distill.method: hard`,
    );
  }
  const log = await openSelectionLog(join(work, 'steps'), kept.selected?.state.step ?? 0, options);
  const metrics = await openMetrics(join(folder, 'metrics.jsonl'), latest?.metricsBytes ?? 0);
  const whole: Distillation = {
    config,
    folder,
    run,
    threads,
    executor,
    rows,
    initial: initializeParameters(options.learner, createRandom(`${config.seed}:learner`), options.training),
    evaluation: held ? await loadEvaluation(heldShards, imageSize, held.images) : null,
    log,
    metrics,
    identity,
    kept,
    seconds: () => (latest?.runSeconds ?? 0) + (performance.now() - started) / 1000,
  };
  try {
    for (const part of ['checkpoints', 'export']) {
      await rm(join(folder, part), { recursive: true, force: true });
    }
    await mkdir(join(folder, 'checkpoints'));
    const selected = await trainOne(whole, 'selected');
    const uniform = options.baseline ? [await trainOne(whole, 'uniform')] : [];
    await log.write(folder);
    const largest = superBatchAt(options.superBatch, options.training.steps);
    const report: DistillReport = {
      kind: 'distillation',
      version,
      seed: config.seed,
      seconds: whole.seconds(),
      rows: rows.rows,
      superBatch: largest,
      batch: options.batch,
      filterRatio: 1 - options.batch / largest,
      method: options.method,
      teacherAgreement: await scoreTeacher(whole, heldShards),
      ...(options.method === 'uniform' ? {} : { drift: driftOf(selected.drift) }),
      learners: [selected, ...uniform].map((learner) => learner.report),
      leftOut: leftOutOf(config),
    };
    await writeJson(join(folder, 'manifest.json'), { kind: 'distillation', version, config, data });
    await writeJson(join(folder, 'report.json'), report);
    await rm(work, { recursive: true });
    return report;
  } finally {
    await log.close();
    await metrics.close();
  }
}

const nothingKept: KeptLearners = { selected: null, uniform: null };

const statePath = (folder: string, name: LearnerName) => join(folder, 'work', `${name}.safetensors`);

/** The states that a stopped run left in its folder, if one did. */
async function loadKept(
  folder: string,
  { learner }: DistillOptions,
  identity: RunIdentity,
): Promise<KeptLearners> {
  const load = (name: LearnerName) =>
    loadLearner(statePath(folder, name), learner, identity).catch((error: Error) => {
      throw new UsageError(`${error.message} (--fresh starts over)`);
    });
  return { selected: await load('selected'), uniform: await load('uniform') };
}

/** What must be the same for a stopped run to go on; how many threads there are decides the last bits. */
async function identityOf(
  { seed, distill: options, evaluation, compute }: Config,
  threads: number,
  files: readonly string[],
): Promise<RunIdentity> {
  const { checkpointEvery: _, ...recipe } = options;
  return {
    recipe: digestOf({ seed, recipe, images: evaluation?.images }),
    data: await digestOfFiles(files),
    threads: String(threads),
    compute: computeNameOf({ compute }),
    version,
  };
}

function leftOutOf({ evaluation, teacher }: Config): DistillReport['leftOut'] {
  if (!evaluation) return [{ stage: 'evaluate', why: 'no evaluation.shards' }];
  return teacher ? [] : [{ stage: 'evaluate-teacher', why: 'no teacher.checkpoint' }];
}

/** Both runs are offered the same super-batches in the same order, unless the recipe reuses them. */
async function trainOne(whole: Distillation, name: LearnerName): Promise<TrainedLearner> {
  const { config, threads, rows, initial, run, evaluation, folder, log, metrics, identity } = whole;
  const options = name === 'selected' ? config.distill : uniformOptions(config.distill);
  const { learner, training, scoring } = options;
  const trained = await runLearner({
    name,
    options,
    executor: scoring.overlap ? await openCompute(config, run.configPath, halfOf(threads)) : whole.executor,
    scoringThreads: halfOf(threads),
    rows,
    initial,
    evaluation,
    everyLanguage: 'last',
    seed: String(config.seed),
    signal: run.signal,
    task: run.progress.start(`training (${name})`, training.steps, 'steps'),
    onStep: (step) => metrics.add(step),
    onSelection: (step, chosen) => log.add(step, chosen),
    resume: whole.kept[name]?.state,
    async keep(state) {
      await log.keep();
      const kept = { state, metricsBytes: metrics.bytes(), runSeconds: whole.seconds() };
      await saveLearner(statePath(folder, name), learner, kept, identity);
    },
  });
  const { parameters } = trained;
  await saveTowers(join(folder, 'checkpoints', `${name}.safetensors`), learner, parameters, {
    step: String(training.steps),
    run: name,
  });
  if (name === 'selected') await exportTowersOnnx(learner, parameters, join(folder, 'export'));
  return trained;
}

/** Throws when a super-batch is too small for the batches it serves, or the batch too odd to halve. */
function checkSizes(
  { superBatch, batch, scoring, learner, naflex }: DistillOptions,
  configPath: string,
): void {
  const wrong = (message: string) => new UsageError(`${configPath}: ${message}`);
  const sizes = typeof superBatch === 'number' ? [superBatch] : superBatch.map(({ size }) => size);
  const least = Math.min(...sizes);
  const wanted = batch * scoring.reuse;
  if (wanted > least) throw wrong(`distill.batch: ${wanted} pairs can't be selected of ${least}`);
  const { imagePool: pool } = scoring;
  if (pool === 1) return;
  if (naflex) throw wrong('distill.naflex: needs scoring.imagePool 1: its own lengths vary the cost');
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
  const path = await resolveTeacher(config.teacher, run.configPath, run);
  const teacher = await openTeacher(path, executor, config);
  try {
    const set = await loadEvaluation(shards, teacher.imageSize, config.evaluation.images);
    return await evaluate(teacher, set, false, run.signal);
  } finally {
    await teacher.dispose();
  }
}
