import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { brotliCompressSync, brotliDecompressSync, constants } from 'node:zlib';
import { z } from 'zod';
import { memberNames } from './member.ts';
import { knots } from './pool-weights.ts';
import { scripts } from './scripts.ts';

const magic = 'ASSAYLID';
const version = 2;

const poolSchema = z.strictObject({
  /** The members that it is fitted to beside the n-grams, in their order. */
  members: z.array(z.enum(memberNames)),
  /** Weight of each member's scores, the n-grams' first, by the length of the text [1 + members, knots]. */
  weights: z.array(z.array(z.number()).length(knots.length)),
  /** What is added to a member's weight for a language, [1 + members, languages]. */
  deviations: z.array(z.array(z.number())),
  /** Logits of the languages when no member says a thing, [languages]. */
  biases: z.array(z.number()),
});

/** How the members' scores are put together: fitted on texts that taught none of them. */
export type Pool = z.infer<typeof poolSchema>;

const headerSchema = z.strictObject({
  version: z.literal(version),
  /** The languages (BCP 47), in the order of the table's columns. */
  languages: z.array(z.string()).min(2),
  /** Rows of the table, a power of two: n-grams are hashed into them. */
  buckets: z.int().min(2),
  /** A score is step times a code. */
  step: z.number().positive(),
  /** Sums of scores are taken times n^-exponent, n being the n-grams of the texts. */
  exponent: z.number(),
  /** Share of each language on the web, as its speakers' economies suggest it, [languages]; sums to 1. */
  shares: z.array(z.number().min(0)),
  /** Indices in `scripts` of the scripts that each language is written in, [languages]. */
  scripts: z.array(
    z
      .array(
        z
          .int()
          .min(0)
          .max(scripts.length - 1),
      )
      .min(1),
  ),
  /** A pool for each choice of members. */
  pools: z.array(poolSchema),
});

/** What a model file says before its table. */
export type ModelHeader = z.infer<typeof headerSchema>;

/** The project's own language identifier, scores of hashed n-grams, and how others are pooled with it. */
export interface LanguageModel extends ModelHeader {
  /** Codes [buckets, languages]: how much an n-gram speaks for a language. */
  readonly table: Int8Array;
}

/** The model's file: magic, length of the header (u32, little-endian), header (JSON), table (Brotli). */
export function encodeLanguageModel({ table, ...header }: LanguageModel): Uint8Array {
  const json = Buffer.from(JSON.stringify(headerSchema.parse(header)));
  const length = Buffer.alloc(4);
  length.writeUInt32LE(json.length);
  const params = {
    [constants.BROTLI_PARAM_QUALITY]: 7,
    [constants.BROTLI_PARAM_LGWIN]: 24,
    [constants.BROTLI_PARAM_SIZE_HINT]: table.length,
  };
  return Buffer.concat([
    Buffer.from(magic),
    length,
    json,
    brotliCompressSync(new Uint8Array(table.buffer, table.byteOffset, table.length), { params }),
  ]);
}

/** Reads a model from a file's bytes. Throws, naming the file and the fault, when they are not a whole model. */
export function decodeLanguageModel(bytes: Uint8Array, name: string): LanguageModel {
  const fault = (what: string) =>
    new Error(
      `${name} is no language model: ${what}; write it anew with \`assay teach-language --out ${name}\``,
    );
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (buffer.toString('latin1', 0, magic.length) !== magic) throw fault(`it does not begin with ${magic}`);
  if (buffer.length < magic.length + 4) throw fault(`it ends after ${buffer.length} bytes`);
  const from = magic.length + 4;
  const to = from + buffer.readUInt32LE(magic.length);
  if (to > buffer.length) throw fault(`its header ends at byte ${to} where the file has ${buffer.length}`);
  const header = decodeHeader(buffer.toString('utf8', from, to), fault);
  const expected = header.buckets * header.languages.length;
  const table = decompress(buffer.subarray(to), expected, fault);
  if (table.length !== expected) {
    throw fault(
      `its table has ${table.length} codes where ${header.buckets} x ${header.languages.length} are due`,
    );
  }
  return { ...header, table };
}

function decodeHeader(json: string, fault: (what: string) => Error): ModelHeader {
  const parsed = headerSchema.safeParse(parseJson(json, fault));
  if (!parsed.success) throw fault(`its header is wrong: ${z.prettifyError(parsed.error)}`);
  const { languages, shares, scripts: written, buckets, pools } = parsed.data;
  for (const [what, list] of Object.entries({ shares, scripts: written })) {
    if (list.length !== languages.length) {
      throw fault(`it has ${list.length} ${what} for ${languages.length} languages`);
    }
  }
  for (const { members, weights, deviations, biases } of pools) {
    const sizes = [...deviations.map((list) => list.length), biases.length];
    const rows = members.length + 1;
    if (weights.length !== rows || deviations.length !== rows || sizes.some((n) => n !== languages.length)) {
      throw fault(`its pool of ${['n-grams', ...members].join(', ')} does not fit its languages`);
    }
  }
  if (2 ** Math.round(Math.log2(buckets)) !== buckets) throw fault(`${buckets} buckets are no power of two`);
  return parsed.data;
}

function parseJson(json: string, fault: (what: string) => Error): unknown {
  try {
    return JSON.parse(json);
  } catch {
    throw fault('its header is not JSON');
  }
}

function decompress(packed: Uint8Array, expected: number, fault: (what: string) => Error): Int8Array {
  try {
    return new Int8Array(
      Uint8Array.from(brotliDecompressSync(packed, { maxOutputLength: expected + 1 })).buffer,
    );
  } catch (error) {
    throw fault(`its table cannot be unpacked (${error instanceof Error ? error.message : String(error)})`);
  }
}

/** The model that is part of the program. */
export const languageModelPath = fileURLToPath(new URL('./languages.bin', import.meta.url));

/** Loads a model, by default the program's own. Throws when the file is missing or no whole model. */
export async function loadLanguageModel(path: string = languageModelPath): Promise<LanguageModel> {
  let bytes: Uint8Array;
  try {
    bytes = await readFile(path);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new Error(
      `the language model ${path} cannot be read (${why}); write it with \`assay teach-language\``,
    );
  }
  return decodeLanguageModel(bytes, path);
}
