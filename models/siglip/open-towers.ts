import { stat } from 'node:fs/promises';
import PQueue from 'p-queue';
import { decodeRgbWhole, type RgbImage } from '../images.ts';
import { fileOf, mostBytes } from '../model-folder.ts';
import type { Teacher } from '../teacher.ts';
import type { OpenOptions, TowersFacts } from './preparation.ts';
import { prepareExport } from './prepare-export.ts';
import { prepareSiglip } from './prepare-siglip.ts';
import type { TowerSession } from './tower-session.ts';

export type { OpenOptions, TowersFacts } from './preparation.ts';

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
