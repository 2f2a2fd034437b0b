import type { AdamOptions } from './adam.ts';
import type { CompiledProgram, Executor, HeldTensor, TensorValue } from './executor.ts';
import { flatten, lengthOf, unflatten } from './flat-parameters.ts';
import type { PatchBatch } from './naflex/patchify.ts';
import { patchValues } from './naflex/values.ts';
import { type Parameters, parameterShapes, type TowersConfig } from './towers.ts';
import { type Distillation, trainProgram } from './train-program.ts';

/** Adam's memory: what, with the parameters, continues a training run to the bit. */
export interface Moments {
  /** Steps taken so far. */
  readonly step: number;
  /** The running means of the gradients and of their squares, shaped as the parameters. */
  readonly first: Parameters;
  readonly second: Parameters;
}

/** What a trainer is made of. */
export interface TrainerOptions {
  readonly executor: Executor;
  readonly config: TowersConfig;
  /** The weights to start from; they are copied. */
  readonly parameters: Parameters;
  readonly optimizer: AdamOptions;
  /** b, the pairs of every batch. */
  readonly batch: number;
  /** The widest batch of tokens; compiled at once, narrower ones when they first come. */
  readonly textTokens: number;
  /** Over 1, every other image is trained averaged over so many pixels a side; then b must be even. */
  readonly imagePool?: number | undefined;
  /** NaFlex's sequence lengths, where images come as patches; the longest is compiled at once. */
  readonly sequenceLengths?: readonly number[] | undefined;
  /** What the learner is taught beside the pairs; then every step needs the teacher's embeddings. */
  readonly distillation?: Distillation | undefined;
  /** Where a former trainer stopped. */
  readonly moments?: Moments | undefined;
}

/** One batch and its learning rate. */
export interface TrainStep {
  /** [b, H, W, 3] in [-1, 1]; of a NaFlex trainer a batch of patches. */
  readonly images: Float32Array | PatchBatch;
  /** [b, T], T at most `textTokens`. */
  readonly tokens: Int32Array;
  readonly learningRate: number;
  /** The teacher's unit rows [b, D] and the scale of its logits, exp(t); needed for distillation, else unused. */
  readonly teacher?: TaughtRows | null | undefined;
}

/** A batch under a teacher. */
export interface TaughtRows {
  readonly images: Float32Array;
  readonly texts: Float32Array;
  readonly scale: number;
}

/** What a step came to. */
export interface StepResult {
  /** The loss before the update. */
  readonly loss: number;
  /** The global norm of the gradient before clipping. */
  readonly gradientNorm: number;
}

/** A pair of towers in training. */
export interface Trainer {
  /** One step of Adam. Throws on a misshapen batch, without a teacher it needs, or when the loss isn't finite. */
  step(step: TrainStep): Promise<StepResult>;
  /** A copy of the weights as they are. */
  parameters(): Promise<Parameters>;
  /**
   * The weights where the executor holds them, laid out in one vector [P]: what an embedder of the same executor is
   * updated with, before the next step frees it.
   */
  weights(): HeldTensor;
  /** What the learner multiplies similarities by, exp(t), and adds to them. */
  logits(): { readonly scale: number; readonly bias: number };
  /** Floating-point operations of the steps taken so far, as its executor counts them; null where it doesn't. */
  flops(): number | null;
  /** A copy of Adam's memory. */
  moments(): Promise<Moments>;
  dispose(): Promise<void>;
}

/** What passes from step to step without leaving the executor: each [P]. */
type State = Readonly<Record<'parameters' | 'first' | 'second', HeldTensor>>;

/**
 * Compiles the training step, and starts from the given weights. They and Adam's memory stay with the executor
 * between steps, and are read when they are asked for. Throws when they don't fit the config.
 */
