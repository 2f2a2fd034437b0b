import { join } from 'node:path';
import { tokenize as tokenizeBytes } from '../byte-tokenizer.ts';
import { fileOf, mostBytes } from '../model-folder.ts';
import { resampleRgb } from '../resample.ts';
import { externalFiles } from './external-data.ts';
import { readLogits } from './logits.ts';
import type { OpenOptions, Preparation } from './preparation.ts';
import { openTowerSession } from './tower-session.ts';

/**
 * Opens a learner that `assay distill` exported: images [batch, side, side, 3], byte tokens. Throws one line that names
 * the file and what is wrong.
 */
export async function prepareExport(folder: string, options: OpenOptions): Promise<Preparation> {
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
