import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Command, Option } from 'commander';
import { loadTowers, saveTowers } from '../../models/checkpoint.ts';
import { createEmbedder } from '../../models/embedder.ts';
import type { Executor } from '../../models/executor.ts';
import { createOnnxExecutor } from '../../models/onnx-executor.ts';
import { initializeParameters, type Parameters } from '../../models/towers.ts';
import { countOf } from '../../pipeline/cli/sources.ts';
import type { RunContext } from '../../pipeline/curate.ts';
import { type EvaluationSet, evaluate } from '../../pipeline/distill/evaluate.ts';
import { type TeachOptions, teachOptionsSchema } from '../../pipeline/distill/options.ts';
import type { PreparedRows } from '../../pipeline/distill/prepare.ts';
import { createProgress } from '../../pipeline/progress.ts';
import { keepMostAlike } from '../../pipeline/teach/keep-most-alike.ts';
import { meanLoss, type StageState, trainStage } from '../../pipeline/teach/train-stage.ts';
import { createRandom } from '../../schemas/random.ts';
import { mismatchedShare } from './plan.ts';
import { openPool } from './pool.ts';
import { writeTeacherEvidence } from './teacher-page.ts';
import {
  type TeacherFigures,
  type TeacherName,
  type TeacherPlan,
  type TeacherResult,
  teachers,
} from './teacher-plan.ts';

interface Bench {
  readonly plan: TeacherPlan;
  readonly folder: string;
  readonly context: RunContext;
  readonly executor: Executor;
  readonly options: TeachOptions;
  readonly rows: PreparedRows;
  readonly evaluation: EvaluationSet;
}

/** Emoji that the pool and the held-out images are of: few enough to be learnt in so many steps. */
const emoji = 400;

/** `npm run evidence -- teacher`: what each stage of the two-stage teacher brings (SigLIP 2, section 3.4). */
export function teacherCommand(): Command {
  return new Command('teacher')
    .description('what each stage of the teacher brings')
    .addOption(
      new Option('--style <name>', 'the held-out style')
        .choices(['validation', 'evaluation'])
        .default('validation'),
    )
    .option('--rows <n>', 'rows of the pool', countOf, 4_000)
    .option('--steps <n>', 'steps on the pool', countOf, 600)
    .option('--fine-tune-steps <n>', 'steps on the high-quality part', countOf, 200)
    .option('--batch <n>', 'pairs of a batch', countOf, 64)
    .option('--rate <x>', 'the learning rate on the pool', Number, 0.001)
    .option('--fine-tune-rate <x>', 'on the high-quality part', Number, 0.0005)
    .option('--quality <x>', 'the share that is the high-quality part', Number, 0.5)
    .option('--seeds <list>', 'seeds of the runs', (value) => value.split(','), ['1', '2'])
    .option('--work <dir>', 'where the pool and finished runs are kept', 'runs/evidence/teacher')
    .option('--out <dir>', 'where the page and the figures go', 'docs/evidence')
    .option('--json', 'print one JSON object last')
    .action(async (options) => {
      const controller = new AbortController();
      process.once('SIGINT', () => controller.abort(new Error('stopped: run the command again to go on')));
      const plan: TeacherPlan = {
        style: options.style,
        rows: options.rows,
        poolSteps: options.steps,
        fineTuneSteps: options.fineTuneSteps,
        batch: options.batch,
        poolRate: options.rate,
        fineTuneRate: options.fineTuneRate,
        quality: options.quality,
        seeds: options.seeds.map(Number),
      };
      const context = { signal: controller.signal, progress: createProgress(), configPath: 'evidence' };
      const results = await collectTeacherEvidence(plan, options.work, context);
      const figures: TeacherFigures = { plan, mismatchedShare, results };
      await writeTeacherEvidence(options.out, figures);
      process.stdout.write(options.json ? `${JSON.stringify(figures)}\n` : `${options.out}/teacher.md\n`);
    });
}

/** Trains each teacher of the plan that `folder` has no result of, and answers all results. */
export async function collectTeacherEvidence(
  plan: TeacherPlan,
  folder: string,
  context: RunContext,
): Promise<TeacherResult[]> {
  const home = join(folder, `${plan.style}-${plan.rows}`);
  const done = join(home, settingsOf(plan));
  await mkdir(done, { recursive: true });
  const options = teacherOptions(plan);
  const bench: Bench = {
    plan,
    folder: done,
    context,
    executor: createOnnxExecutor(),
    options,
    ...(await openPool({ ...plan, emoji, noise: 'web', side: options.towers.imageSize }, home, context)),
  };
  const results: TeacherResult[] = [];
  for (const seed of plan.seeds) {
    for (const teacher of Object.keys(teachers) as TeacherName[]) {
      const path = join(done, `${seed}-${teacher}.json`);
      const text = await readFile(path, 'utf8').catch(() => null);
      const result = text
        ? (JSON.parse(text) as TeacherResult)
        : await score(bench, seed, teacher, await train(bench, seed, teacher));
      if (text === null) await writeFile(path, `${JSON.stringify(result)}\n`);
      results.push(result);
    }
  }
  return results;
}

