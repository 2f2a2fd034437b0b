import * as tf from '@tensorflow/tfjs';
import { type AdamOptions, adamStep } from './adam.ts';
import { type Program, sizeOf } from './executor.ts';
import { entryOf, joinFlat, lengthOf, splitFlat } from './flat-parameters.ts';
import { sigmoidLoss } from './sigmoid-loss.ts';
import { softmaxDistillationLoss } from './softmax-loss.ts';
import {
  decaysWeight,
  embedImages,
  embedPatches,
  embedTokens,
  type PatchTensors,
  parameterShapes,
  patchesOf,
  type TowersConfig,
} from './towers.ts';

/** What a training step is compiled for. */
export interface TrainShape {
  readonly config: TowersConfig;
  /** b, the pairs of a batch. */
  readonly batch: number;
  /** T, the tokens of a text. */
  readonly tokens: number;
  /** Over 1, every other image is seen averaged over so many pixels a side; then b must be even. */
  readonly imagePool?: number | undefined;
  /** N of NaFlex's patches; without it images are squares. */
  readonly sequenceLength?: number | undefined;
  /** What the learner is taught beside the pairs, if anything. */
  readonly distillation?: Distillation | undefined;
}

/** Explicit distillation: the softmax term of ACED (ACID, arXiv 2411.18674, section 3). */
export interface Distillation {
  /** What its loss is multiplied by before it is added to the sigmoid loss. */
  readonly weight: number;
  /** d of the teacher's embeddings. */
  readonly dimension: number;
}

/** A batch as the loss takes it. */
interface LossInputs {
  readonly images: tf.Tensor | PatchTensors;
  readonly tokens: tf.Tensor;
  /** The teacher's embeddings [b, D] and the log of its scale [1]; null without distillation. */
  readonly teacher: {
    readonly images: tf.Tensor;
    readonly texts: tf.Tensor;
    readonly scaleLog: tf.Tensor;
  } | null;
}

/** The loss of a batch under towers, as a function of their parameters: the sigmoid loss, and what is distilled. */
function towersLoss(
  { config, imagePool = 1, distillation }: TrainShape,
  parameters: Readonly<Record<string, tf.Tensor>>,
  { images: pixels, tokens, teacher }: LossInputs,
): tf.Scalar {
  const { logit_scale_log: scaleLog, logit_bias: bias } = parameters;
  if (!scaleLog || !bias) throw new Error("the loss needs 'logit_scale_log' and 'logit_bias'");
  const images =
    pixels instanceof tf.Tensor
      ? embedHalves(config, parameters, pixels, imagePool)
      : embedPatches(config, parameters, pixels);
  const texts = embedTokens(config, parameters, tokens);
  const contrastive = sigmoidLoss(images, texts, scaleLog, bias);
  if (teacher === null || !distillation) return contrastive;
  const distilled = softmaxDistillationLoss({ images, texts, scaleLog }, teacher);
  return tf.add(contrastive, tf.mul(distilled, distillation.weight)) as tf.Scalar;
}

/** Embeds a batch, every other image of it at a lower resolution: [b, H, W, 3] to [b, d]. */
function embedHalves(
  config: TowersConfig,
  parameters: Readonly<Record<string, tf.Tensor>>,
  pixels: tf.Tensor,
  pool: number,
): tf.Tensor {
  if (pool === 1) return embedImages(config, parameters, pixels);
  const [batch = 0, height = 0, width = 0] = pixels.shape;
  const half = batch / 2;
  const pairs = tf.reshape(pixels, [half, 2, height, width, 3]);
  const embedded = [1, pool].map((factor, i) => {
    const images = tf.slice(pairs, [0, i, 0, 0, 0], [half, 1, height, width, 3]);
    return embedImages(config, parameters, tf.reshape(images, [half, height, width, 3]), factor);
  });
  return tf.reshape(tf.stack(embedded, 1), [batch, config.embeddingDim]);
}

/**
 * The loss and its gradient, both as TF.js's autodiff gives them: inputs `parameters` [P], `images` [b, H, W, 3],
 * `tokens` [b, T], for NaFlex {@link patchInputs} in place of `images`, and for distillation `teacherImages` and `teacherTexts` [b, D] and `teacherScaleLog` [1]; outputs
 * `loss` (a scalar) and `gradients` [P].
 */
export function gradientProgram(shape: TrainShape): Program {
  return {
    name: 'gradient',
    inputs: batchInputs(shape),
    build: (tensors) => lossAndGradients(shape, tensors),
  };
}

/**
 * One training step: the inputs of {@link gradientProgram}, Adam's moments `first` and `second` [P] and the scalars
 * `learningRate`, `firstCorrection`, `secondCorrection`; outputs `loss`, `gradientNorm`, the new `scaleLog` and `bias`
 * [1], and, kept by the executor, the new `parameters`, `first` and `second`, under the names `newParameters`,
 * `newFirst`, `newSecond`.
 */
