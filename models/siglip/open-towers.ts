import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import PQueue from 'p-queue';
import { tokenize as tokenizeBytes } from '../byte-tokenizer.ts';
import { decodeRgbWhole, type RgbImage } from '../images.ts';
import { emptyPatches, writePatches, writePixels } from '../naflex/patchify.ts';
import { resampleRgb } from '../resample.ts';
import type { Teacher } from '../teacher.ts';
import { findTowerFiles, type ModelFacts, type Resolution, readModelFacts } from './config.ts';
import { externalFiles } from './external-data.ts';
import { fileOf, mostBytes } from './folder.ts';
import { type LogitValues, readLogits } from './logits.ts';
import { type Precision, precisionSuffixes } from './precisions.ts';
import { type InputRows, openTowerSession, type SessionOptions, type TowerSession } from './tower-session.ts';

/** How a model's towers are opened. */
export interface OpenOptions extends SessionOptions {
  /** Which files are run: `fp32` where they are there, else the first that are, unless told. */
  readonly precision?: Precision | undefined;
  /** The scale, exp(t), and the bias, in place of what the folder says. */
  readonly logits?: { readonly scale: number; readonly bias: number } | undefined;
}

/** What was found of a model. */
export interface TowersFacts {
  /** `assay` is a pair of towers that `assay distill` exported. */
  readonly kind: 'siglip' | 'siglip2' | 'assay';
  readonly resolution: Resolution;
  readonly textTokens: number;
  readonly vocabulary: number | null;
  readonly precision: Precision;
  /** The precisions whose files are there. */
  readonly precisions: readonly Precision[];
  /** Every file that is run, the weights beside the graphs included. */
  readonly files: readonly string[];
  readonly logits: LogitValues | (Omit<LogitValues, 'from'> & { readonly from: 'given' });
}

/** A pair of towers as ONNX graphs, ready to run: a {@link Teacher} that takes images in their own way as well. */
export interface OpenTowers extends Teacher {
  readonly facts: TowersFacts;
  readonly vision: Pick<TowerSession, 'inputs' | 'outputs' | 'output' | 'batch'>;
  readonly text: Pick<TowerSession, 'inputs' | 'outputs' | 'output' | 'batch'>;
  embedEncoded(
    images: readonly Uint8Array[],
    limits: { readonly maxPixels: number; readonly concurrency: number },
  ): Promise<Float32Array>;
  /** Decoded images, each of its own size, to unit rows [count, d]. */
  embedPictures(images: readonly RgbImage[]): Promise<Float32Array>;
  /** Texts to token ids [count, T], as the text tower takes them. */
  tokenize(texts: readonly string[]): Int32Array;
}

/** What prepares samples for the two graphs. */
interface Preparation {
  readonly facts: TowersFacts;
  readonly imageSize: number;
  readonly vision: TowerSession;
  readonly text: TowerSession;
  /** Makes the inputs of a batch; each image is written by itself. */
  startImages(count: number): {
    readonly rows: Readonly<Record<string, InputRows>>;
    write(row: number, image: RgbImage): void;
    /** The same of an image of `imageSize` x `imageSize` x 3 in [-1, 1]. */
    writeSquare(row: number, values: Float32Array): void;
  };
  tokenize(texts: readonly string[]): Int32Array;
  readonly tokensInput: string;
}

/**
 * Opens a pair of towers from a folder: in the Hugging Face layout (`config.json`, `preprocessor_config.json`,
 * `tokenizer.json`, `onnx/vision_model.onnx`, `onnx/text_model.onnx` or their `_fp16`, `_int8`, ... files) a SigLIP or
 * SigLIP 2 model, fixed in resolution or NaFlex; or, with `image.onnx` and `text.onnx` in it, a learner that
 * `assay distill` exported. The folder is not trusted: nothing outside it is read. Throws one line that names the file,
 * what was expected and what it has.
 */
