import { createEmbedder } from '../../models/embedder.ts';
import type { Executor } from '../../models/executor.ts';
import type { Parameters } from '../../models/towers.ts';
import { createTrainer } from '../../models/trainer.ts';
import { createRandom } from '../../schemas/random.ts';
import type { LearnerReport } from '../../schemas/reports.ts';
import { formSuperBatches } from '../../stages/form-super-batches.ts';
import { type EvaluationSet, evaluate } from './evaluate.ts';
import { type DistillOptions, superBatchAt } from './options.ts';
import type { PreparedRows } from './prepare.ts';
import { type LearnerRun, trainLearner } from './train-learner.ts';

/** What one learner is trained from. */
export interface LearnerInputs
  extends Pick<LearnerRun, 'name' | 'options' | 'signal' | 'task' | 'onStep' | 'onSelection'> {
  readonly executor: Executor;
  readonly rows: PreparedRows;
  /** The weights at the start; runs that are compared start from the same. */
  readonly initial: Parameters;
  readonly evaluation: EvaluationSet | null;
  /** Whether each evaluation is over every language, or the last alone. */
  readonly everyLanguage: 'always' | 'last';
  /** Names the random streams: runs of one seed are offered the same super-batches. */
  readonly seed: string;
}

/** The options of the run that a recipe is compared with: uniform batches, scored by nobody, without distillation. */
export function uniformOptions(options: DistillOptions): DistillOptions {
  return { ...options, method: 'uniform', distillation: 0, scoring: { imagePool: 1, reuse: 1 } };
}

/** Trains one learner, and gives its report and its weights. */
export async function runLearner(
  inputs: LearnerInputs,
): Promise<{ readonly report: LearnerReport; readonly parameters: Parameters }> {
  const { executor, options, rows, initial, evaluation, seed, name } = inputs;
  const { learner: config, training, scoring, batch, distillation } = options;
  const { imagePool } = scoring;
  const taught = distillation > 0 && rows.teacher;
  const trainer = await createTrainer({
    executor,
    config,
    parameters: initial,
    optimizer: training,
    batch,
    textTokens: config.textTokens,
    imagePool,
    distillation: taught ? { weight: distillation, dimension: taught.dimension } : undefined,
  });
  const towers = { executor, config, parameters: initial, frozen: false };
  const embedder = await createEmbedder(towers);
  const scorer = await createEmbedder({ ...towers, imagePool });
  const superBatches = formSuperBatches(
    rows.epoch,
    {
      size: (n) => superBatchAt(options.superBatch, n * scoring.reuse),
      english: options.english,
      shuffleRows: options.shuffleRows,
    },
    createRandom(`${seed}:super-batches`),
  );
  try {
    const report = await trainLearner({
      ...inputs,
      superBatches,
      trainer,
      embedder,
      scorer,
      teacher: rows.teacher,
      random: createRandom(`${seed}:${name}`),
      evaluate: async (last) =>
        evaluation ? evaluate(embedder, evaluation, last || inputs.everyLanguage === 'always') : null,
    });
    return { report, parameters: await trainer.parameters() };
  } finally {
    for (const held of [embedder, scorer, trainer]) await held.dispose();
  }
}
