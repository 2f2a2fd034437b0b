import { learningRateAt } from '../../models/adam.ts';
import { tokenize, tokenLength } from '../../models/byte-tokenizer.ts';
import { bucketOf, type Embedder } from '../../models/embedder.ts';
import { normalizePixels } from '../../models/pixels.ts';
import { type Selection, selectBatch } from '../../models/selection/select-batch.ts';
import type { Trainer } from '../../models/trainer.ts';
import type { Random } from '../../schemas/random.ts';
import type { EvaluationScores, LearnerReport } from '../../schemas/reports.ts';
import type { SuperBatch } from '../../schemas/super-batch.ts';
import type { TeacherFacts } from '../../stages/read-curated.ts';
import type { Task } from '../progress.ts';
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
  /** The learner as it is: what scores super-batches, and what is evaluated. */
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
 * step of the sigmoid loss on them (ACID, arXiv 2411.18674, section 3; SigLIP 2, section 3.4).
 */
export async function trainLearner(run: LearnerRun): Promise<LearnerReport> {
  const { options, trainer, task } = run;
  const { steps } = options.training;
  const meter = createMeter(run);
  const curve: LearnerReport['curve'][number][] = [];
  let loss = Number.NaN;
  try {
    for (let step = 0; step < steps; step += 1) {
      run.signal.throwIfAborted();
      const { value: superBatch, done } = await run.superBatches.next();
      if (done) throw new Error('the super-batches ended');
      const indices =
        run.name === 'selected'
          ? await selectFor(run, step, superBatch)
          : drawUniformly(superBatch.keys.length, options.batch, run.random);
      const learningRate = rateOf(options.training, step);
      const result = await trainer.step({
        ...inputsOf(superBatch, indices, options.learner.textTokens),
        learningRate,
      });
      loss = result.loss;
      await run.onStep({ run: run.name, step, ...result, learningRate, ...meter.read() });
      const last = step + 1 === steps;
      if (last || (step + 1) % options.evaluateEvery === 0) {
        const at = { step: step + 1, ...meter.read(), loss };
        run.embedder.update(trainer.parameters());
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
function createMeter({ trainer, embedder }: LearnerRun) {
  const started = performance.now();
  let evaluating = 0;
  let evaluated = 0;
  return {
    read() {
      const [training, scoring] = [trainer.flops(), embedder.flops()];
      return {
        seconds: (performance.now() - started - evaluating) / 1000,
        flops: training === null || scoring === null ? null : training + scoring - evaluated,
      };
    },
    async leaveOut<T>(work: () => Promise<T>): Promise<T> {
      const [paused, before] = [performance.now(), embedder.flops() ?? 0];
      const result = await work();
      evaluating += performance.now() - paused;
      evaluated += (embedder.flops() ?? 0) - before;
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

/** b of B indices, uniformly without replacement (a partial Fisher-Yates shuffle). */
export function drawUniformly(count: number, batch: number, random: Random): Uint32Array {
  const indices = Uint32Array.from({ length: count }, (_, i) => i);
  for (let i = 0; i < batch; i += 1) {
    const j = i + random.integer(count - i);
    [indices[i], indices[j]] = [indices[j] as number, indices[i] as number];
  }
  return indices.slice(0, batch);
}

async function selectFor(run: LearnerRun, step: number, superBatch: SuperBatch): Promise<Uint32Array> {
  const { options, embedder, trainer, teacher } = run;
  const parameters = trainer.parameters();
  embedder.update(parameters);
  const learner = {
    images: await embedder.embedImages(normalizePixels(superBatch.pixels), superBatch.keys.length),
    texts: await embedder.embedTexts(superBatch.texts),
    dimension: options.learner.embeddingDim,
    scale: Math.exp(parameters.logit_scale_log?.data[0] ?? 0),
    bias: parameters.logit_bias?.data[0] ?? 0,
  };
  const reference = teacher && {
    images: superBatch.teacherImages,
    texts: superBatch.teacherTexts,
    ...teacher,
  };
  const { signal } = run;
  const selection = await selectBatch(learner, reference, { ...options, signal }, run.random);
  await run.onSelection(step, superBatch, selection);
  return selection.indices;
}
