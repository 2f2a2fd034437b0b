import { mkdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { mostBytes, readJson } from '../../models/model-folder.ts';
import { logitNames, partsSchema, readScalars } from '../../models/siglip/logits.ts';
import { type Precision, precisionSuffixes } from '../../models/siglip/precisions.ts';
import type { Progress } from '../progress.ts';
import { syncFolder, syncOne } from '../to-disk.ts';
import { downloadFile } from './download-file.ts';
import { type ModelName, repositoryOf } from './model-name.ts';
import {
  addressOf,
  findRepository,
  type HubFile,
  type HubOptions,
  type Repository,
  request,
} from './repository.ts';

/** How a model is fetched. */
export interface DownloadOptions {
  readonly precision: Precision;
  /** Where models are kept. */
  readonly cache?: string | undefined;
  readonly endpoint?: string | undefined;
  readonly signal: AbortSignal;
  readonly progress: Progress;
  readonly retries?: number | undefined;
}

/** The name of the file that says where a folder's files came from. */
export const originName = 'assay-hub.json';

/** Where a downloaded model came from. */
export const originSchema = z.object({
  model: z.string(),
  commit: z.string(),
  /** The repository of the ONNX files, where it is another. */
  onnx: z.object({ model: z.string(), commit: z.string() }),
  files: z.array(z.object({ path: z.string(), bytes: z.int(), digest: z.string() })),
});

/** Where a downloaded model came from. */
export type Origin = z.infer<typeof originSchema>;

const settings = [
  'config.json',
  'preprocessor_config.json',
  'processor_config.json',
  'tokenizer.json',
  'tokenizer_config.json',
];

/** Where models are kept: `ASSAY_CACHE`, else `assay` of the user's cache. */
export function cacheFolder(): string {
  const { ASSAY_CACHE: own, XDG_CACHE_HOME: users } = process.env;
  return own ?? join(users ?? join(homedir(), '.cache'), 'assay');
}

/**
 * The folder of a hub's model, downloaded when it isn't there: its settings and tokenizer, the graphs of one precision
 * and the weights beside them, and of `model.safetensors` the scale and the bias alone. The commit that a branch led to
 * at first is written down, and stays: later calls ask no network. A model without ONNX files gets them from
 * `onnx-community/NAME-ONNX`. The folder appears when all of it is there and hashes to what the hub says; a download
 * that was cut off goes on. Throws one line that says what is missing.
 */
export async function downloadModel(model: ModelName, options: DownloadOptions): Promise<string> {
  const { precision, cache = cacheFolder() } = options;
  const endpoint = options.endpoint ?? process.env.HF_ENDPOINT ?? 'https://huggingface.co';
  const hub: HubOptions = { ...options, endpoint: endpoint.replace(/\/+$/, '') };
  const home = join(cache, 'models', `${model.owner}--${model.name}`);
  const pin = join(home, 'refs', model.revision);
  const pinned = await readFile(pin, 'utf8').then(
    (text) => text.trim(),
    () => null,
  );
  const folderOf = (commit: string) => join(home, `${commit}-${precision}`);
  for (const commit of [pinned, model.revision]) {
    if (commit !== null && (await isFolder(folderOf(commit)))) return folderOf(commit);
  }
  const main = await findRepository(repositoryOf(model), pinned ?? model.revision, hub);
  const onnx = await withGraphs(main, model, precision, hub);
  const folder = folderOf(main.commit);
  if (await isFolder(folder)) return folder;
  // Files that were fetched whole from another export wouldn't be fetched again.
  const partial = `${folder}-${onnx.commit.slice(0, 8)}.partial`;
  await mkdir(partial, { recursive: true });
  const wanted = [
    ...settings.flatMap((path) => fileIn(main, path) ?? fileIn(onnx, path) ?? []),
    ...graphFiles(onnx, precision),
  ];
  const total = wanted.reduce((sum, { file }) => sum + file.bytes, 0);
  const task = options.progress.start(`downloading ${repositoryOf(model)}`, total, 'bytes');
  let done = 0;
  try {
    for (const { file, from } of wanted) {
      const path = join(partial, file.path);
      if ((await stat(path).catch(() => null))?.size !== file.bytes) {
        const url = addressOf(from, file.path, hub.endpoint);
        await downloadFile(url, file, path, hub, (bytes) => task.update(done + bytes));
      }
      done += file.bytes;
      task.update(done);
    }
    await writeLogits(partial, [main, onnx], hub);
  } finally {
    task.end();
  }
  const origin: Origin = {
    model: repositoryOf(model),
    commit: main.commit,
    onnx: { model: onnx.name, commit: onnx.commit },
    files: wanted.map(({ file: { path, bytes, digest } }) => ({
      path,
      bytes,
      digest: `${digest.kind}:${digest.value}`,
    })),
  };
  await writeFile(join(partial, originName), `${JSON.stringify(origin, null, 2)}\n`);
  await syncFolder(partial);
  await rename(partial, folder);
  await syncOne(dirname(folder));
  await mkdir(join(home, 'refs'), { recursive: true });
  await writeFile(pin, `${main.commit}\n`);
  return folder;
}

interface Wanted {
  readonly file: HubFile;
  readonly from: Repository;
}

function fileIn(from: Repository, path: string): Wanted | null {
  const file = from.files.find((candidate) => candidate.path === path);
  if (file === undefined) return null;
  const most = path.endsWith('.onnx')
    ? mostBytes.graph
    : path.startsWith('onnx/')
      ? mostBytes.weights
      : mostBytes.tokenizer;
  if (file.bytes > most)
    throw new Error(`${from.name}: ${path} has ${file.bytes} bytes, at most ${most} are read`);
  return { file, from };
}

/** The graphs of a precision, and the weights beside them as exporters name those. */
function graphFiles(from: Repository, precision: Precision): Wanted[] {
  const suffix = precisionSuffixes[precision];
  const names = ['vision', 'text'].map((tower) => `onnx/${tower}_model${suffix}.onnx`);
  if (names.some((name) => fileIn(from, name) === null)) return [];
  const isWeights = (path: string) =>
    names.some((name) => path.startsWith(name) && /^[._]data(_\d{1,3})?$/.test(path.slice(name.length)));
  const beside = from.files.map(({ path }) => path).filter(isWeights);
  return [...names, ...beside].flatMap((path) => fileIn(from, path) ?? []);
}

/** The repository with the graphs: the model's own, or the one that ONNX's community exported. */
async function withGraphs(
  main: Repository,
  { name }: ModelName,
  precision: Precision,
  hub: HubOptions,
): Promise<Repository> {
  if (graphFiles(main, precision).length > 0) return main;
  const suffix = precisionSuffixes[precision];
  const lacks = `${main.name}: it has no onnx/vision_model${suffix}.onnx with onnx/text_model${suffix}.onnx (${precision})`;
  if (main.files.some(({ path }) => path.startsWith('onnx/'))) throw new Error(lacks);
  const other = `onnx-community/${name}-ONNX`;
  const found = await findRepository(other, 'main', hub).catch((error: Error) => {
    throw new Error(`${lacks}, and ${other} can't be had: ${error.message}`);
  });
  if (graphFiles(found, precision).length === 0) throw new Error(`${lacks}, and neither has ${other}`);
  return found;
}

const whole = 'model.safetensors';
const indexName = 'model.safetensors.index.json';

/** Writes `assay.json` with the scale and the bias, where weights are there to read them from. */
async function writeLogits(
  folder: string,
  repositories: readonly Repository[],
  hub: HubOptions,
): Promise<void> {
  const has = ({ files }: Repository, path: string) => files.some((file) => file.path === path);
  const from = repositories.find((one) => has(one, whole) || has(one, indexName));
  if (!from) return;
  const parts = has(from, whole) ? {} : await partsOf(folder, from, hub);
  const [t, b] = await Promise.all(
    logitNames.map(async (name) => {
      const path = parts[name] ?? whole;
      return has(from, path) ? readScalar(addressOf(from, path, hub.endpoint), name, hub) : null;
    }),
  );
  if (t === null || t === undefined || b === null || b === undefined) return;
  const logits = { logitScale: Math.exp(t), logitBias: b };
  await writeFile(join(folder, 'assay.json'), `${JSON.stringify(logits, null, 2)}\n`);
}

/** Which part of a model's weights holds a tensor: by its index, a file as any other, which nobody needs afterwards. */
async function partsOf(
  folder: string,
  from: Repository,
  hub: HubOptions,
): Promise<Readonly<Record<string, string>>> {
  const index = fileIn(from, indexName);
  if (index === null) return {};
  const path = join(folder, indexName);
  const url = addressOf(from, indexName, hub.endpoint);
  await downloadFile(url, index.file, path, hub, () => {});
  try {
    return (await readJson(folder, indexName, partsSchema)).weight_map;
  } catch (error) {
    // Where it lies meanwhile says nothing: the hub has it so.
    throw new Error((error as Error).message.replaceAll(path, url));
  } finally {
    await rm(path);
  }
}

/** One value out of a safetensors file of a hub, of which a few bytes come. */
async function readScalar(url: string, name: string, hub: HubOptions): Promise<number | null> {
  const [value = null] = await readScalars(url, [name], async (start, length) => {
    const response = await request(url, { range: `bytes=${start}-${start + length - 1}` }, hub);
    if (response.status !== 206) {
      await response.body?.cancel();
      throw new Error(`${url}: the hub sends no part of a file`);
    }
    const bytes = Buffer.from(await response.arrayBuffer());
    if (bytes.length !== length) throw new Error(`${url}: ${bytes.length} bytes came, not ${length}`);
    return bytes;
  });
  return value;
}

async function isFolder(path: string): Promise<boolean> {
  return (await stat(path).catch(() => null))?.isDirectory() ?? false;
}
