import { learningRateAt } from '../../models/adam.ts';
import { tokenize, tokenLength } from '../../models/byte-tokenizer.ts';
import { bucketOf, type Embedder } from '../../models/embedder.ts';
import { normalizePixels } from '../../models/pixels.ts';
import type { Selection } from '../../models/selection/select-batch.ts';
import type { TaughtRows, Trainer } from '../../models/trainer.ts';
import type { Random } from '../../schemas/random.ts';
import type { EvaluationScores, LearnerReport } from '../../schemas/reports.ts';
import type { SuperBatch } from '../../schemas/super-batch.ts';
import type { TeacherFacts } from '../../stages/read-curated.ts';
import type { Task } from '../progress.ts';
import { createChooser } from './choose-batch.ts';
import type { DistillOptions, TrainingOptions } from './options.ts';

/** One step, as `metrics.jsonl` records it. */
export interface StepMetrics {
  readonly run: LearnerReport['name'];
  readonly step: number;
  readonly loss: number;
  readonly gradientNorm: number;
  readonly learningRate: number;
  /** Since the start, evaluation left out. */
  readonly seconds: number;
  readonly flops: number | null;
}

/** What one training run needs. */
export interface LearnerRun {
  readonly name: LearnerReport['name'];
  readonly options: DistillOptions;
  readonly superBatches: AsyncGenerator<SuperBatch>;
  readonly trainer: Trainer;
  /** The learner as it scores super-batches. */
  readonly scorer: Embedder;
  /** The learner as it is evaluated. */
  readonly embedder: Embedder;
  readonly teacher: TeacherFacts | null;
  readonly random: Random;
  readonly signal: AbortSignal;
  readonly task: Task;
  readonly onStep: (metrics: StepMetrics) => Promise<void>;
  readonly onSelection: (step: number, superBatch: SuperBatch, selection: Selection) => Promise<void>;
  readonly evaluate: (last: boolean) => Promise<EvaluationScores | null>;
}

/**
 * Trains one learner: for each step a super-batch, the pairs chosen of it (by learnability, or uniformly), and one
 * step of the loss on them (ACID, arXiv 2411.18674, section 3; SigLIP 2, section 3.4).
 */
export async function trainLearner(run: LearnerRun): Promise<LearnerReport> {
  const { options, trainer, task } = run;
  const { steps } = options.training;
  const meter = createMeter(run);
  const choose = createChooser({ ...run, embedder: run.scorer });
  const curve: LearnerReport['curve'][number][] = [];
  let loss = Number.NaN;
  try {
    for (let step = 0; step < steps; step += 1) {
      run.signal.throwIfAborted();
      const { superBatch, indices, selection } = await choose(trainer);
      if (selection) await run.onSelection(step, superBatch, selection);
      const learningRate = rateOf(options.training, step);
      const result = await trainer.step({
        ...inputsOf(superBatch, indices, options.learner.textTokens),
        teacher:
          options.distillation > 0 && run.teacher ? taughtRows(superBatch, indices, run.teacher) : null,
        learningRate,
      });
      loss = result.loss;
      await run.onStep({ run: run.name, step, ...result, learningRate, ...meter.read() });
      const last = step + 1 === steps;
      if (last || (step + 1) % options.evaluateEvery === 0) {
        const at = { step: step + 1, ...meter.read(), loss };
        await run.embedder.update(trainer.weights());
        curve.push({ ...at, evaluation: await meter.leaveOut(() => run.evaluate(last)) });
      }
      task.update(step + 1);
    }
  } finally {
    await run.superBatches.return(undefined);
    task.end();
  }
  const evaluation = curve.at(-1)?.evaluation ?? null;
  return { name: run.name, steps, ...meter.read(), finalLoss: loss, curve, evaluation };
}

/** What a run has cost so far: evaluation is the measuring, not the measured, and is taken off. */
function createMeter({ trainer, scorer }: LearnerRun) {
  const started = performance.now();
  let evaluating = 0;
  return {
    read() {
      const [training, scoring] = [trainer.flops(), scorer.flops()];
      return {
        seconds: (performance.now() - started - evaluating) / 1000,
        flops: training === null || scoring === null ? null : training + scoring,
      };
    },
    async leaveOut<T>(work: () => Promise<T>): Promise<T> {
      const paused = performance.now();
      const result = await work();
      evaluating += performance.now() - paused;
      return result;
    },
  };
}

/** The rate of a step under a training's warm-up and cosine. */
export function rateOf(training: TrainingOptions, step: number): number {
  const { learningRate: peak, warmup, steps: total } = training;
  return learningRateAt(step, { peak, warmup, total });
}

/** The trainer's inputs for these pairs of a super-batch. */
export function inputsOf(
  superBatch: SuperBatch,
  indices: ArrayLike<number>,
  textTokens: number,
): { images: Float32Array; tokens: Int32Array } {
  const size = superBatch.pixels.length / superBatch.keys.length;
  const pixels = new Uint8Array(indices.length * size);
  const texts: string[] = [];
  for (let i = 0; i < indices.length; i += 1) {
    const at = indices[i] as number;
    pixels.set(superBatch.pixels.subarray(at * size, (at + 1) * size), i * size);
    texts.push(superBatch.texts[at] ?? '');
  }
  const longest = texts.reduce((most, text) => Math.max(most, tokenLength(text)), 1);
  // Pads are masked, so a narrower input gives the same embedding for less work.
  const width = bucketOf(longest, textTokens);
  return { images: normalizePixels(pixels), tokens: tokenize(texts, width) };
}

/** The teacher's rows of these pairs of a super-batch. */
function taughtRows(
  superBatch: SuperBatch,
  indices: Uint32Array,
  { dimension: d, scale }: TeacherFacts,
): TaughtRows {
  const gather = (values: Float32Array) => {
    const rows = new Float32Array(indices.length * d);
    indices.forEach((index, i) => {
      rows.set(values.subarray(index * d, (index + 1) * d), i * d);
    });
    return rows;
  };
  return { images: gather(superBatch.teacherImages), texts: gather(superBatch.teacherTexts), scale };
}
