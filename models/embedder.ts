import { tokenize, tokenLength } from './byte-tokenizer.ts';
import { type CompiledProgram, type Executor, type HeldTensor, isHeld, type Program } from './executor.ts';
import { checkParameters, flatten, type Layout } from './flat-parameters.ts';
import { emptyPatches, type PatchBatch } from './naflex/patchify.ts';
import { patchValues } from './naflex/values.ts';
import {
  embedImages,
  embedPatches,
  embedTokens,
  type Parameters,
  parameterShapes,
  type TowersConfig,
} from './towers.ts';
import { patchInputs, patchTensors, splitProgram } from './train-program.ts';

/** What an embedder is made of. */
export interface EmbedderOptions {
  readonly executor: Executor;
  readonly config: TowersConfig;
  readonly parameters: Parameters;
  /** Rows of a run of the towers, 64 by default; what is left over is padded to it. */
  readonly batch?: number | undefined;
  /** What images and positions are averaged over on a side; 1 by default. */
  readonly imagePool?: number | undefined;
  /** Whether the weights never change: they are then constants, which executors can prepack. */
  readonly frozen: boolean;
}

/** A pair of towers at work. The same image or text has the same embedding whatever it comes with. */
export interface Embedder {
  /** [count, H, W, 3] in [-1, 1] to unit rows [count * d]. Throws when the length isn't that of `count` images. */
  embedImages(images: Float32Array, count: number): Promise<Float32Array>;
  /** NaFlex's patches to unit rows [count * d]. */
  embedPatches(images: PatchBatch): Promise<Float32Array>;
  /** Texts to unit rows [count * d], in their order; each is run at the narrowest width that holds it. */
  embedTexts(texts: readonly string[]): Promise<Float32Array>;
  /** Floating-point operations of all runs so far, as the executor counts them; null where it doesn't. */
  flops(): number | null;
  /**
   * Replaces the weights, for all that is embedded after this call; those that a trainer of the same executor holds
   * don't leave it, and the trainer may step on once this is done. Throws when the embedder is frozen, or they don't
   * fit the towers.
   */
  update(weights: Parameters | HeldTensor): Promise<void>;
  dispose(): Promise<void>;
}

/** Texts are run at the next multiple of this many tokens. */
const bucketTokens = 16;

/** The width at which a text of so many tokens is run: a multiple of 16, at most `most`. */
export function bucketOf(tokens: number, most: number): number {
  return Math.min(most, Math.ceil(tokens / bucketTokens) * bucketTokens);
}

/** An image tower as a program: `images` [B, H, W, 3] to `embeddings` [B, d]; the weights are its constants. */
export function imageProgram(config: TowersConfig, parameters: Parameters, batch: number, pool = 1): Program {
  const { imageSize } = config;
  return {
    name: 'image',
    inputs: { images: { shape: [batch, imageSize, imageSize, 3], dtype: 'float32' } },
    constants: ofTower(parameters, 'image.'),
    build: ({ images, ...weights }) => {
      if (images === undefined) throw new Error("the image tower was given no 'images'");
      return { embeddings: embedImages(config, weights, images, pool) };
    },
  };
}

/** An image tower that takes NaFlex's patches, [B, N, ...], as a program; the weights are its constants. */
export function patchProgram(
  config: TowersConfig,
  parameters: Parameters,
  batch: number,
  sequenceLength: number,
): Program {
  return {
    name: 'patches',
    inputs: patchInputs(config, batch, sequenceLength),
    constants: ofTower(parameters, 'image.'),
    build: (tensors) => ({ embeddings: embedPatches(config, tensors, patchTensors(tensors)) }),
  };
}

/** A text tower as a program: `tokens` int32 [B, T] to `embeddings` [B, d]; the weights are its constants. */
export function textProgram(
  config: TowersConfig,
  parameters: Parameters,
  batch: number,
  tokens: number,
): Program {
  return {
    name: 'text',
    inputs: { tokens: { shape: [batch, tokens], dtype: 'int32' } },
    constants: ofTower(parameters, 'text.'),
    build: ({ tokens: ids, ...weights }) => {
      if (ids === undefined) throw new Error("the text tower was given no 'tokens'");
      return { embeddings: embedTokens(config, weights, ids) };
    },
  };
}

