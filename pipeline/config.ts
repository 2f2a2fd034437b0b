import { readFile } from 'node:fs/promises';
import { parse, YAMLParseError } from 'yaml';
import { z } from 'zod';
import { computeOptionsSchema } from '../models/compute-options.ts';
import { loccaOptionsSchema } from '../stages/add-locca-targets.ts';
import { balanceOptionsSchema } from '../stages/balance-terms.ts';
import { checkImagesOptionsSchema } from '../stages/check-images.ts';
import { cleanTextsOptionsSchema } from '../stages/clean-texts.ts';
import { decontaminateOptionsSchema } from '../stages/decontaminate.ts';
import { deduplicateOptionsSchema } from '../stages/deduplicate.ts';
import { dropBoilerplateOptionsSchema } from '../stages/drop-boilerplate.ts';
import { filterByScoreOptionsSchema } from '../stages/filter-by-score.ts';
import { identifyLanguageOptionsSchema } from '../stages/identify-language.ts';
import { labelRegionsOptionsSchema } from '../stages/label-regions.ts';
import { mixOptionsSchema } from '../stages/mix-languages.ts';
import { readShardsOptionsSchema } from '../stages/read-shards.ts';
import { writeShardsOptionsSchema } from '../stages/write-shards.ts';
import { distillOptionsSchema, evaluationOptionsSchema, teachOptionsSchema } from './distill/options.ts';
import { UsageError } from './errors.ts';
import { memorySchema } from './memory.ts';

const pathsSchema = z
  .union([z.string().min(1), z.array(z.string().min(1)).nonempty()])
  .transform((paths) => (typeof paths === 'string' ? [paths] : paths));

const regionsSchema = labelRegionsOptionsSchema.extend({
  /**
   * `windows` is the built-in detector, which needs a teacher; `owl` an OWLv2 or OWL-ViT model in ONNX; `none` leaves
   * regions out.
   */
  detector: z.enum(['windows', 'owl', 'none']).default('windows'),
  /** The folder of the owl detector's model, laid out as on the Hugging Face Hub. */
  model: z.string().min(1).optional(),
});

/** One recipe: the whole of a run in one YAML file. Every section but `input` has a default. */
export const configSchema = z.strictObject({
  /** The one seed of the run. */
  seed: z.int().min(0).default(1),
  /** `shards`: files, folders or globs. */
  input: readShardsOptionsSchema.omit({ memory: true }).extend({ shards: pathsSchema }).optional(),
  /** What reading may hold at a time: bytes, or a text such as `2GiB`. */
  memory: memorySchema.default(2 * 1024 ** 3),
  images: checkImagesOptionsSchema.prefault({}),
  texts: cleanTextsOptionsSchema.omit({ seed: true }).prefault({}),
  /** Texts that caption too many images of the data set to describe them. */
  boilerplate: dropBoilerplateOptionsSchema.prefault({}),
  language: identifyLanguageOptionsSchema.prefault({}),
  /** `shards`: an evaluation set, whose images and near duplicates are kept out of the data. */
  decontaminate: decontaminateOptionsSchema.extend({ shards: pathsSchema }).optional(),
  deduplicate: deduplicateOptionsSchema.prefault({}),
  balance: balanceOptionsSchema.prefault({}),
  /** Filters by the teacher's scores; needs a teacher, which then embeds every admitted row. */
  scores: filterByScoreOptionsSchema.optional(),
  /** `enabled: false` keeps every row. */
  mix: mixOptionsSchema.extend({ enabled: z.boolean().default(true) }).prefault({}),
  regions: regionsSchema.prefault({}),
  locca: loccaOptionsSchema.prefault({}),
  /** Without a teacher its embeddings and the built-in detector's regions are left out. */
  teacher: z
    .strictObject({
      checkpoint: z.string().min(1),
      /**
       * What the similarity of an alt-text to the image's parts weighs in its score, the cosine with the whole image the
       * rest; how images are parted is said under `regions`. 0 spares its cost, that of labelling regions.
       */
      partWeight: z.number().min(0).max(1).default(0),
    })
    .optional(),
  output: writeShardsOptionsSchema.prefault({}),
  /** Processes that work on a run, one a core when absent; what comes out is the same for any number. */
  workers: z.int().positive().max(256).optional(),
  /** Whether the facts of each row (hashes, fingerprints, counted texts) stay in the run's folder when it is done. */
  keepFacts: z.boolean().default(false),
  /**
   * Threads of the models; when absent the machine's cores, but one in each process of a curation, so that what comes
   * out is the same on any machine.
   */
  threads: z.int().positive().optional(),
  /** What models run on: an executor, its provider, and threads in place of those above. */
  compute: computeOptionsSchema.prefault({}),
  distill: distillOptionsSchema.prefault({}),
  teach: teachOptionsSchema.prefault({}),
  evaluation: evaluationOptionsSchema.optional(),
});

/** A recipe with its defaults filled in. */
export type Config = z.infer<typeof configSchema>;

/**
 * Reads a recipe. Throws a {@link UsageError} of one line that names the file and the key: a file that is missing
 * or isn't YAML, an unknown key, a wrong type.
 */
export async function loadConfig(path: string): Promise<Config> {
  const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    throw new UsageError(
      error.code === 'ENOENT' ? `config: no such file: ${path}` : `config: ${path}: ${error.message}`,
    );
  });
  return parseConfig(text, path);
}

/** Checks a recipe's text; `path` is for the messages. Throws as {@link loadConfig} does. */
export function parseConfig(text: string, path: string): Config {
  let raw: unknown;
  try {
    raw = parse(text) ?? {};
  } catch (error) {
    if (!(error instanceof YAMLParseError)) throw error;
    throw new UsageError(`${path}: not YAML: ${error.message.split('\n')[0]}`);
  }
  const parsed = configSchema.safeParse(raw);
  if (parsed.success) return parsed.data;
  const issue = deepest(parsed.error.issues);
  throw new UsageError(`${path}: ${describeIssue(issue)}`);
}

type Issue = z.core.$ZodIssue;

/** A union's own message says nothing: the issue of the alternative that came furthest does. */
function deepest(issues: readonly Issue[]): Issue {
  const [issue] = issues as [Issue];
  if (issue.code !== 'invalid_union') return issue;
  const inner = issue.errors.flat().find((candidate) => candidate.path.length > 0);
  return inner ? { ...inner, path: [...issue.path, ...inner.path] } : issue;
}

function describeIssue(issue: Issue): string {
  const at = (keys: readonly PropertyKey[]) => keys.map(String).join('.') || 'the file';
  if (issue.code === 'unrecognized_keys') {
    const keys = issue.keys.map((key) => at([...issue.path, key]));
    return `unknown key ${keys.join(', ')}`;
  }
  if (issue.code === 'invalid_union') return `${at(issue.path)}: a path or a list of paths is expected`;
  return `${at(issue.path)}: ${issue.message}`;
}