function settingsOf({
  poolSteps,
  fineTuneSteps,
  batch,
  poolRate,
  fineTuneRate,
  quality,
}: TeacherPlan): string {
  return `steps-${poolSteps}-${fineTuneSteps}-batch-${batch}-rates-${poolRate}-${fineTuneRate}-best-${quality}`;
}

function teacherOptions(plan: TeacherPlan): TeachOptions {
  return teachOptionsSchema.parse({
    towers: {
      imageSize: 32,
      patchSize: 8,
      width: 96,
      depth: 2,
      heads: 3,
      embeddingDim: 64,
      textWidth: 96,
      textDepth: 1,
      textStride: 2,
      textHeads: 3,
    },
    batch: plan.batch,
    training: { steps: plan.poolSteps, learningRate: plan.poolRate, warmup: 20, logitBias: -5 },
  });
}

type Taught = Pick<StageState, 'parameters' | 'losses'> & { readonly rows: number };

async function train(bench: Bench, seed: number, teacher: TeacherName): Promise<Taught> {
  const { plan, options, rows } = bench;
  const { poolSteps, fineTuneSteps } = plan;
  const initial = initializeParameters(options.towers, createRandom(`${seed}:teacher`), options.training);
  const whole = { steps: poolSteps + fineTuneSteps, learningRate: plan.poolRate };
  const short = { steps: fineTuneSteps, learningRate: plan.fineTuneRate };
  if (teacher === 'pool') return trainOn(bench, seed, teacher, rows, initial, whole);
  const first = await firstStage(bench, seed, initial);
  const part = teacher === 'control' ? rows : await bestRows(bench, first);
  return teacher === 'fine-tune'
    ? trainOn(bench, seed, teacher, part, initial, whole)
    : trainOn(bench, seed, teacher, part, first, short);
}

/** The first stage, which three of the teachers need, trained once. */
async function firstStage(bench: Bench, seed: number, initial: Parameters): Promise<Parameters> {
  const path = join(bench.folder, `${seed}-first-stage.safetensors`);
  const saved = await loadTowers(path).catch(() => null);
  if (saved) return saved.parameters;
  const { plan, rows, options } = bench;
  const training = { steps: plan.poolSteps, learningRate: plan.poolRate };
  const { parameters } = await trainOn(bench, seed, 'first stage', rows, initial, training);
  await saveTowers(path, options.towers, parameters);
  return parameters;
}

async function bestRows(bench: Bench, parameters: Parameters): Promise<PreparedRows> {
  const { executor, options, rows, plan, folder, context } = bench;
  const embedder = await createEmbedder({ executor, config: options.towers, parameters, frozen: true });
  try {
    return await keepMostAlike(rows, embedder, plan.quality, folder, context);
  } finally {
    await embedder.dispose();
  }
}

async function trainOn(
  { executor, options, context }: Bench,
  seed: number,
  name: string,
  rows: PreparedRows,
  initial: Parameters,
  change: { readonly steps: number; readonly learningRate: number },
): Promise<Taught> {
  const task = context.progress.start(`seed ${seed}, ${name}`, change.steps, 'steps');
  try {
    const state = await trainStage({
      ...options,
      executor,
      rows,
      initial,
      training: { ...options.training, ...change },
      streams: `${seed}:${name}`,
      signal: context.signal,
      onStep: (done) => task.update(done),
      checkpointEvery: change.steps,
      keep: async () => {},
    });
    return { ...state, rows: rows.rows };
  } finally {
    task.end();
  }
}

async function score(
  { executor, options, evaluation }: Bench,
  seed: number,
  teacher: TeacherName,
  { parameters, losses, rows }: Taught,
): Promise<TeacherResult> {
  const embedder = await createEmbedder({ executor, config: options.towers, parameters, frozen: true });
  try {
    const { recallAt1, languages, zeroShot } = await evaluate(embedder, evaluation, true);
    const languagesRecallAt1 = languages?.recallAt1 ?? 0;
    return { seed, teacher, rows, loss: meanLoss({ losses }), recallAt1, languagesRecallAt1, zeroShot };
  } finally {
    await embedder.dispose();
  }
}
