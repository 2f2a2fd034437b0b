import { learningRateAt } from '../../models/adam.ts';
import { tokenize, tokenLength } from '../../models/byte-tokenizer.ts';
import { bucketOf, type Embedder } from '../../models/embedder.ts';
import type { PatchBatch } from '../../models/naflex/patchify.ts';
import type { TowersConfig } from '../../models/towers.ts';
import type { TaughtRows, Trainer } from '../../models/trainer.ts';
import type { Random } from '../../schemas/random.ts';
import type { EvaluationScores, LearnerReport } from '../../schemas/reports.ts';
import type { SuperBatch } from '../../schemas/super-batch.ts';
import type { TeacherFacts } from '../../stages/read-curated.ts';
import type { Task } from '../progress.ts';
import { type ChosenBatch, createChooser } from './choose-batch.ts';
import { addLanguages, type DriftCounts } from './drift.ts';
import { imagesOf } from './learner-images.ts';
import type { LearnerState } from './learner-state.ts';
import type { DistillOptions, TrainingOptions } from './options.ts';
import type { Scorer } from './scorer.ts';

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
  /** Where the run goes on, `resume`'s super-batches done. */
  readonly superBatches: AsyncGenerator<SuperBatch>;
  readonly trainer: Trainer;
  /** The learner as it scores super-batches. */
  readonly scorer: Scorer;
  /** The learner as it is evaluated. */
  readonly embedder: Embedder;
  readonly teacher: TeacherFacts | null;
  readonly random: Random;
  readonly signal: AbortSignal;
  readonly task: Task;
  readonly onStep: (metrics: StepMetrics) => Promise<void>;
  readonly onSelection: (step: number, chosen: ChosenBatch) => Promise<void>;
  /** Rejects when the signal is aborted. */
  readonly evaluate: (last: boolean) => Promise<EvaluationScores | null>;
  /** What a run that was stopped had come to; the trainer holds its weights and moments. */
  readonly resume?: LearnerState | null | undefined;
  /** Keeps what the run has come to: every `checkpointEvery` steps, at its end, and when it is stopped. */
  readonly keep?: ((state: LearnerState) => Promise<void>) | undefined;
}

/**
 * Trains one learner: for each step a super-batch, the pairs chosen of it (by learnability, or uniformly), and one
 * step of the loss on them (ACID, arXiv 2411.18674, section 3; SigLIP 2, section 3.4). A run that goes on from a state
 * that it kept comes to the same bits as one that was never stopped.
 */
export async function trainLearner(run: LearnerRun): Promise<{ report: LearnerReport; drift: DriftCounts }> {
  const { options, trainer, task, random, keep, resume } = run;
  const { training, checkpointEvery } = options;
  const { steps } = training;
  const meter = createMeter(run);
  const chooser = createChooser({ ...run, resume: resume?.chooser });
  const curve = [...(resume?.curve ?? [])];
  const drift: DriftCounts = structuredClone(resume?.drift ?? { offered: {}, selected: {} });
  let loss = resume?.loss ?? Number.NaN;
  const begun = resume?.step ?? 0;
  let kept = begun;
  const checkpoint = async (step: number) => {
    if (!keep || step === kept) return;
    kept = step;
    const at = { step, loss, curve, drift, random: random.state(), chooser: await chooser.state() };
    await keep({
      ...at,
      ...meter.read(),
      parameters: await trainer.parameters(),
      moments: await trainer.moments(),
    });
  };
  const isEvaluated = (step: number) => step === steps || step % options.evaluateEvery === 0;
  const evaluateAt = async (step: number) => {
    const at = { step, ...meter.read(), loss };
    await run.embedder.update(trainer.weights());
    try {
      curve.push({ ...at, evaluation: await meter.leaveOut(() => run.evaluate(step === steps)) });
    } catch (error) {
      // It goes on with the evaluation.
      if (run.signal.aborted) await checkpoint(step);
      throw error;
    }
  };
  try {
    task.update(begun);
    if (begun > 0 && isEvaluated(begun) && curve.at(-1)?.step !== begun) await evaluateAt(begun);
    for (let step = begun; step < steps; step += 1) {
      if (run.signal.aborted) await checkpoint(step);
      run.signal.throwIfAborted();
      const last = step + 1 === steps;
      const chosen = await chooser.choose(trainer, last);
      const { superBatch, indices } = chosen;
      if (chosen.isFresh) addLanguages(drift.offered, superBatch.languages);
      addLanguages(drift.selected, languagesOf(superBatch, indices));
      await run.onSelection(step, chosen);
      const learningRate = rateOf(training, step);
      const result = await trainer.step({
        ...inputsOf(superBatch, indices, options.learner),
        teacher:
          options.distillation > 0 && run.teacher ? taughtRows(superBatch, indices, run.teacher) : null,
        learningRate,
      });
      await chooser.settle();
      loss = result.loss;
      await run.onStep({ run: run.name, step, ...result, learningRate, ...meter.read() });
      if (isEvaluated(step + 1)) await evaluateAt(step + 1);
      if (last || (step + 1) % checkpointEvery === 0) await checkpoint(step + 1);
      task.update(step + 1);
    }
  } finally {
    await run.superBatches.return(undefined);
    task.end();
  }
  const evaluation = curve.at(-1)?.evaluation ?? null;
  return { report: { name: run.name, steps, ...meter.read(), finalLoss: loss, curve, evaluation }, drift };
}

function languagesOf({ languages }: SuperBatch, indices: Uint32Array): string[] {
  return Array.from(indices, (i) => languages[i] ?? '');
}

/** What a run has cost so far: evaluation is the measuring, not the measured, and is taken off. */
function createMeter({ trainer, scorer, resume }: LearnerRun) {
  const started = performance.now();
  const before = { seconds: resume?.seconds ?? 0, flops: resume ? resume.flops : 0 };
  let evaluating = 0;
  return {
    read() {
      const [training, scoring] = [trainer.flops(), scorer.flops()];
      const isKnown = training !== null && scoring !== null && before.flops !== null;
      return {
        seconds: before.seconds + (performance.now() - started - evaluating) / 1000,
        flops: isKnown ? (before.flops ?? 0) + training + scoring : null,
      };
    },
    async leaveOut<T>(work: () => Promise<T>): Promise<T> {
      const paused = performance.now();
      try {
        return await work();
      } finally {
        evaluating += performance.now() - paused;
      }
    },
  };
}

/** The rate of a step under a training's warm-up and cosine. */
export function rateOf(training: TrainingOptions, step: number): number {
  const { learningRate: peak, warmup, steps: total } = training;
  return learningRateAt(step, { peak, warmup, total });
}

/** The trainer's inputs for these pairs of a super-batch: pixels of squares, or patches where images have sizes. */
export function inputsOf(
  superBatch: SuperBatch,
  indices: ArrayLike<number>,
  { textTokens, patchSize }: Pick<TowersConfig, 'textTokens' | 'patchSize'>,
): { images: Float32Array | PatchBatch; tokens: Int32Array } {
  const texts = Array.from(indices, (at) => superBatch.texts[at] ?? '');
  const longest = texts.reduce((most, text) => Math.max(most, tokenLength(text)), 1);
  // Pads are masked, so a narrower input gives the same embedding for less work.
  const width = bucketOf(longest, textTokens);
  return { images: imagesOf(superBatch, indices, patchSize), tokens: tokenize(texts, width) };
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
