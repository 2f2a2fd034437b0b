import { join } from 'node:path';
import { z } from 'zod';
import { fileOf, mostBytes, readJson } from '../model-folder.ts';
import type { Kernel } from '../resample.ts';
import { type LogitValues, readLogits } from './logits.ts';
import { type Precision, precisionSuffixes, precisions } from './precisions.ts';
import {
  createSiglipTokenizer,
  type SiglipTokenizer,
  type SiglipVersion,
  type SpecialTokens,
} from './tokenizer.ts';

/** How a model sees images. */
export type Resolution =
  | { readonly kind: 'fixed'; readonly side: number; readonly kernel: Kernel }
  | { readonly kind: 'naflex'; readonly patchSize: number; readonly sequenceLength: number };

/** What a folder says of its model, before any graph is opened. */
export interface ModelFacts {
  readonly version: SiglipVersion;
  readonly resolution: Resolution;
  /** Of the three channels: what is taken from values in [0, 1], and what they are then divided by. */
  readonly mean: readonly number[];
  readonly std: readonly number[];
  /** T: tokens of a text. */
  readonly textTokens: number;
  /** d as the config has it, or null where it doesn't say. */
  readonly dimension: number | null;
  readonly vocabulary: number | null;
  readonly tokenize: SiglipTokenizer;
  readonly logits: LogitValues;
}

const side = z.int().positive().max(8192);
const count = z.int().positive().max(65_536);
const channels = z.array(z.number()).length(3);

const configSchema = z.looseObject({
  model_type: z.enum(['siglip', 'siglip2'], {
    error: ({ input }) => `'siglip' or 'siglip2' is expected, not ${JSON.stringify(input)}`,
  }),
  logit_scale: z.number().optional(),
  logit_bias: z.number().optional(),
  text_config: z
    .looseObject({
      max_position_embeddings: count.default(64),
      vocab_size: z.int().positive().optional(),
      projection_size: count.optional(),
      hidden_size: count.optional(),
    })
    .prefault({}),
  vision_config: z
    .looseObject({
      image_size: side.optional(),
      patch_size: side.default(16),
      num_patches: count.optional(),
      hidden_size: count.optional(),
    })
    .prefault({}),
});

/** What a model was trained with where its folder doesn't say. */
const half = channels.nullish().transform((values) => values ?? [0.5, 0.5, 0.5]);

/** A size is one number, or a height and a width. */
const sizeSchema = z.union([
  side.transform((length) => ({ height: length, width: length })),
  z.looseObject({ height: side, width: side }),
]);

/** transformers 4.57 writes null for what a processor doesn't have, such as NaFlex's size. */
const preprocessorSchema = z.looseObject({
  size: sizeSchema.nullish(),
  patch_size: side.nullish(),
  max_num_patches: count.nullish(),
  resample: z.int().nullish(),
  image_mean: half,
  image_std: half,
});

/** What transformers 5 saves a processor in: the same, under a name. */
const processorSchema = z.looseObject({ image_processor: preprocessorSchema });

const anyObject = z.record(z.string(), z.unknown());

/**
 * Gemma's vocabulary, by which SigLIP 2 at a fixed resolution, whose `model_type` is `siglip`, is told from SigLIP where
 * the tokenizer's class doesn't say. SigLIP's multilingual models have 250,000 pieces.
 */
const gemmaVocabulary = 256_000;

/**
 * Reads what a folder in the Hugging Face layout says of its SigLIP or SigLIP 2 model: `config.json`,
 * `preprocessor_config.json` (or `processor_config.json`, which transformers 5 writes), `tokenizer.json` and, where there
 * are any, `tokenizer_config.json`, `assay.json` and `model.safetensors`. Throws one line that names the file and what is
 * wrong with it.
 */
