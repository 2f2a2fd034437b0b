import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { augmentPixels } from '../models/augment-pixels.ts';
import { saveTowers } from '../models/checkpoint.ts';
import { createEmbedder } from '../models/embedder.ts';
import type { Executor } from '../models/executor.ts';
import { initializeParameters } from '../models/towers.ts';
import { createTrainer } from '../models/trainer.ts';
import { loadTrainingState, saveTrainingState } from '../models/training-state.ts';
import { createRandom } from '../schemas/random.ts';
import type { EvaluationScores } from '../schemas/reports.ts';
import { formSuperBatches } from '../stages/form-super-batches.ts';
import { openCompute } from './compute.ts';
import type { Config } from './config.ts';
import type { RunContext } from './curate.ts';
import { evaluate, loadEvaluation } from './distill/evaluate.ts';
import { type PreparedRows, prepareRows } from './distill/prepare.ts';
import { inputsOf, rateOf } from './distill/train-learner.ts';
import { UsageError } from './errors.ts';
import { resolveShards } from './inputs.ts';
import { version } from './version.ts';

/** What training a teacher came to. */
export interface TeachReport {
  readonly kind: 'teaching';
  readonly rows: number;
  readonly steps: number;
  readonly seconds: number;
  /** The mean loss over the last hundred steps. */
  readonly loss: number;
  readonly evaluation: EvaluationScores | null;
}

/**
 * Trains a teacher with the sigmoid loss on the curated shards in `data`, and writes it to `out` (safetensors, half
 * precision). A checkpoint is written every `checkpointEvery` steps, and the state beside it (`out`.state) from which a
 * run that was stopped or killed goes on: its weights come out as if nothing had happened.
 */
export async function teach(
  config: Config,
  data: string,
  out: string,
  run: RunContext,
): Promise<TeachReport> {
  const { towers } = config.teach;
  const shards = await resolveShards([join(data, 'shards')], '--data', data);
  const executor = await openCompute(config, run.configPath);
  await mkdir(dirname(out), { recursive: true });
  const work = await mkdtemp(join(dirname(out), '.teach-'));
  try {
    const rows = await prepareRows(shards, towers.imageSize, work, run);
    return await teachFrom(rows, executor, config, out, run);
  } finally {
    await rm(work, { recursive: true });
  }
}

async function teachFrom(
  rows: PreparedRows,
  executor: Executor,
  config: Config,
  out: string,
  run: RunContext,
): Promise<TeachReport> {
  const started = performance.now();
  const { teach: options } = config;
  const { towers, training, batch } = options;
  const statePath = `${out}.state`;
  const identity = identityOf(config, rows);
  const state = await loadTrainingState(statePath, towers, identity).catch((error: Error) => {
    throw new UsageError(error.message);
  });
  const begun = state?.moments.step ?? 0;
  const trainer = await createTrainer({
    executor,
    config: towers,
    parameters:
      state?.parameters ?? initializeParameters(towers, createRandom(`${config.seed}:teacher`), training),
    optimizer: training,
    batch,
    textTokens: towers.textTokens,
    moments: state?.moments,
  });
  const batches = formSuperBatches(
    rows.epoch,
    { size: batch, english: options.english, shuffleRows: options.shuffleRows },
    createRandom(`${config.seed}:teacher-batches`),
  );
  // The batches hang on the seed alone: those of the steps taken are drawn again and let go.
  for (let step = 0; step < begun; step += 1) await batches.next();
  const keep = async () =>
    saveTrainingState(
      statePath,
      towers,
      { parameters: await trainer.parameters(), moments: await trainer.moments() },
      identity,
    );
  const save = async (step: number) =>
    saveTowers(
      out,
      towers,
      await trainer.parameters(),
      { assay: version, seed: String(config.seed), step: String(step), rows: String(rows.rows) },
      'F16',
    );
  const task = run.progress.start('training the teacher', training.steps, 'steps');
  const losses: number[] = [];
  const all = Uint32Array.from({ length: batch }, (_, i) => i);
  for (let step = begun; step < training.steps; step += 1) {
    if (run.signal.aborted) await keep();
    run.signal.throwIfAborted();
    const { value: pairs, done } = await batches.next();
    if (done) throw new Error('the batches ended');
    const { tokens } = inputsOf(pairs, all, towers.textTokens);
    // A stream a step, so that a run that goes on draws what it would have drawn.
    const random = createRandom(`${config.seed}:teacher-augmentation:${step}`);
    const images = augmentPixels(pairs.pixels, towers.imageSize, options.augment, random);
    const { loss } = await trainer.step({ images, tokens, learningRate: rateOf(training, step) });
    losses.push(loss);
    if (losses.length > 100) losses.shift();
    task.update(step + 1);
    if ((step + 1) % options.checkpointEvery === 0) await Promise.all([save(step + 1), keep()]);
  }
  task.end();
  await batches.return(undefined);
  await save(training.steps);
  await rm(statePath, { force: true });
  const report: TeachReport = {
    kind: 'teaching',
    rows: rows.rows,
    steps: training.steps,
    seconds: (performance.now() - started) / 1000,
    loss: losses.reduce((sum, loss) => sum + loss, 0) / losses.length,
    evaluation: await scoreIfAsked(),
  };
  await trainer.dispose();
  return report;

  async function scoreIfAsked(): Promise<EvaluationScores | null> {
    if (!config.evaluation) return null;
    const parameters = await trainer.parameters();
    const held = await resolveShards(config.evaluation.shards, 'evaluation.shards', run.configPath);
    const embedder = await createEmbedder({ executor, config: towers, parameters, frozen: true });
    const set = await loadEvaluation(held, towers.imageSize, config.evaluation.images);
    const scores = await evaluate(embedder, set, true);
    await embedder.dispose();
    return scores;
  }
}

/** What must be the same for a stopped run to go on: a digest of the recipe's part and of the data's size. */
function identityOf({ seed, teach: options }: Config, { rows }: PreparedRows): string {
  const { checkpointEvery: _, ...recipe } = options;
  return createHash('sha256').update(JSON.stringify({ seed, recipe, rows })).digest('hex');
}