export function trainProgram(shape: TrainShape, optimizer: AdamOptions): Program {
  const layout = parameterShapes(shape.config);
  const vector = { shape: [lengthOf(layout)], dtype: 'float32' } as const;
  const scalar = { shape: [], dtype: 'float32' } as const;
  const decays = Object.entries(layout).flatMap(([name, size]) =>
    new Array<number>(sizeOf(size)).fill(Number(decaysWeight(name))),
  );
  return {
    name: 'train',
    inputs: {
      ...batchInputs(shape),
      first: vector,
      second: vector,
      learningRate: scalar,
      firstCorrection: scalar,
      secondCorrection: scalar,
    },
    keeps: ['newParameters', 'newFirst', 'newSecond'],
    build(tensors) {
      const { loss, gradients } = lossAndGradients(shape, tensors);
      const updated = adamStep(
        {
          parameters: pick(tensors, 'parameters'),
          gradients,
          first: pick(tensors, 'first'),
          second: pick(tensors, 'second'),
          decays: optimizer.weightDecay > 0 ? tf.tensor1d(decays) : null,
          learningRate: pick(tensors, 'learningRate'),
          firstCorrection: pick(tensors, 'firstCorrection'),
          secondCorrection: pick(tensors, 'secondCorrection'),
        },
        optimizer,
      );
      return {
        loss,
        gradientNorm: updated.gradientNorm,
        newParameters: updated.parameters,
        newFirst: updated.first,
        newSecond: updated.second,
        scaleLog: entryOf(layout, updated.parameters, 'logit_scale_log'),
        bias: entryOf(layout, updated.parameters, 'logit_bias'),
      };
    },
  };
}

/** What NaFlex's images are as a program's inputs: `patches`, `mask` and `positionWeights`. */
export function patchInputs(config: TowersConfig, batch: number, sequenceLength: number): Program['inputs'] {
  const shape = [batch, sequenceLength] as const;
  return {
    patches: { shape: [...shape, config.patchSize ** 2 * 3], dtype: 'float32' },
    mask: { shape, dtype: 'float32' },
    positionWeights: { shape: [...shape, patchesOf(config)], dtype: 'float32' },
  };
}

function batchInputs(shape: TrainShape): Program['inputs'] {
  const { config, batch, tokens, sequenceLength, distillation } = shape;
  const { imageSize } = config;
  return {
    parameters: { shape: [lengthOf(parameterShapes(config))], dtype: 'float32' },
    ...(sequenceLength
      ? patchInputs(config, batch, sequenceLength)
      : { images: { shape: [batch, imageSize, imageSize, 3], dtype: 'float32' as const } }),
    tokens: { shape: [batch, tokens], dtype: 'int32' },
    ...(distillation && {
      teacherImages: { shape: [batch, distillation.dimension], dtype: 'float32' },
      teacherTexts: { shape: [batch, distillation.dimension], dtype: 'float32' },
      teacherScaleLog: { shape: [1], dtype: 'float32' },
    }),
  };
}

/** NaFlex's images among a program's tensors. */
export function patchTensors(tensors: Readonly<Record<string, tf.Tensor>>): PatchTensors {
  return {
    patches: pick(tensors, 'patches'),
    mask: pick(tensors, 'mask'),
    positionWeights: pick(tensors, 'positionWeights'),
  };
}

function lossAndGradients(
  shape: TrainShape,
  tensors: Readonly<Record<string, tf.Tensor>>,
): { readonly loss: tf.Scalar; readonly gradients: tf.Tensor } {
  const parameters = splitFlat(parameterShapes(shape.config), pick(tensors, 'parameters'));
  const names = Object.keys(parameters);
  const inputs: LossInputs = {
    images: shape.sequenceLength ? patchTensors(tensors) : pick(tensors, 'images'),
    tokens: pick(tensors, 'tokens'),
    teacher: shape.distillation
      ? {
          images: pick(tensors, 'teacherImages'),
          texts: pick(tensors, 'teacherTexts'),
          scaleLog: pick(tensors, 'teacherScaleLog'),
        }
      : null,
  };
  const loss = (...values: tf.Tensor[]) => {
    const named = Object.fromEntries(names.map((name, i) => [name, pick(values, i)]));
    return towersLoss(shape, named, inputs);
  };
  const { value, grads } = tf.valueAndGrads(loss)(Object.values(parameters));
  return { loss: value, gradients: joinFlat(grads) };
}

function pick<K extends string | number>(tensors: { readonly [key in K]?: tf.Tensor }, key: K): tf.Tensor {
  const tensor = tensors[key];
  if (tensor === undefined) throw new Error(`the program was given no '${key}'`);
  return tensor;
}

/** Cuts the vector of all weights into them: input `parameters` [P], outputs by name, kept by the executor. */
export function splitProgram(config: TowersConfig): Program {
  const layout = parameterShapes(config);
  return {
    name: 'split',
    inputs: { parameters: { shape: [lengthOf(layout)], dtype: 'float32' } },
    keeps: Object.keys(layout),
    build: (tensors) => splitFlat(layout, pick(tensors, 'parameters')),
  };
}