export async function readModelFacts(folder: string): Promise<ModelFacts> {
  const config = await readJson(folder, 'config.json', configSchema);
  const preprocessor = await readPreprocessor(folder);
  const { text_config: text, vision_config: vision } = config;
  const tokenizerFile = await readJson(folder, 'tokenizer.json', anyObject, { most: mostBytes.tokenizer });
  const special = await readJson(folder, 'tokenizer_config.json', anyObject, { absent: {} });
  const version = config.model_type === 'siglip2' ? 'siglip2' : versionOf(special, text.vocab_size ?? 0);
  let tokenize: SiglipTokenizer;
  try {
    tokenize = createSiglipTokenizer(tokenizerFile, special, version);
  } catch (error) {
    const why = (error as Error).message.split('\n')[0];
    throw new Error(`${join(folder, 'tokenizer.json')}: not a tokenizer of this model: ${why}`);
  }
  return {
    version,
    resolution: resolutionOf(folder, config, preprocessor),
    mean: preprocessor.image_mean,
    std: preprocessor.image_std,
    textTokens: text.max_position_embeddings,
    dimension: text.projection_size ?? vision.hidden_size ?? null,
    vocabulary: text.vocab_size ?? null,
    tokenize,
    logits: await readLogits(folder, config, version),
  };
}

async function readPreprocessor(folder: string): Promise<z.infer<typeof preprocessorSchema>> {
  const name = 'preprocessor_config.json';
  const isThere = async (file: string) => (await fileOf(folder, file, mostBytes.json)) !== null;
  if ((await isThere(name)) || !(await isThere('processor_config.json'))) {
    return readJson(folder, name, preprocessorSchema);
  }
  return (await readJson(folder, 'processor_config.json', processorSchema)).image_processor;
}

/** Of a model whose type is `siglip`: by the name of its tokenizer's class, else by the vocabulary. */
function versionOf({ tokenizer_class: name }: SpecialTokens, vocabulary: number): SiglipVersion {
  if (typeof name === 'string' && /^(gemma|siglip2)/i.test(name)) return 'siglip2';
  if (typeof name === 'string' && /^siglip/i.test(name)) return 'siglip';
  return vocabulary >= gemmaVocabulary ? 'siglip2' : 'siglip';
}

function resolutionOf(
  folder: string,
  { model_type: type, vision_config: vision }: z.infer<typeof configSchema>,
  preprocessor: z.infer<typeof preprocessorSchema>,
): Resolution {
  if (type === 'siglip2') {
    const patchSize = preprocessor.patch_size ?? vision.patch_size;
    const sequenceLength = preprocessor.max_num_patches ?? vision.num_patches ?? 256;
    return { kind: 'naflex', patchSize, sequenceLength };
  }
  const square = vision.image_size ?? 224;
  const { height, width } = preprocessor.size ?? { height: square, width: square };
  if (height !== width) {
    const path = join(folder, 'preprocessor_config.json');
    throw new Error(`${path}: size: a square is expected, not ${width} x ${height}`);
  }
  // Pillow's numbers: 2 is bilinear, 3 bicubic, transformers' default of SigLIP.
  return { kind: 'fixed', side: height, kernel: preprocessor.resample === 2 ? 'bilinear' : 'bicubic' };
}

/** The files of both towers. */
export interface TowerFiles {
  readonly vision: string;
  readonly text: string;
}

/** The towers' files of each precision that is there whole, in `onnx/` or beside the config. */
export async function findTowerFiles(folder: string): Promise<Map<Precision, TowerFiles>> {
  const found = new Map<Precision, TowerFiles>();
  for (const precision of precisions) {
    for (const place of ['onnx', '.']) {
      const name = (tower: string) => join(place, `${tower}_model${precisionSuffixes[precision]}.onnx`);
      const [vision, text] = [
        await fileOf(folder, name('vision'), mostBytes.graph),
        await fileOf(folder, name('text'), mostBytes.graph),
      ];
      if (vision !== null && text !== null && !found.has(precision)) found.set(precision, { vision, text });
    }
  }
  return found;
}
