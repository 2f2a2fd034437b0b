import { readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { InferenceSession } from 'onnxruntime-node';
import { pack } from 'tar-stream';
import { afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { Feed } from '../../docs/clients/assay-client.mjs';
import { UsageError } from '../../pipeline/errors.ts';
import { openLearnerSlot } from '../../pipeline/feed/learner.ts';
import { writeToySiglip } from '../models/toy-siglip.ts';
import { writeCurated } from '../pipeline/curated-pool.ts';
import { temporaryFolder } from '../support.ts';
import { recipeOf, serve } from './served.ts';

let folder: string;
let slots = 0;
/** The files of a model in the Hugging Face layout. */
let model: Readonly<Record<string, Uint8Array>>;
beforeAll(async () => {
  folder = await temporaryFolder();
  await writeCurated(folder, 60);
  const dir = await writeToySiglip(join(folder, 'toy'));
  const files: Record<string, Uint8Array> = {};
  for (const { name, parentPath } of await readdir(dir, { recursive: true, withFileTypes: true })) {
    const path = join(parentPath, name);
    if ((await stat(path)).isFile()) files[relative(dir, path)] = await readFile(path);
  }
  model = files;
});
afterEach(() => {
  vi.restoreAllMocks();
});

async function tarOf(files: Readonly<Record<string, Uint8Array>>): Promise<Uint8Array> {
  const tar = pack();
  for (const [name, bytes] of Object.entries(files)) tar.entry({ name }, Buffer.from(bytes));
  tar.finalize();
  return buffer(tar);
}

const openSlot = (path: string) =>
  openLearnerSlot(path, {
    ...{ latest: 9, maxBytes: 1e9, threads: 1, maxPixels: 1e6, concurrency: 1 },
    provider: async () => 'cpu',
  });

/** Puts files into a slot of their own, and says what is seen of them. */
async function put(files: Readonly<Record<string, Uint8Array>>) {
  const slot = await openSlot(join(folder, `slot-${slots++}`));
  try {
    await slot.put(Readable.from([await tarOf(files)]), { step: 0 });
    const { facts, scale, bias } = slot.current() ?? {};
    return { facts, scale, bias };
  } finally {
    await slot.close();
  }
}

/** A safetensors file of one number. */
function scalarFile(name: string, value: number): Buffer {
  const header = Buffer.from(JSON.stringify({ [name]: { dtype: 'F32', shape: [1], data_offsets: [0, 4] } }));
  const [length, data] = [Buffer.alloc(8), Buffer.alloc(4)];
  length.writeBigUInt64LE(BigInt(header.length));
  data.writeFloatLE(value);
  return Buffer.concat([length, header, data]);
}

/** Every file of a model, with its graphs beside its config. */
const flat = () =>
  Object.fromEntries(Object.entries(model).map(([name, bytes]) => [name.replace(/^onnx\//, ''), bytes]));

describe('the folder of a learner that is put', () => {
  it('may have its graphs in onnx/ or beside its config', async () => {
    expect(Object.keys(flat())).toContain('vision_model.onnx');
    for (const files of [model, flat()]) expect((await put(files)).facts).toMatchObject({ kind: 'siglip2' });
  });

  it('says what to do where the one that was put is broken when the feed starts again', async () => {
    await put(model);
    const path = join(folder, `slot-${slots - 1}`);
    await writeFile(join(path, '0', 'onnx', 'text_model.onnx'), '');
    const opening = openSlot(path);
    await expect(opening).rejects.toBeInstanceOf(UsageError);
    await expect(opening).rejects.toThrow(/can't be opened .*: remove that folder/);
  });

  it('may have its weights in parts, of which the scale and the bias are read', async () => {
    const [first, second] = ['model-00001-of-00002.safetensors', 'model-00002-of-00002.safetensors'];
    const index = { metadata: {}, weight_map: { logit_scale: first, logit_bias: second } };
    const { facts, scale, bias } = await put({
      ...model,
      'model.safetensors.index.json': Buffer.from(JSON.stringify(index)),
      [first]: scalarFile('logit_scale', Math.log(50)),
      [second]: scalarFile('logit_bias', -7),
    });
    expect(facts?.logits.from).toBe('model.safetensors');
    expect(scale).toBeCloseTo(50, 4);
    expect(bias).toBe(-7);
  });

  it('has nothing from elsewhere, whatever names its tar or its index has', async () => {
    const names = [
      'onnx/onnx/vision_model.onnx',
      'other/model-1-of-2.safetensors',
      'model-1-of-2.safetensors.x',
    ];
    for (const name of names) {
      const { 'onnx/vision_model.onnx': vision, ...rest } = model;
      await expect(put({ ...rest, [name]: vision as Uint8Array })).rejects.toThrow(
        /no onnx\/vision_model.onnx/,
      );
    }
    for (const name of ['../vision_model.onnx', 'onnx/../../text_model.onnx', '/text_model.onnx']) {
      await expect(put({ ...model, [name]: new Uint8Array(1) })).rejects.toThrow(
        /which no learner is made of/,
      );
    }
    const weights = { logit_scale: '../../model.safetensors', logit_bias: '../../model.safetensors' };
    const index = Buffer.from(JSON.stringify({ weight_map: weights }));
    await expect(put({ ...model, 'model.safetensors.index.json': index })).rejects.toThrow(
      /must lie in its folder/,
    );
  });
});

/** Runs on the processor what is asked of any provider, and says what was asked for each graph of a folder. */
function recordProviders(refuse?: string) {
  const create = InferenceSession.create;
  const asked: unknown[] = [];
  vi.spyOn(InferenceSession, 'create').mockImplementation(async (...given: unknown[]) => {
    const [graph, options] = given as [unknown, InferenceSession.SessionOptions];
    const providers = options.executionProviders ?? [];
    if (providers.includes(refuse as never)) throw new Error(`there is no ${refuse}`);
    if (typeof graph === 'string') asked.push(...providers);
    return create.apply(InferenceSession, [graph, { ...options, executionProviders: ['cpu'] }] as never);
  });
  return asked;
}

describe('the learner that a feed scores with', () => {
  const served = (compute: string) => serve(folder, `run-${slots++}`, `${recipeOf()}\ncompute: ${compute}\n`);

  it.each([
    ['{}', 'cpu'],
    ['{ provider: cpu }', 'cpu'],
    ['{ provider: webgpu }', 'webgpu'],
  ])('runs where the recipe says: compute %s is %s', async (compute, provider) => {
    const asked = recordProviders();
    const feed = await served(compute);
    try {
      const client = new Feed(feed.url, { retries: 0 });
      const put = await client.putLearner(0, await tarOf(model));
      expect(put).toMatchObject({ learner: { step: 0, kind: 'siglip2', logits: 'assumed' } });
      expect(asked).toEqual([provider, provider]);
      expect((await client.batch(0)).numRows).toBe(6);
    } finally {
      await feed.close();
    }
  });

  it('is refused in one line where that is not there, and only then', async () => {
    recordProviders('webgpu');
    const feed = await served('{ provider: webgpu }');
    try {
      const client = new Feed(feed.url, { retries: 0 });
      await expect(client.putLearner(0, await tarOf(model))).rejects.toThrow(
        /422: the learner can't be run: recipe.yaml: compute: the provider webgpu doesn't start: there is no webgpu/,
      );
      expect((await client.superBatch(0)).numRows).toBe(12);
    } finally {
      await feed.close();
    }
  });
});