export async function createTrainer(options: TrainerOptions): Promise<Trainer> {
  const { executor, config, optimizer, batch, textTokens, imagePool, sequenceLengths, distillation } =
    options;
  if (textTokens > config.textTokens) {
    throw new Error(
      `textTokens ${textTokens} is more than the ${config.textTokens} that the text tower takes`,
    );
  }
  const layout = parameterShapes(config);
  const start = options.moments;
  const vector = (values: Parameters | undefined) => {
    const data = values ? flatten(layout, values) : new Float32Array(lengthOf(layout));
    return executor.hold({ shape: [data.length], dtype: 'float32', data });
  };
  let state: State = {
    parameters: await vector(options.parameters),
    first: await vector(start?.first),
    second: await vector(start?.second),
  };
  let logits = logitsOf(options.parameters.logit_scale_log, options.parameters.logit_bias);
  let taken = start?.step ?? 0;
  let flops: number | null = 0;

  const programs = new Map<string, Promise<CompiledProgram>>();
  const programOf = (tokens: number, sequenceLength?: number) => {
    const key = `${tokens} ${sequenceLength}`;
    const known = programs.get(key);
    if (known !== undefined) return known;
    const compiled = executor.compile(
      trainProgram({ config, batch, tokens, imagePool, sequenceLength, distillation }, optimizer),
    );
    programs.set(key, compiled);
    return compiled;
  };
  await programOf(textTokens, sequenceLengths && Math.max(...sequenceLengths));

  const read = async (held: HeldTensor): Promise<Parameters> => {
    const { data } = await held.read();
    return unflatten(layout, data);
  };

  return {
    async step({ images, tokens, learningRate, teacher }) {
      const width = tokens.length / batch;
      if (!Number.isInteger(width) || width < 1 || width > textTokens) {
        throw new Error(`${tokens.length} tokens aren't ${batch} texts of 1 to ${textTokens}`);
      }
      if (images instanceof Float32Array !== (sequenceLengths === undefined)) {
        throw new Error('a trainer takes patches where it was made for NaFlex, and squares elsewhere');
      }
      const program = await programOf(
        width,
        images instanceof Float32Array ? undefined : images.sequenceLength,
      );
      const { imageSize } = config;
      const { values, kept } = await program.runKeeping({
        ...state,
        ...(images instanceof Float32Array
          ? { images: { shape: [batch, imageSize, imageSize, 3], dtype: 'float32' as const, data: images } }
          : patchValues(config, images)),
        tokens: { shape: [batch, width], dtype: 'int32', data: tokens },
        learningRate: scalar(learningRate),
        ...(distillation && taughtInputs(teacher, batch, distillation)),
        firstCorrection: scalar(1 / (1 - optimizer.beta1 ** (taken + 1))),
        secondCorrection: scalar(1 / (1 - optimizer.beta2 ** (taken + 1))),
      });
      const loss = numberOf(values.loss);
      const gradientNorm = numberOf(values.gradientNorm);
      const { newParameters, newFirst, newSecond } = kept;
      if (!newParameters || !newFirst || !newSecond) throw new Error('the executor kept no weights');
      const next: State = { parameters: newParameters, first: newFirst, second: newSecond };
      if (!Number.isFinite(loss) || !Number.isFinite(gradientNorm)) {
        releaseAll(next);
        throw new Error(
          `step ${taken}: the loss is ${loss} and the gradient's norm ${gradientNorm}; the weights are as before. ` +
            'Lower the learning rate, or look for inputs that are not finite',
        );
      }
      releaseAll(state);
      state = next;
      logits = logitsOf(values.scaleLog, values.bias);
      taken += 1;
      flops = flops === null || program.flops === null ? null : flops + program.flops;
      return { loss, gradientNorm };
    },
    parameters: () => read(state.parameters),
    weights: () => state.parameters,
    logits: () => logits,
    flops: () => flops,
    async moments() {
      const { first, second } = state;
      return { step: taken, first: await read(first), second: await read(second) };
    },
    async dispose() {
      const compiled = [...programs.values()];
      programs.clear();
      for (const program of compiled) await (await program).dispose();
      releaseAll(state);
    },
  };
}

function releaseAll(state: State): void {
  for (const tensor of Object.values(state)) tensor.release();
}

function logitsOf(scaleLog: TensorValue | undefined, bias: TensorValue | undefined) {
  return { scale: Math.exp(numberOf(scaleLog)), bias: numberOf(bias) };
}

function taughtInputs(
  teacher: TaughtRows | null | undefined,
  batch: number,
  { dimension }: Distillation,
): Record<string, TensorValue> {
  if (!teacher) throw new Error("distillation needs the teacher's embeddings of every batch");
  const rows = (data: Float32Array): TensorValue => ({ shape: [batch, dimension], dtype: 'float32', data });
  return {
    teacherImages: rows(teacher.images),
    teacherTexts: rows(teacher.texts),
    teacherScaleLog: { shape: [1], dtype: 'float32', data: Float32Array.of(Math.log(teacher.scale)) },
  };
}

function scalar(value: number): TensorValue {
  return { shape: [], dtype: 'float32', data: Float32Array.of(value) };
}

function numberOf(value: TensorValue | undefined): number {
  return value?.data[0] ?? Number.NaN;
}
