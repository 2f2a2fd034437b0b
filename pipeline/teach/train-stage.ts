import { type Augmentation, augmentPixels } from '../../models/augment-pixels.ts';
import type { Executor } from '../../models/executor.ts';
import type { Parameters, TowersConfig } from '../../models/towers.ts';
import { createTrainer, type Moments } from '../../models/trainer.ts';
import { createRandom } from '../../schemas/random.ts';
import { formSuperBatches } from '../../stages/form-super-batches.ts';
import type { TrainingOptions } from '../distill/options.ts';
import type { PreparedRows } from '../distill/prepare.ts';
import { inputsOf, rateOf } from '../distill/train-learner.ts';

/** One stage of a teacher's training. */
export interface TeachingStage {
  readonly executor: Executor;
  readonly towers: TowersConfig;
  readonly rows: PreparedRows;
  readonly training: TrainingOptions;
  readonly batch: number;
  /** The share of English in every batch; null takes the rows as they come. */
  readonly english: number | null;
  readonly shuffleRows: number;
  readonly augment: Augmentation;
  /** Names the random streams. */
  readonly streams: string;
  /** The weights that the stage begins with. */
  readonly initial: Parameters;
  readonly signal: AbortSignal;
  readonly onStep: (done: number) => void;
  /** Where a stopped stage goes on. */
  readonly resume?: StageState | null | undefined;
  /** Steps between checkpoints. */
  readonly checkpointEvery: number;
  /** Keeps what the stage has come to; it is asked at the stage's end and when it is stopped as well. */
  readonly keep: (state: StageState) => Promise<void>;
}

/** What a stage has come to. */
export interface StageState {
  readonly parameters: Parameters;
  readonly moments: Moments;
  /** Of the last steps, at most a hundred. */
  readonly losses: readonly number[];
}

/** Losses whose mean is reported. */
const lastLosses = 100;

/**
 * Trains towers with the sigmoid loss for one stage, from its start or from where it was stopped: its weights come out
 * the same to the bit. Throws when the signal is aborted, what it had come to kept.
 */
export async function trainStage(stage: TeachingStage): Promise<StageState> {
  const { towers, rows, training, batch, english, shuffleRows, augment, streams, resume, keep } = stage;
  const trainer = await createTrainer({
    executor: stage.executor,
    config: towers,
    parameters: resume?.parameters ?? stage.initial,
    optimizer: training,
    batch,
    textTokens: towers.textTokens,
    moments: resume?.moments,
  });
  const begun = resume?.moments.step ?? 0;
  const batches = formSuperBatches(
    rows.epoch,
    { size: batch, english, shuffleRows, skip: begun },
    createRandom(`${streams}-batches`),
  );
  const losses = [...(resume?.losses ?? [])];
  const state = async () => ({
    parameters: await trainer.parameters(),
    moments: await trainer.moments(),
    losses: [...losses],
  });
  const all = Uint32Array.from({ length: batch }, (_, i) => i);
  let kept = begun;
  const checkpoint = async (step: number) => {
    if (step === kept) return;
    kept = step;
    await keep(await state());
  };
  try {
    for (let step = begun; step < training.steps; step += 1) {
      if (stage.signal.aborted) await checkpoint(step);
      stage.signal.throwIfAborted();
      const { value: pairs, done } = await batches.next();
      if (done) throw new Error('the batches ended');
      const { tokens } = inputsOf(pairs, all, towers);
      // A stream a step, so that a run that goes on draws what it would have drawn.
      const random = createRandom(`${streams}-augmentation:${step}`);
      const images = augmentPixels(pairs.pixels, towers.imageSize, augment, random);
      const { loss } = await trainer.step({ images, tokens, learningRate: rateOf(training, step) });
      losses.push(loss);
      if (losses.length > lastLosses) losses.shift();
      stage.onStep(step + 1);
      const last = step + 1 === training.steps;
      if (last || (step + 1) % stage.checkpointEvery === 0) await checkpoint(step + 1);
    }
    return await state();
  } finally {
    await batches.return(undefined);
    await trainer.dispose();
  }
}

/** The mean of a stage's last losses; not a number before its first step. */
export function meanLoss({ losses }: Pick<StageState, 'losses'>): number {
  return losses.length === 0 ? Number.NaN : losses.reduce((sum, loss) => sum + loss, 0) / losses.length;
}
