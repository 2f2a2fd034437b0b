import { z } from 'zod';
import { fromFloat16 } from '../float16.ts';
import { fileOf, mostBytes, readJson, readStretch } from '../model-folder.ts';
import type { SiglipVersion } from './tokenizer.ts';

/** What similarities are multiplied by, and what is added then: logits. */
export interface LogitValues {
  /** exp(t). */
  readonly scale: number;
  readonly bias: number;
  /** Where the two come from. */
  readonly from: 'assay.json' | 'config.json' | 'model.safetensors' | 'assumed';
}

/**
 * What is assumed where a folder doesn't say: the published values of the B/16 models at 224 pixels, from which the other
 * sizes differ by a few hundredths of the scale. Which text is the best of an image doesn't hang on them; how a pair's
 * probability and a learnability score come out does.
 */
export const assumedLogits: Readonly<Record<SiglipVersion | 'assay', Omit<LogitValues, 'from'>>> = {
  siglip: { scale: 117.33, bias: -12.932 },
  siglip2: { scale: 112.67, bias: -16.772 },
  // Where a learner's own training begins.
  assay: { scale: 10, bias: -10 },
};

const givenSchema = z.strictObject({ logitScale: z.number().positive(), logitBias: z.number() }).partial();
const entrySchema = z.looseObject({
  dtype: z.enum(['F32', 'F16', 'BF16']),
  data_offsets: z.tuple([z.int().min(0), z.int().min(0)]),
});
const mostHeaderBytes = 100_000_000;

/** The names of t and of the bias among a model's weights. */
export const logitNames = ['logit_scale', 'logit_bias'] as const;

/** `model.safetensors.index.json`: which file of weights in parts holds a tensor. */
export const partsSchema = z.looseObject({ weight_map: z.record(z.string(), z.string()) });

/**
 * Looks for a model's scale and bias: in `assay.json` (`{"logitScale": exp(t), "logitBias": b}`), in `config.json`
 * (`logit_scale`, t itself, and `logit_bias`), in `model.safetensors` or its parts, of which only these two are read.
 * Throws when a file that is there can't be read.
 */
export async function readLogits(
  folder: string,
  config: { readonly logit_scale?: number | undefined; readonly logit_bias?: number | undefined },
  version: SiglipVersion | 'assay',
): Promise<LogitValues> {
  const { logitScale, logitBias } = await readJson(folder, 'assay.json', givenSchema, { absent: {} });
  if (logitScale !== undefined && logitBias !== undefined) {
    return { scale: logitScale, bias: logitBias, from: 'assay.json' };
  }
  if (config.logit_scale !== undefined && config.logit_bias !== undefined) {
    return { scale: Math.exp(config.logit_scale), bias: config.logit_bias, from: 'config.json' };
  }
  const whole = await fileOf(folder, 'model.safetensors', mostBytes.weights);
  const { weight_map: parts } = await readJson(folder, 'model.safetensors.index.json', partsSchema, {
    absent: { weight_map: {} },
  });
  const [t, b] = await Promise.all(
    logitNames.map(async (name) => {
      const part = parts[name];
      const path = whole ?? (part === undefined ? null : await fileOf(folder, part, mostBytes.weights));
      return path === null ? null : (await readScalars(path, [name]))[0];
    }),
  );
  if (t !== null && t !== undefined && b !== null && b !== undefined) {
    return { scale: Math.exp(t), bias: b, from: 'model.safetensors' };
  }
  return { ...assumedLogits[version], from: 'assumed' };
}

/** Reads a stretch of a file, wherever it is. */
type ReadStretch = (from: number, length: number) => Promise<Buffer>;

/**
 * Reads tensors of one value out of the safetensors file `path`, a few bytes each; null where it has none of the name.
 * Throws when its header can't be read.
 */
export async function readScalars(
  path: string,
  names: readonly string[],
  read: ReadStretch = (from, length) => readStretch(path, from, length),
): Promise<(number | null)[]> {
  const length = Number((await read(0, 8)).readBigUInt64LE());
  if (length > mostHeaderBytes) throw new Error(`${path}: its header would be ${length} bytes long`);
  let header: Record<string, unknown>;
  try {
    const text = (await read(8, length)).toString('utf8');
    header = z.record(z.string(), z.unknown()).parse(JSON.parse(text));
  } catch {
    throw new Error(`${path}: its header is not a JSON object`);
  }
  const values: (number | null)[] = [];
  for (const name of names) {
    const entry = entrySchema.safeParse(header[name]);
    const [from = 0, to = 0] = entry.data?.data_offsets ?? [];
    const wide = entry.data?.dtype === 'F32' ? 4 : 2;
    if (!entry.success || to - from !== wide) {
      values.push(null);
      continue;
    }
    const bytes = await read(8 + length + from, wide);
    if (entry.data.dtype === 'F32') values.push(bytes.readFloatLE());
    else if (entry.data.dtype === 'F16')
      values.push(fromFloat16(Uint16Array.of(bytes.readUInt16LE()))[0] ?? 0);
    else values.push(Buffer.from([0, 0, bytes[0] ?? 0, bytes[1] ?? 0]).readFloatLE());
  }
  return values;
}
