import type { Random } from '../../schemas/random.ts';
import { sizeOf, type TensorValue } from '../executor.ts';
import { patchesOf, type TowersConfig } from './config.ts';

/** The weights of a pair of towers, by name; dense weights are [in, out]. */
export type Parameters = Readonly<Record<string, TensorValue>>;

/** How a parameter starts. */
type Start =
  | { readonly kind: 'constant'; readonly value: number }
  | { readonly kind: 'normal'; readonly deviation: number }
  | { readonly kind: 'xavier' };

interface Declared {
  readonly shape: readonly number[];
  readonly start: Start;
}

/** The names and shapes of all parameters, in the order in which they are kept. */
export function parameterShapes(config: TowersConfig): Record<string, readonly number[]> {
  return Object.fromEntries(Object.entries(declare(config)).map(([name, { shape }]) => [name, shape]));
}

/** Whether weight decay applies to a parameter: to the dense weights only, as in big_vision. */
export function decaysWeight(name: string): boolean {
  return name.endsWith('.weight') && !name.includes('norm') && !name.endsWith('embedding.weight');
}

/** Where the loss's own two parameters start; SigLIP's start, 10 and -10, is for batches of 32,768 (section 3.2). */
export interface LossStart {
  /** exp(t): what similarities are multiplied by. */
  readonly logitScale: number;
  /** About -log of the batch makes the first losses of the negatives and of the positives weigh alike. */
  readonly logitBias: number;
}

/**
 * Fresh parameters: dense weights uniform after Glorot, position and byte embeddings normal with deviation
 * 1 / sqrt(width) (big_vision, models/vit.py), `logit_scale_log` and `logit_bias` as `start` says.
 */
export function initializeParameters(
  config: TowersConfig,
  random: Random,
  start: LossStart = { logitScale: 10, logitBias: -10 },
): Parameters {
  return Object.fromEntries(
    Object.entries(declare(config, start)).map(([name, { shape, start }]) => [
      name,
      { shape, dtype: 'float32', data: draw(shape, start, random) },
    ]),
  );
}

function draw(shape: readonly number[], start: Start, random: Random): Float32Array {
  const data = new Float32Array(sizeOf(shape));
  if (start.kind === 'constant') return data.fill(start.value);
  if (start.kind === 'normal') return data.map(() => random.normal() * start.deviation);
  const [fanIn = 1, fanOut = 1] = shape.slice(-2);
  const limit = Math.sqrt(6 / (fanIn + fanOut));
  return data.map(() => (2 * random.uniform() - 1) * limit);
}

const zeros: Start = { kind: 'constant', value: 0 };
const ones: Start = { kind: 'constant', value: 1 };
const xavier: Start = { kind: 'xavier' };

function declare(config: TowersConfig, start?: LossStart): Record<string, Declared> {
  const { patchSize, width, embeddingDim, textWidth, textStride: stride, mlpRatio } = config;
  const towers = {
    image: { width, depth: config.depth },
    text: { width: textWidth, depth: config.textDepth },
  };
  const declared: Record<string, Declared> = {
    ...dense('image.patches', patchSize * patchSize * 3, width),
    'image.positions': positions(patchesOf(config), width),
    'text.embedding.weight': positions(config.vocabulary, textWidth),
    ...(stride > 1 ? dense('text.merge', 2 * stride * textWidth, textWidth) : {}),
    'text.positions': positions(config.textTokens / stride, textWidth),
  };
  for (const [tower, size] of Object.entries(towers)) {
    const hidden = Math.max(1, Math.round(size.width * mlpRatio));
    for (let i = 0; i < size.depth; i += 1) {
      const block = `${tower}.blocks.${i}`;
      Object.assign(
        declared,
        norm(`${block}.attention_norm`, size.width),
        attention(`${block}.attention`, size.width),
        norm(`${block}.mlp_norm`, size.width),
        mlp(`${block}.mlp`, size.width, hidden),
      );
    }
    Object.assign(
      declared,
      norm(`${tower}.norm`, size.width),
      { [`${tower}.head.probe`]: { shape: [1, size.width], start: xavier } },
      attention(`${tower}.head.attention`, size.width),
      norm(`${tower}.head.norm`, size.width),
      mlp(`${tower}.head.mlp`, size.width, hidden),
      dense(`${tower}.projection`, size.width, embeddingDim),
    );
  }
  declared.logit_scale_log = {
    shape: [1],
    start: { kind: 'constant', value: Math.log(start?.logitScale ?? 10) },
  };
  declared.logit_bias = { shape: [1], start: { kind: 'constant', value: start?.logitBias ?? -10 } };
  return declared;
}

function positions(count: number, width: number): Declared {
  return { shape: [count, width], start: { kind: 'normal', deviation: 1 / Math.sqrt(width) } };
}

function dense(name: string, from: number, to: number): Record<string, Declared> {
  return {
    [`${name}.weight`]: { shape: [from, to], start: xavier },
    [`${name}.bias`]: { shape: [to], start: zeros },
  };
}

function norm(name: string, width: number): Record<string, Declared> {
  return {
    [`${name}.scale`]: { shape: [width], start: ones },
    [`${name}.bias`]: { shape: [width], start: zeros },
  };
}

function attention(name: string, width: number): Record<string, Declared> {
  return {
    ...dense(`${name}.query`, width, width),
    ...dense(`${name}.key`, width, width),
    ...dense(`${name}.value`, width, width),
    ...dense(`${name}.output`, width, width),
  };
}

function mlp(name: string, width: number, hidden: number): Record<string, Declared> {
  return { ...dense(`${name}.expand`, width, hidden), ...dense(`${name}.contract`, hidden, width) };
}
