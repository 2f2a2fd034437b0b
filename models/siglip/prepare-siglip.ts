import type { RgbImage } from '../images.ts';
import { fileOf, mostBytes } from '../model-folder.ts';
import { emptyPatches, writePatches, writePixels } from '../naflex/patchify.ts';
import { resampleRgb } from '../resample.ts';
import { findTowerFiles, type ModelFacts, type Resolution, readModelFacts } from './config.ts';
import { externalFiles } from './external-data.ts';
import { precisionSuffixes } from './precisions.ts';
import type { OpenOptions, Preparation } from './preparation.ts';
import { openTowerSession } from './tower-session.ts';

/** Opens a SigLIP or SigLIP 2 model in the Hugging Face layout. Throws one line that names the file and what is wrong. */
export async function prepareSiglip(folder: string, options: OpenOptions): Promise<Preparation> {
  const model = await readModelFacts(folder);
  const found = await findTowerFiles(folder);
  const precisions = [...found.keys()];
  const precision = options.precision ?? precisions[0] ?? 'fp32';
  const files = found.get(precision);
  if (!files) {
    const suffix = precisionSuffixes[precision];
    const there = precisions.length === 0 ? 'there are no others' : `there are ${precisions.join(', ')}`;
    const advice = precisions.length === 0 ? await adviceFor(folder) : '';
    throw new Error(
      `${folder}: no onnx/vision_model${suffix}.onnx with onnx/text_model${suffix}.onnx (${precision}; ${there})${advice}`,
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

/** What to do where a folder has no towers at all: the script makes those of fp32. */
async function adviceFor(folder: string): Promise<string> {
  const joint = (await isJoint(folder)) ? ': its model.onnx holds both towers in one, which is not read' : '';
  return `${joint}; docs/clients/export_towers.py makes the two of a checkpoint, in fp32`;
}

/** Whether there is the one graph that `optimum-cli` makes of a model. */
async function isJoint(folder: string): Promise<boolean> {
  for (const name of ['model.onnx', 'onnx/model.onnx']) {
    if ((await fileOf(folder, name, mostBytes.graph)) !== null) return true;
  }
  return false;
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