export async function openTowers(folder: string, options: OpenOptions = {}): Promise<OpenTowers> {
  const found = await stat(folder).catch(() => null);
  if (!found?.isDirectory()) throw new Error(`${folder}: no such folder`);
  const isExport = (await fileOf(folder, 'image.onnx', mostBytes.graph)) !== null;
  const prepared = await (isExport ? prepareExport(folder, options) : prepareSiglip(folder, options));
  const { facts, vision, text, imageSize } = prepared;
  const { dimension } = vision;
  if (text.dimension !== dimension) {
    await Promise.all([vision.dispose(), text.dispose()]);
    throw new Error(
      `${folder}: the image tower has ${dimension} values and the text tower ${text.dimension}`,
    );
  }
  const unit = async (rows: Promise<Float32Array>) => toUnitRows(await rows, dimension);
  return {
    facts,
    vision,
    text,
    dimension,
    imageSize,
    scale: facts.logits.scale,
    bias: facts.logits.bias,
    tokenize: prepared.tokenize,
    async embedImages(images, count) {
      const length = imageSize * imageSize * 3;
      if (images.length !== count * length) {
        throw new Error(`${images.length} values aren't ${count} images of ${imageSize} x ${imageSize} x 3`);
      }
      return inBatches(count, vision.batch, dimension, (from, size) => {
        const { rows, writeSquare } = prepared.startImages(size);
        for (let i = 0; i < size; i += 1) {
          writeSquare(i, images.subarray((from + i) * length, (from + i + 1) * length));
        }
        return unit(vision.run(rows, size));
      });
    },
    embedPictures: (images) =>
      inBatches(images.length, vision.batch, dimension, (from, size) => {
        const { rows, write } = prepared.startImages(size);
        images.slice(from, from + size).forEach((image, i) => {
          write(i, image);
        });
        return unit(vision.run(rows, size));
      }),
    embedEncoded: (images, { maxPixels, concurrency }) =>
      inBatches(images.length, vision.batch, dimension, async (from, size) => {
        const { rows, write } = prepared.startImages(size);
        const queue = new PQueue({ concurrency });
        const part = images.slice(from, from + size);
        await queue.addAll(
          part.map((bytes, i) => async () => write(i, await decodeRgbWhole(bytes, maxPixels))),
        );
        return unit(vision.run(rows, size));
      }),
    embedTexts: (texts) =>
      inBatches(texts.length, text.batch, dimension, (from, size) => {
        const tokens = prepared.tokenize(texts.slice(from, from + size));
        const rows = {
          [prepared.tokensInput]: tokens,
          attention_mask: new Int32Array(tokens.length).fill(1),
        };
        return unit(text.run(rows, size));
      }),
    async dispose() {
      await vision.dispose();
      await text.dispose();
    },
  };
}

async function prepareSiglip(folder: string, options: OpenOptions): Promise<Preparation> {
  const model = await readModelFacts(folder);
  const found = await findTowerFiles(folder);
  const precisions = [...found.keys()];
  const precision = options.precision ?? precisions[0] ?? 'fp32';
  const files = found.get(precision);
  if (!files) {
    const suffix = precisionSuffixes[precision];
    const there = precisions.length === 0 ? 'there are no others' : `there are ${precisions.join(', ')}`;
    throw new Error(
      `${folder}: no onnx/vision_model${suffix}.onnx with onnx/text_model${suffix}.onnx (${precision}; ${there})`,
    );
  }
  const beside = [
    ...(await externalFiles(folder, files.vision)),
    ...(await externalFiles(folder, files.text)),
  ];
  const { resolution, textTokens, dimension } = model;
  const text = await openTowerSession(
    files.text,
    {
      inputs: [
        { name: 'input_ids', types: ['int64', 'int32'], shape: [null, textTokens] },
        // The towers were trained without one: pads are seen.
        { name: 'attention_mask', types: ['int64', 'int32'], shape: [null, textTokens], optional: true },
      ],
      outputs: ['text_embeds', 'pooler_output'],
      dimension,
    },
    options,
  );
  const vision = await openTowerSession(
    files.vision,
    { inputs: imageInputs(resolution), outputs: ['image_embeds', 'pooler_output'], dimension },
    options,
  ).catch(async (error: Error) => {
    await text.dispose();
    throw error;
  });
  return {
    facts: {
      kind: model.version,
      resolution,
      textTokens,
      vocabulary: model.vocabulary,
      precision,
      precisions,
      files: [files.vision, files.text, ...beside],
      logits: options.logits ? { ...options.logits, from: 'given' } : model.logits,
    },
    imageSize: sideOf(resolution),
    vision,
    text,
    tokensInput: 'input_ids',
    tokenize: (texts) => model.tokenize(texts, textTokens),
    startImages: (count) => startSiglip(model, count),
  };
}

function imageInputs(resolution: Resolution) {
  const floats = ['float32', 'float16'] as const;
  if (resolution.kind === 'fixed') {
    const { side } = resolution;
    return [{ name: 'pixel_values', types: floats, shape: [null, 3, side, side] }];
  }
  const { patchSize, sequenceLength } = resolution;
  return [
    { name: 'pixel_values', types: floats, shape: [null, sequenceLength, patchSize * patchSize * 3] },
    {
      name: 'pixel_attention_mask',
      types: ['int64', 'int32', 'bool', 'float32'] as const,
      shape: [null, sequenceLength],
    },
    { name: 'spatial_shapes', types: ['int64', 'int32'] as const, shape: [null, 2] },
  ];
}

/** The side of the square that a model takes; of NaFlex the largest that its sequence holds. */
function sideOf(resolution: Resolution): number {
  if (resolution.kind === 'fixed') return resolution.side;
  return Math.floor(Math.sqrt(resolution.sequenceLength)) * resolution.patchSize;
}

