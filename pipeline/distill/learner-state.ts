import { z } from 'zod';
import type { TensorValue } from '../../models/executor.ts';
import type { PairModel } from '../../models/selection/pair-model.ts';
import type { Parameters, TowersConfig } from '../../models/towers.ts';
import type { Moments } from '../../models/trainer.ts';
import { loadTrainingState, type RunIdentity, saveTrainingState } from '../../models/training-state.ts';
import type { LearnerReport } from '../../schemas/reports.ts';
import type { ChooserState } from './choose-batch.ts';
import type { DriftCounts } from './drift.ts';

/** What a learner's run has come to after a step: all that the next one depends on. */
export interface LearnerState {
  /** Steps taken. */
  readonly step: number;
  /** Of the last step; not a number before the first. */
  readonly loss: number;
  readonly seconds: number;
  readonly flops: number | null;
  readonly curve: LearnerReport['curve'];
  readonly drift: DriftCounts;
  /** Of the source that pairs are drawn with. */
  readonly random: readonly number[];
  readonly chooser: ChooserState;
  readonly parameters: Parameters;
  readonly moments: Moments;
}

/** A state as a run's folder keeps it. */
export interface KeptLearner {
  readonly state: LearnerState;
  /** Bytes of `metrics.jsonl` up to its step. */
  readonly metricsBytes: number;
  /** Of the whole run up to its step, what other learners took included. */
  readonly runSeconds: number;
}

const counts = z.record(z.string(), z.int().min(0));
const progressSchema = z.object({
  loss: z.number().nullable(),
  seconds: z.number().min(0),
  flops: z.number().min(0).nullable(),
  curve: z.custom<LearnerReport['curve']>((value) => Array.isArray(value)),
  drift: z.object({ offered: counts, selected: counts }),
  random: z.array(z.int()),
  taken: z.int().min(0),
  uses: z.int().min(0).nullable(),
  learner: z.object({ dimension: z.int().positive(), scale: z.number(), bias: z.number() }).nullable(),
  metricsBytes: z.int().min(0),
  runSeconds: z.number().min(0),
});

/** Saves a learner's state, whole or not at all. */
export async function saveLearner(
  path: string,
  config: TowersConfig,
  { state, metricsBytes, runSeconds }: KeptLearner,
  identity: RunIdentity,
): Promise<void> {
  const { parameters, moments, chooser, loss, seconds, flops, curve, drift, random } = state;
  const { taken, inUse } = chooser;
  const learner = inUse?.learner ?? null;
  const progress: z.infer<typeof progressSchema> = {
    loss: Number.isFinite(loss) ? loss : null,
    seconds,
    flops,
    curve,
    drift,
    random: [...random],
    taken,
    uses: inUse?.uses ?? null,
    learner: learner && { dimension: learner.dimension, scale: learner.scale, bias: learner.bias },
    metricsBytes,
    runSeconds,
  };
  const tensors: Record<string, TensorValue> = {};
  if (inUse) tensors.open = { shape: [inUse.open.length], dtype: 'int32', data: Int32Array.from(inUse.open) };
  if (learner) Object.assign(tensors, { images: rowsOf(learner, 'images'), texts: rowsOf(learner, 'texts') });
  await saveTrainingState(path, config, { parameters, moments, progress, tensors }, identity);
}

/** Loads what {@link saveLearner} saved; null where there is no file. Throws as {@link loadTrainingState} does. */
export async function loadLearner(
  path: string,
  config: TowersConfig,
  identity: RunIdentity,
): Promise<KeptLearner | null> {
  const saved = await loadTrainingState(path, config, identity);
  if (saved === null) return null;
  const parsed = progressSchema.safeParse(saved.progress);
  if (!parsed.success) throw new Error(`${path} is no state of a learner: delete it to start over`);
  const { taken, uses, learner, metricsBytes, runSeconds, loss, ...rest } = parsed.data;
  const { parameters, moments, tensors = {} } = saved;
  const floats = (name: string) => Float32Array.from(tensors[name]?.data ?? []);
  const inUse =
    uses === null
      ? null
      : {
          uses,
          open: Uint32Array.from(tensors.open?.data ?? []),
          learner: learner && { ...learner, images: floats('images'), texts: floats('texts') },
        };
  const state: LearnerState = {
    ...rest,
    step: moments.step,
    loss: loss ?? Number.NaN,
    chooser: { taken, inUse },
    parameters,
    moments,
  };
  return { state, metricsBytes, runSeconds };
}

function rowsOf(model: PairModel, name: 'images' | 'texts'): TensorValue {
  const data = model[name];
  return {
    shape: [data.length / model.dimension, model.dimension],
    dtype: 'float32',
    data: Float32Array.from(data),
  };
}
