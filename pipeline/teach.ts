import { mkdir, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { z } from 'zod';
import { saveTowers } from '../models/checkpoint.ts';
import { createEmbedder, type Embedder } from '../models/embedder.ts';
import type { Executor } from '../models/executor.ts';
import { initializeParameters, type Parameters } from '../models/towers.ts';
import { loadTrainingState, type RunIdentity, saveTrainingState } from '../models/training-state.ts';
import { createRandom } from '../schemas/random.ts';
import type { EvaluationScores } from '../schemas/reports.ts';
import { joinLocation } from '../schemas/storage/locations.ts';
import { computeNameOf, openCompute, threadsOf } from './compute.ts';
import type { Config } from './config.ts';
import type { RunContext } from './curate.ts';
import { type EvaluationSet, evaluate, loadEvaluation } from './distill/evaluate.ts';
import { digestOf, digestOfFiles } from './distill/identity.ts';
import { type FineTuneOptions, fineTuneOptionsSchema } from './distill/options.ts';
import { type PreparedRows, prepareRows } from './distill/prepare.ts';
import { UsageError } from './errors.ts';
import { resolveShards } from './inputs.ts';
import { keepMostAlike } from './teach/keep-most-alike.ts';
import { meanLoss, type StageState, trainStage } from './teach/train-stage.ts';
import { version } from './version.ts';

/** One stage that a teacher was made in; all but the loss and the scores stand in its checkpoint as well. */
export interface TeachingStageReport {
  readonly stage: 'pool' | 'fine-tune';
  /** Rows that it was trained on. */
  readonly rows: number;
  /** The share of the pool's rows that was asked for, by likeness of image and text; null where a folder was given. */
  readonly quality: number | null;
  /** Of the shards that its rows came from. */
  readonly sha256: string;
  /** The sha256 of the recipe that curated them, as their run's manifest has it; null where there is none. */
  readonly curatedBy: string | null;
  readonly steps: number;
  readonly learningRate: number;
  /** The mean over the last hundred steps. */
  readonly loss: number;
  readonly evaluation: EvaluationScores | null;
}

/** What training a teacher came to. */
export interface TeachReport {
  readonly kind: 'teaching';
  /** Of the pool. */
  readonly rows: number;
  /** Of all stages. */
  readonly steps: number;
  readonly seconds: number;
  /** The mean loss over the last hundred steps. */
  readonly loss: number;
  readonly evaluation: EvaluationScores | null;
  readonly stages: readonly TeachingStageReport[];
}

/** Options of {@link teach} that aren't the recipe's. */
export interface TeachSettings {
  /** A curation run's folder: the high-quality part that the teacher is fine-tuned on. */
  readonly fineTune?: string | undefined;
}

type MadeFrom = Omit<TeachingStageReport, 'loss' | 'evaluation'>;

interface Teaching {
  readonly config: Config;
  readonly run: RunContext;
  readonly out: string;
  readonly work: string;
  readonly executor: Executor;
  readonly rows: PreparedRows;
  readonly poolDigest: string;
  /** The recipes that curated the pool and the high-quality part. */
  readonly curatedBy: { readonly pool: string | null; readonly fineTune: string | null };
  readonly fineTune:
    | (FineTuneOptions & { readonly shards: readonly string[] | null; readonly digest: string })
    | null;
  readonly identity: RunIdentity;
  readonly kept: KeptTeaching | null;
  readonly evaluation: EvaluationSet | null;
  readonly seconds: () => number;
}

/** A stopped run's state. */
interface KeptTeaching {
  readonly stage: MadeFrom['stage'];
  readonly state: StageState;
  readonly seconds: number;
  /** Of the pool's stage, once it is over. */
  readonly pool: { readonly parameters: Parameters; readonly losses: readonly number[] } | null;
}

/**
 * Trains a teacher with the sigmoid loss on the curated shards in `data`, and writes it to `out` (safetensors, half
 * precision). With a fine-tuning stage it then goes on, as SigLIP 2's teacher does (arXiv 2502.14786, section 3.4), on
 * the high-quality part: the shards of a folder that is given, or the rows whose image and text are the most alike to
 * the first stage's teacher. A checkpoint is written every `checkpointEvery` steps, and the state beside it
 * (`out`.state) from which a run that was stopped or killed goes on: its weights come out as if nothing had happened.
 */
export async function teach(
  config: Config,
  data: string,
  out: string,
  run: RunContext,
  settings: TeachSettings = {},
): Promise<TeachReport> {
  const started = performance.now();
  const { towers } = config.teach;
  const shards = await resolveShards([joinLocation(data, 'shards')], '--data', data);
  const curated = settings.fineTune;
  const curatedShards = curated
    ? await resolveShards([joinLocation(curated, 'shards')], '--fine-tune', curated)
    : null;
  const fineTune = config.teach.fineTune ?? (curatedShards ? fineTuneOptionsSchema.parse({}) : null);
  const executor = await openCompute(config, run.configPath);
  await mkdir(dirname(out), { recursive: true });
  await clearUnfinished(out);
  const poolDigest = await digestOfFiles(shards);
  const digest = curatedShards ? await digestOfFiles(curatedShards) : poolDigest;
  const identity = identityOf(config, fineTune, [poolDigest, digest]);
  const kept = await loadKept(config, out, identity);
  const work = await mkdtemp(join(dirname(out), '.teach-'));
  try {
    const held = config.evaluation;
    const heldShards = held ? await resolveShards(held.shards, 'evaluation.shards', run.configPath) : [];
    return await teachFrom({
      config,
      run,
      out,
      work,
      executor,
      rows: await prepareRows(shards, towers.imageSize, work, run),
      poolDigest,
      curatedBy: { pool: await recipeOf(data), fineTune: await recipeOf(curated ?? data) },
      fineTune: fineTune && { ...fineTune, shards: curatedShards, digest },
      identity,
      kept,
      evaluation: held ? await loadEvaluation(heldShards, towers.imageSize, held.images) : null,
      seconds: () => (kept?.seconds ?? 0) + (performance.now() - started) / 1000,
    });
  } finally {
    await rm(work, { recursive: true });
  }
}

async function teachFrom(teaching: Teaching): Promise<TeachReport> {
  const { config, out, rows, fineTune, kept, poolDigest, curatedBy } = teaching;
  const { towers, training } = config.teach;
  const { steps, learningRate } = training;
  const made: MadeFrom[] = [
    {
      stage: 'pool',
      rows: rows.rows,
      quality: null,
      sha256: poolDigest,
      curatedBy: curatedBy.pool,
      steps,
      learningRate,
    },
  ];
  const initial = initializeParameters(towers, createRandom(`${config.seed}:teacher`), training);
  const pool = kept?.pool ?? (await trainOne(teaching, made, rows, initial, null));
  const trained: Pick<StageState, 'parameters' | 'losses'>[] = [pool];
  if (fineTune) {
    const part = await fineTuningRows(teaching, pool.parameters);
    const quality = fineTune.shards ? null : fineTune.quality;
    const facts = {
      quality,
      sha256: fineTune.digest,
      curatedBy: curatedBy.fineTune,
      steps: fineTune.steps,
    };
    made.push({ stage: 'fine-tune', rows: part.rows, ...facts, learningRate: fineTune.learningRate });
    trained.push(await trainOne(teaching, made, part, pool.parameters, pool));
  }
  const stages: TeachingStageReport[] = [];
  for (const [i, facts] of made.entries()) {
    const { parameters, losses } = trained[i] as StageState;
    stages.push({ ...facts, loss: meanLoss({ losses }), evaluation: await score(teaching, parameters) });
  }
  await saveTeacher(teaching, made, (trained.at(-1) as StageState).parameters, stepsOf(made));
  await rm(`${out}.state`, { force: true });
  const last = stages.at(-1) as TeachingStageReport;
  return {
    kind: 'teaching',
    rows: rows.rows,
    steps: stepsOf(made),
    seconds: teaching.seconds(),
    loss: last.loss,
    evaluation: last.evaluation,
    stages,
  };
}

/** The digest of the recipe that a curation run's folder was made by; null where its manifest doesn't say. */
async function recipeOf(folder: string): Promise<string | null> {
  try {
    const manifest: unknown = JSON.parse(await readFile(join(folder, 'manifest.json'), 'utf8'));
    return z.looseObject({ configSha256: z.string() }).parse(manifest).configSha256;
  } catch {
    return null;
  }
}

/** Trains the last of the stages so far. */
async function trainOne(
  teaching: Teaching,
  made: readonly MadeFrom[],
  rows: PreparedRows,
  initial: Parameters,
  pool: KeptTeaching['pool'],
): Promise<StageState> {
  const { config, run, out, executor, identity, kept, seconds } = teaching;
  const { teach: options, seed } = config;
  const { stage, steps, learningRate } = made.at(-1) as MadeFrom;
  const isPool = stage === 'pool';
  const warmup = isPool ? options.training.warmup : (teaching.fineTune?.warmup ?? 0);
  const before = stepsOf(made) - steps;
  const label = isPool ? 'training the teacher' : 'fine-tuning the teacher';
  const task = run.progress.start(label, steps, 'steps');
  try {
    return await trainStage({
      ...options,
      executor,
      rows,
      initial,
      training: { ...options.training, steps, learningRate, warmup },
      streams: isPool ? `${seed}:teacher` : `${seed}:teacher-fine-tune`,
      signal: run.signal,
      onStep: (done) => task.update(done),
      resume: kept?.stage === stage ? kept.state : null,
      async keep(state) {
        const { parameters, moments, losses } = state;
        const progress: Progress = {
          stage,
          losses: [...losses],
          seconds: seconds(),
          poolLosses: [...(pool?.losses ?? [])],
        };
        const left = { parameters, moments, progress, tensors: pool?.parameters };
        await Promise.all([
          saveTeacher(teaching, made, parameters, before + moments.step),
          saveTrainingState(`${out}.state`, options.towers, left, identity),
        ]);
      },
    });
  } finally {
    task.end();
  }
}

/** The high-quality part: a folder's rows, or those of the pool that are the most alike to the first stage's teacher. */
async function fineTuningRows(teaching: Teaching, parameters: Parameters): Promise<PreparedRows> {
  const { config, fineTune, rows, run, work } = teaching;
  if (fineTune?.shards) {
    const folder = join(work, 'fine-tune');
    await mkdir(folder);
    return prepareRows(fineTune.shards, config.teach.towers.imageSize, folder, run);
  }
  const embedder = await embedderOf(teaching, parameters);
  try {
    return await keepMostAlike(rows, embedder, fineTune?.quality ?? 1, work, run);
  } finally {
    await embedder.dispose();
  }
}

async function score(teaching: Teaching, parameters: Parameters): Promise<EvaluationScores | null> {
  if (!teaching.evaluation) return null;
  const embedder = await embedderOf(teaching, parameters);
  try {
    return await evaluate(embedder, teaching.evaluation, true, teaching.run.signal);
  } finally {
    await embedder.dispose();
  }
}

function embedderOf({ executor, config }: Teaching, parameters: Parameters): Promise<Embedder> {
  return createEmbedder({ executor, config: config.teach.towers, parameters, frozen: true });
}

/** Writes the teacher as it is, with what it was made from. */
function saveTeacher(
  { config, out, rows }: Teaching,
  made: readonly MadeFrom[],
  parameters: Parameters,
  step: number,
): Promise<void> {
  const metadata = {
    assay: version,
    seed: String(config.seed),
    step: String(step),
    rows: String(rows.rows),
    stages: JSON.stringify(made),
  };
  return saveTowers(out, config.teach.towers, parameters, metadata, 'F16');
}

function stepsOf(made: readonly MadeFrom[]): number {
  return made.reduce((sum, { steps }) => sum + steps, 0);
}

const progressSchema = z.object({
  stage: z.enum(['pool', 'fine-tune']),
  losses: z.array(z.number()),
  seconds: z.number().min(0),
  poolLosses: z.array(z.number()),
});
type Progress = z.infer<typeof progressSchema>;

async function loadKept(config: Config, out: string, identity: RunIdentity): Promise<KeptTeaching | null> {
  const path = `${out}.state`;
  const { towers } = config.teach;
  const saved = await loadTrainingState(path, towers, identity).catch((error: Error) => {
    throw new UsageError(error.message);
  });
  if (saved === null) return null;
  const progress = progressSchema.safeParse(saved.progress);
  if (!progress.success) throw new UsageError(`${path} is no state of a teacher: delete it to start over`);
  const { stage, losses, poolLosses, seconds } = progress.data;
  const { parameters, moments, tensors = {} } = saved;
  const pool = stage === 'pool' ? null : { parameters: tensors as Parameters, losses: poolLosses };
  return { stage, state: { parameters, moments, losses }, seconds, pool };
}

/** What must be the same for a stopped run to go on; how many threads there are decides the last bits. */
function identityOf(
  { seed, teach: options, threads, compute }: Config,
  fineTune: FineTuneOptions | null,
  data: readonly string[],
): RunIdentity {
  const { checkpointEvery: _, ...recipe } = options;
  return {
    recipe: digestOf({ seed, recipe, fineTune }),
    data: digestOf(data),
    threads: String(threadsOf({ threads, compute })),
    compute: computeNameOf({ compute }),
    version,
  };
}

/** A killed run's half-written files. */
async function clearUnfinished(out: string): Promise<void> {
  const folder = dirname(out);
  const name = basename(out);
  const unfinished = /^(\.state)?\.[0-9a-f-]{36}\.tmp$/;
  for (const file of await readdir(folder)) {
    if (file.startsWith(name) && unfinished.test(file.slice(name.length))) await rm(join(folder, file));
  }
}
