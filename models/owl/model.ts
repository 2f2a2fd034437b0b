import { access } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { mostBytes, readJson } from '../model-folder.ts';
import type { OwlPreprocessing } from './pixels.ts';
import { type OwlSession, openOwlSession } from './session.ts';
import { createOwlTokenizer, type OwlTokenizer } from './tokenizer.ts';

/** An open-vocabulary detector of the OWL family, ready to run. */
export interface OwlModel extends Pick<OwlSession, 'run' | 'dispose'> {
  readonly preprocessing: OwlPreprocessing;
  readonly tokenize: OwlTokenizer;
  /** Tokens of a query. */
  readonly tokens: number;
  /** Queries of a run where the graph fixes them, or null. */
  readonly queries: number | null;
}

const side = z.int().positive().max(8192);
const channels = z.array(z.number()).length(3);

const configSchema = z.object({
  model_type: z.enum(['owlv2', 'owlvit']),
  text_config: z.object({ max_position_embeddings: z.int().positive().default(16) }).prefault({}),
});

// The defaults are transformers' own: CLIP's mean and deviation.
const preprocessorSchema = z.object({
  do_pad: z.boolean().optional(),
  size: z.object({ height: side, width: side }).optional(),
  image_mean: channels.default([0.48145466, 0.4578275, 0.40821073]),
  image_std: channels.default([0.26862954, 0.26130258, 0.27577711]),
});

const anyObject = z.record(z.string(), z.unknown());

/**
 * Loads an OWLv2 or OWL-ViT model from a folder laid out as on the Hugging Face Hub: `config.json`,
 * `preprocessor_config.json`, `tokenizer.json`, `onnx/model.onnx` (or `model.onnx`). Throws an error of one line that
 * names the file and what is wrong with it.
 */
export async function loadOwlModel(folder: string, threads?: number): Promise<OwlModel> {
  const config = await readJson(folder, 'config.json', configSchema);
  const preprocessor = await readJson(folder, 'preprocessor_config.json', preprocessorSchema);
  const tokenizerConfig = await readJson(folder, 'tokenizer_config.json', anyObject, { absent: {} });
  const contents = await readJson(folder, 'tokenizer.json', anyObject, { most: mostBytes.tokenizer });
  let tokenize: OwlTokenizer;
  try {
    tokenize = createOwlTokenizer(contents, tokenizerConfig);
  } catch (error) {
    throw new Error(`${join(folder, 'tokenizer.json')}: not a tokenizer: ${(error as Error).message}`);
  }
  const session = await openOwlSession(await graphOf(folder), threads);
  const isV2 = config.model_type === 'owlv2';
  const { height, width } = preprocessor.size ?? defaultSizes[config.model_type];
  return {
    preprocessing: {
      height,
      width,
      pad: preprocessor.do_pad ?? isV2,
      mean: preprocessor.image_mean,
      std: preprocessor.image_std,
    },
    tokenize,
    tokens: session.tokens ?? config.text_config.max_position_embeddings,
    queries: session.queries,
    run: session.run,
    dispose: session.dispose,
  };
}

const defaultSizes = { owlv2: { height: 960, width: 960 }, owlvit: { height: 768, width: 768 } } as const;

async function graphOf(folder: string): Promise<string> {
  for (const name of [join('onnx', 'model.onnx'), 'model.onnx']) {
    const path = join(folder, name);
    if (
      await access(path).then(
        () => true,
        () => false,
      )
    )
      return path;
  }
  throw new Error(`${folder}: no onnx/model.onnx and no model.onnx in it`);
}