/** Makes an embedder; towers are compiled when they are first used. Throws when the weights don't fit the config. */
export async function createEmbedder(options: EmbedderOptions): Promise<Embedder> {
  const { executor, config, batch = 64, imagePool = 1, frozen } = options;
  const layout = parameterShapes(config);
  checkParameters(layout, options.parameters);
  const { parameters } = options;
  const { embeddingDim: d, imageSize, textTokens } = config;
  const imageLength = imageSize * imageSize * 3;
  const programs = new Map<string, Promise<CompiledProgram>>();

  const programOf = (key: string, make: () => Program) => {
    const known = programs.get(key);
    if (known !== undefined) return known;
    const compiled = executor.compile(frozen ? make() : withWeightsAsInputs(make()));
    programs.set(key, compiled);
    return compiled;
  };
  let flops: number | null = 0;
  const addFlops = (program: CompiledProgram) => {
    flops = flops === null || program.flops === null ? null : flops + program.flops;
  };
  const split = frozen ? null : executor.compile(splitProgram(config));
  let weights = split && splitWeights(executor, split, parameters, layout, null);
  const weightsOf = async (tower: string) => ofTower((await weights) ?? {}, tower);

  const embedBucket = async (texts: readonly string[], width: number): Promise<Float32Array> => {
    const program = await programOf(`text ${width}`, () => textProgram(config, parameters, batch, width));
    const given = await weightsOf('text.');
    const rows = new Float32Array(texts.length * d);
    for (let from = 0; from < texts.length; from += batch) {
      const part = texts.slice(from, from + batch);
      // Left-over rows hold empty texts: a row of pads alone would have nothing to attend to.
      const padded = [...part, ...new Array<string>(batch - part.length).fill('')];
      const tokens = { shape: [batch, width], dtype: 'int32', data: tokenize(padded, width) } as const;
      const { embeddings } = await program.run({ ...given, tokens });
      addFlops(program);
      rows.set(rowsOf(embeddings?.data, part.length * d), from * d);
    }
    return rows;
  };

  return {
    async embedImages(images, count) {
      if (images.length !== count * imageLength) {
        throw new Error(`${images.length} values aren't ${count} images of ${imageSize} x ${imageSize} x 3`);
      }
      const program = await programOf('image', () => imageProgram(config, parameters, batch, imagePool));
      const given = await weightsOf('image.');
      const rows = new Float32Array(count * d);
      for (let from = 0; from < count; from += batch) {
        const used = Math.min(batch, count - from);
        const data = new Float32Array(batch * imageLength);
        data.set(images.subarray(from * imageLength, (from + used) * imageLength));
        const input = { shape: [batch, imageSize, imageSize, 3], dtype: 'float32', data } as const;
        const { embeddings } = await program.run({ ...given, images: input });
        addFlops(program);
        rows.set(rowsOf(embeddings?.data, used * d), from * d);
      }
      return rows;
    },
    async embedPatches(images) {
      const { count, sequenceLength: n } = images;
      const length = n * config.patchSize ** 2 * 3;
      const program = await programOf(`patches ${n}`, () => patchProgram(config, parameters, batch, n));
      const given = await weightsOf('image.');
      const rows = new Float32Array(count * d);
      for (let from = 0; from < count; from += batch) {
        const used = Math.min(batch, count - from);
        const part = emptyPatches(batch, { patchSize: config.patchSize, sequenceLength: n });
        part.patches.set(images.patches.subarray(from * length, (from + used) * length));
        part.mask.set(images.mask.subarray(from * n, (from + used) * n));
        part.shapes.set(images.shapes.subarray(from * 2, (from + used) * 2));
        const { embeddings } = await program.run({ ...given, ...patchValues(config, part) });
        addFlops(program);
        rows.set(rowsOf(embeddings?.data, used * d), from * d);
      }
      return rows;
    },
    async embedTexts(texts) {
      const buckets = new Map<number, number[]>();
      for (const [i, text] of texts.entries()) {
        const width = bucketOf(tokenLength(text), textTokens);
        const bucket = buckets.get(width);
        if (bucket) bucket.push(i);
        else buckets.set(width, [i]);
      }
      const result = new Float32Array(texts.length * d);
      for (const [width, indices] of buckets) {
        const rows = await embedBucket(
          indices.map((i) => texts[i] ?? ''),
          width,
        );
        for (const [k, i] of indices.entries()) result.set(rows.subarray(k * d, (k + 1) * d), i * d);
      }
      return result;
    },
    flops: () => flops,
    async update(next) {
      if (split === null) {
        throw new Error("a frozen embedder's weights can't be replaced: make it with frozen: false");
      }
      if (!isHeld(next)) checkParameters(layout, next);
      const former = weights;
      weights = splitWeights(executor, split, next, layout, former);
      await weights;
    },
    async dispose() {
      const compiled = [...programs.values(), ...(split ? [split] : [])];
      programs.clear();
      releaseAll(await weights?.catch(() => null));
      for (const program of compiled) await (await program).dispose();
    },
  };
}

/** The same program with its constants fed at every run. */
function withWeightsAsInputs(program: Program): Program {
  const { constants, ...rest } = program;
  return { ...rest, inputs: { ...program.inputs, ...constants } };
}

type Weights = Readonly<Record<string, HeldTensor>>;

/** Lays the weights of both towers out where the executor computes, one by one, and frees those that they replace. */
function splitWeights(
  executor: Executor,
  split: Promise<CompiledProgram>,
  from: Parameters | HeldTensor,
  layout: Layout,
  former: Promise<Weights> | null,
): Promise<Weights> {
  const work = async () => {
    releaseAll(await former?.catch(() => null));
    if (isHeld(from)) return (await (await split).runKeeping({ parameters: from })).kept;
    const data = flatten(layout, from);
    const whole = await executor.hold({ shape: [data.length], dtype: 'float32', data });
    const { kept } = await (await split).runKeeping({ parameters: whole });
    whole.release();
    return kept;
  };
  const started = work();
  // Whoever embeds next is told.
  started.catch(() => {});
  return started;
}

function releaseAll(weights: Weights | null | undefined): void {
  for (const tensor of Object.values(weights ?? {})) tensor.release();
}

function ofTower<T>(parameters: Readonly<Record<string, T>>, prefix: string): Record<string, T> {
  return Object.fromEntries(Object.entries(parameters).filter(([name]) => name.startsWith(prefix)));
}

function rowsOf(data: Float32Array | Int32Array | undefined, length: number): Float32Array {
  if (!(data instanceof Float32Array)) throw new Error('the executor gave no embeddings');
  return data.subarray(0, length);
}