function startSiglip({ resolution, mean, std }: ModelFacts, count: number) {
  const side = sideOf(resolution);
  // From [-1, 1] to what the model was trained with: for SigLIP's own mean and deviation, 1/2, nothing changes.
  const normalized = (values: Float32Array) =>
    values.map((value, i) => ((value + 1) / 2 - (mean[i % 3] ?? 0.5)) / (std[i % 3] ?? 0.5));
  if (resolution.kind === 'naflex') {
    const batch = emptyPatches(count, resolution);
    const isPlain = [...mean, ...std].every((value) => value === 0.5);
    const adjust = (row: number) => {
      if (isPlain) return;
      const used = (batch.shapes[row * 2] ?? 0) * (batch.shapes[row * 2 + 1] ?? 0);
      const length = resolution.patchSize ** 2 * 3;
      const start = row * resolution.sequenceLength * length;
      const values = batch.patches.subarray(start, start + used * length);
      values.set(normalized(values));
    };
    return {
      rows: {
        pixel_values: batch.patches,
        pixel_attention_mask: batch.mask,
        spatial_shapes: batch.shapes,
      },
      write(row: number, image: RgbImage) {
        writePatches(batch, row, image, resolution);
        adjust(row);
      },
      writeSquare(row: number, values: Float32Array) {
        writePixels(batch, row, values, { height: side, width: side }, resolution);
        adjust(row);
      },
    };
  }
  const plane = side * side;
  const pixels = new Float32Array(count * 3 * plane);
  const writeSquare = (row: number, values: Float32Array) => {
    normalized(values).forEach((value, i) => {
      pixels[(row * 3 + (i % 3)) * plane + Math.floor(i / 3)] = value;
    });
  };
  return {
    rows: { pixel_values: pixels },
    writeSquare,
    write(row: number, image: RgbImage) {
      writeSquare(row, resampleRgb(image, { height: side, width: side }, resolution.kernel));
    },
  };
}

/** A learner's own export: images [batch, side, side, 3], byte tokens. */
async function prepareExport(folder: string, options: OpenOptions): Promise<Preparation> {
  const path = (name: string) => join(folder, name);
  if ((await fileOf(folder, 'text.onnx', mostBytes.graph)) === null) {
    throw new Error(`${path('text.onnx')}: no such file, beside image.onnx`);
  }
  const logits = options.logits
    ? ({ ...options.logits, from: 'given' } as const)
    : await readLogits(folder, {}, 'assay');
  for (const name of ['image.onnx', 'text.onnx']) await externalFiles(folder, path(name));
  const vision = await openTowerSession(
    path('image.onnx'),
    {
      inputs: [{ name: 'images', types: ['float32'], shape: [null, null, null, 3] }],
      outputs: ['embeddings'],
      dimension: null,
    },
    options,
  );
  const text = await openTowerSession(
    path('text.onnx'),
    {
      inputs: [{ name: 'tokens', types: ['int32'], shape: [null, null] }],
      outputs: ['embeddings'],
      dimension: null,
    },
    options,
  ).catch(async (error: Error) => {
    await vision.dispose();
    throw error;
  });
  const side = Number(vision.inputs[0]?.shape[1]);
  const textTokens = Number(text.inputs[0]?.shape[1]);
  if (!Number.isInteger(side) || !Number.isInteger(textTokens)) {
    await Promise.all([vision.dispose(), text.dispose()]);
    throw new Error(`${folder}: image.onnx must say its side and text.onnx its tokens`);
  }
  const length = side * side * 3;
  return {
    facts: {
      kind: 'assay',
      resolution: { kind: 'fixed', side, kernel: 'bilinear' },
      textTokens,
      vocabulary: null,
      precision: 'fp32',
      precisions: ['fp32'],
      files: [path('image.onnx'), path('text.onnx')],
      logits,
    },
    imageSize: side,
    vision,
    text,
    tokensInput: 'tokens',
    tokenize: (texts) => tokenizeBytes(texts, textTokens),
    startImages(count) {
      const images = new Float32Array(count * length);
      return {
        rows: { images },
        writeSquare: (row, values) => images.set(values, row * length),
        write: (row, image) => images.set(resampleRgb(image, { height: side, width: side }), row * length),
      };
    },
  };
}

async function inBatches(
  count: number,
  batch: number,
  dimension: number,
  embed: (from: number, size: number) => Promise<Float32Array>,
): Promise<Float32Array> {
  const all = new Float32Array(count * dimension);
  for (let from = 0; from < count; from += batch) {
    all.set(await embed(from, Math.min(batch, count - from)), from * dimension);
  }
  return all;
}

/** Scales rows to unit length in place. Throws where one isn't finite: half-precision towers may overflow. */
function toUnitRows(rows: Float32Array, dimension: number): Float32Array {
  for (let start = 0; start < rows.length; start += dimension) {
    const row = rows.subarray(start, start + dimension);
    let sum = 0;
    for (const value of row) sum += value * value;
    if (!Number.isFinite(sum))
      throw new Error('a tower gave an embedding that is not finite: try fp32 files');
    const norm = Math.sqrt(sum) || 1;
    for (let k = 0; k < dimension; k += 1) row[k] = (row[k] as number) / norm;
  }
  return rows;
}
