import { availableParallelism } from 'node:os';
import { createEmbedder } from '../../models/embedder.ts';
import type { Executor } from '../../models/executor.ts';
import type { Parameters } from '../../models/towers.ts';
import { createTrainer } from '../../models/trainer.ts';
import { createRandom, restoreRandom } from '../../schemas/random.ts';
import type { LearnerReport } from '../../schemas/reports.ts';
import { formSuperBatches } from '../../stages/form-super-batches.ts';
import { superBatchesDone } from './choose-batch.ts';
import type { DriftCounts } from './drift.ts';
import { type EvaluationSet, evaluate } from './evaluate.ts';
import { withSequenceLengths } from './learner-images.ts';
import { type DistillOptions, superBatchAt } from './options.ts';
import type { PreparedRows } from './prepare.ts';
import { createScorer, createThreadedScorer } from './scorer.ts';
import { type LearnerRun, trainLearner } from './train-learner.ts';

/** What one learner is trained from. */
export interface LearnerInputs
  extends Pick<
    LearnerRun,
    'name' | 'options' | 'signal' | 'task' | 'onStep' | 'onSelection' | 'resume' | 'keep'
  > {
  readonly executor: Executor;
  readonly rows: PreparedRows;
  /** The weights at the start; runs that are compared start from the same. */
  readonly initial: Parameters;
  readonly evaluation: EvaluationSet | null;
  /** Whether each evaluation is over every language, or the last alone. */
  readonly everyLanguage: 'always' | 'last';
  /** Names the random streams: runs of one seed are offered the same super-batches. */
  readonly seed: string;
  /** Threads of the scoring thread where `scoring.overlap` asks for one; half of the machine's cores unless told. */
  readonly scoringThreads?: number | undefined;
}

/** A trained learner. */
export interface TrainedLearner {
  readonly report: LearnerReport;
  readonly parameters: Parameters;
  readonly drift: DriftCounts;
}

/** The options of the run that a recipe is compared with: uniform batches, scored by nobody, without distillation. */
export function uniformOptions(options: DistillOptions): DistillOptions {
  return {
    ...options,
    method: 'uniform',
    distillation: 0,
    scoring: { imagePool: 1, reuse: 1, overlap: false },
  };
}

/** Trains one learner, from the start or from where a stopped run was, and gives its report and its weights. */
export async function runLearner(inputs: LearnerInputs): Promise<TrainedLearner> {
  const { executor, options, rows, initial, evaluation, seed, name, resume } = inputs;
  const { learner: config, training, scoring, batch, distillation, naflex } = options;
  const { imagePool } = scoring;
  const taught = distillation > 0 && rows.teacher;
  const parameters = resume?.parameters ?? initial;
  const trainer = await createTrainer({
    executor,
    config,
    parameters,
    optimizer: training,
    batch,
    textTokens: config.textTokens,
    imagePool,
    sequenceLengths: naflex?.sequenceLengths,
    distillation: taught ? { weight: distillation, dimension: taught.dimension } : undefined,
    moments: resume?.moments,
  });
  const towers = { executor, config, parameters, frozen: false };
  const embedder = await createEmbedder(towers);
  const { scoringThreads: threads = halfOf(availableParallelism()) } = inputs;
  const asksLearner = options.method === 'learnability' || options.method === 'hard';
  const scorer =
    scoring.overlap && asksLearner
      ? await createThreadedScorer({ config, parameters, imagePool, threads })
      : createScorer(await createEmbedder({ ...towers, imagePool }), config.patchSize);
  const skip = resume ? superBatchesDone(resume.chooser) : 0;
  const formed = formSuperBatches(
    rows.epoch,
    {
      size: (n) => superBatchAt(options.superBatch, n * scoring.reuse),
      english: options.english,
      shuffleRows: options.shuffleRows,
      skip,
    },
    createRandom(`${seed}:super-batches`),
  );
  const superBatches = naflex ? withSequenceLengths(formed, naflex.sequenceLengths, seed, skip) : formed;
  try {
    const { report, drift } = await trainLearner({
      ...inputs,
      superBatches,
      trainer,
      embedder,
      scorer,
      teacher: rows.teacher,
      random: resume ? restoreRandom(resume.random) : createRandom(`${seed}:${name}`),
      evaluate: async (last) =>
        evaluation
          ? evaluate(embedder, evaluation, last || inputs.everyLanguage === 'always', inputs.signal)
          : null,
    });
    return { report, drift, parameters: await trainer.parameters() };
  } finally {
    for (const held of [embedder, scorer, trainer]) await held.dispose();
  }
}

/** Half of the threads, at least one: what training and scoring get each where they overlap. */
export function halfOf(threads: number): number {
  return Math.max(1, Math.floor(threads / 2));
}
