import * as tf from '@tensorflow/tfjs';
import { type AdamOptions, adamStep } from './adam.ts';
import { type Program, sizeOf } from './executor.ts';
import { joinFlat, lengthOf, splitFlat } from './flat-parameters.ts';
import { sigmoidLoss } from './sigmoid-loss.ts';
import { decaysWeight, embedImages, embedTokens, parameterShapes, type TowersConfig } from './towers.ts';

/** What a training step is compiled for. */
export interface TrainShape {
  readonly config: TowersConfig;
  /** b, the pairs of a batch. */
  readonly batch: number;
  /** T, the tokens of a text. */
  readonly tokens: number;
}

/** The sigmoid loss of a batch under towers, as a function of their parameters. */
export function towersLoss(
  config: TowersConfig,
  parameters: Readonly<Record<string, tf.Tensor>>,
  images: tf.Tensor,
  tokens: tf.Tensor,
): tf.Scalar {
  const { logit_scale_log: scaleLog, logit_bias: bias } = parameters;
  if (!scaleLog || !bias) throw new Error("the loss needs 'logit_scale_log' and 'logit_bias'");
  return sigmoidLoss(
    embedImages(config, parameters, images),
    embedTokens(config, parameters, tokens),
    scaleLog,
    bias,
  );
}

/**
 * The loss and its gradient, both as TF.js's autodiff gives them: inputs `parameters` [P], `images` [b, H, W, 3],
 * `tokens` [b, T]; outputs `loss` (a scalar) and `gradients` [P].
 */
export function gradientProgram(shape: TrainShape): Program {
  return {
    name: 'gradient',
    inputs: batchInputs(shape),
    build: (tensors) => lossAndGradients(shape.config, tensors),
  };
}

/**
 * One training step: the inputs of {@link gradientProgram}, Adam's moments `first` and `second` [P] and the scalars
 * `learningRate`, `firstCorrection`, `secondCorrection`; outputs `loss`, `gradientNorm` and the new `parameters`,
 * `first` and `second`, under the names `newParameters`, `newFirst`, `newSecond`.
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
    build(tensors) {
      const { loss, gradients } = lossAndGradients(shape.config, tensors);
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
      };
    },
  };
}

function batchInputs({ config, batch, tokens }: TrainShape): Program['inputs'] {
  const { imageSize } = config;
  return {
    parameters: { shape: [lengthOf(parameterShapes(config))], dtype: 'float32' },
    images: { shape: [batch, imageSize, imageSize, 3], dtype: 'float32' },
    tokens: { shape: [batch, tokens], dtype: 'int32' },
  };
}

function lossAndGradients(config: TowersConfig, tensors: Readonly<Record<string, tf.Tensor>>) {
  const parameters = splitFlat(parameterShapes(config), pick(tensors, 'parameters'));
  const names = Object.keys(parameters);
  const [images, tokens] = [pick(tensors, 'images'), pick(tensors, 'tokens')];
  const loss = (...values: tf.Tensor[]) =>
    towersLoss(config, Object.fromEntries(names.map((name, i) => [name, pick(values, i)])), images, tokens);
  const { value, grads } = tf.valueAndGrads(loss)(Object.values(parameters));
  return { loss: value, gradients: joinFlat(grads) };
}

function pick<K extends string | number>(tensors: { readonly [key in K]?: tf.Tensor }, key: K): tf.Tensor {
  const tensor = tensors[key];
  if (tensor === undefined) throw new Error(`the program was given no '${key}'`);
  return tensor;
}
