import { createHash } from 'node:crypto';
import { readdir, readFile, rm } from 'node:fs/promises';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join, relative } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openTowers } from '../../models/siglip/open-towers.ts';
import { downloadModel } from '../../pipeline/hub/download-model.ts';
import { parseModelName } from '../../pipeline/hub/model-name.ts';
import { silentProgress } from '../../pipeline/progress.ts';
import { writeToySiglip } from '../models/toy-siglip.ts';
import { temporaryFolder } from '../support.ts';

type Files = Record<string, Buffer>;
type Handler = (request: IncomingMessage, response: ServerResponse, body: Buffer) => void;

let folder: string;
let files: Files;
let hub: Awaited<ReturnType<typeof startHub>>;

const commit = 'c'.repeat(40);
const big = (path: string) => path.endsWith('.onnx') || path.endsWith('.safetensors');
const sha256 = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex');
const gitHash = (bytes: Buffer) =>
  createHash('sha1').update(`blob ${bytes.length}\0`).update(bytes).digest('hex');

/** A hub of two models: the files of one, and those that the handler answers its own way. */
async function startHub(repositories: Record<string, Files>) {
  const asked: { path: string; range: string | undefined }[] = [];
  let special: Handler | null = null;
  const server = createServer((request, response) => {
    const path = decodeURIComponent(new URL(request.url ?? '', 'http://hub').pathname);
    asked.push({ path, range: request.headers.range });
    const [, name = '', file] =
      /^\/(?:api\/models\/|cdn\/)?([\w.-]+\/[\w.-]+)(?:\/resolve\/c{40})?\/(.+)$/.exec(path) ?? [];
    const repository = repositories[name];
    if (!repository) return response.writeHead(404).end();
    if (path.startsWith('/api/')) {
      const siblings = Object.entries(repository).map(([rfilename, bytes]) => ({
        rfilename,
        size: big(rfilename) ? 130 : bytes.length,
        blobId: gitHash(bytes),
        ...(big(rfilename) && { lfs: { sha256: sha256(bytes), size: bytes.length } }),
      }));
      return response.end(JSON.stringify({ sha: commit, siblings }));
    }
    const body = repository[file ?? ''];
    if (!body) return response.writeHead(404).end();
    if (special && (big(file ?? '') || file?.endsWith('.index.json')))
      return special(request, response, body);
    // Large files are elsewhere, as on the real one.
    if (big(file ?? '') && !path.startsWith('/cdn/')) {
      return response.writeHead(302, { location: `/cdn/${name}/${file}` }).end();
    }
    sendPart(request, response, body);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    asked,
    answer: (handler: Handler | null) => {
      special = handler;
    },
    close: () =>
      new Promise((resolve) => {
        server.close(resolve);
        server.closeAllConnections();
      }),
  };
}

function sendPart(request: IncomingMessage, response: ServerResponse, body: Buffer): void {
  const [, from, to] = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? '') ?? [];
  if (from === undefined) {
    response.end(body);
    return;
  }
  const end = to ? Number(to) + 1 : body.length;
  response.writeHead(206, { 'content-range': `bytes ${from}-${end - 1}/${body.length}` });
  response.end(body.subarray(Number(from), end));
}

async function filesOf(dir: string): Promise<Files> {
  const entries = await readdir(dir, { recursive: true, withFileTypes: true });
  const paths = entries
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => join(parentPath, name));
  return Object.fromEntries(
    await Promise.all(paths.map(async (path) => [relative(dir, path), await readFile(path)] as const)),
  );
}

/** A safetensors file of a scale of 50 and a bias of -7, after a megabyte that nobody needs. */
function weights(): Buffer {
  const data = Buffer.alloc(1_000_008);
  data.writeFloatLE(Math.log(50), 1_000_000);
  data.writeFloatLE(-7, 1_000_004);
  const entry = (shape: number[], from: number, to: number) => ({
    dtype: 'F32',
    shape,
    data_offsets: [from, to],
  });
  const header = Buffer.from(
    JSON.stringify({
      body: entry([250_000], 0, 1_000_000),
      logit_scale: entry([1], 1_000_000, 1_000_004),
      logit_bias: entry([1], 1_000_004, 1_000_008),
    }),
  );
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(header.length));
  return Buffer.concat([length, header, data]);
}

const download = (
  name = 'acme/toy',
  more: { retries?: number; signal?: AbortSignal; endpoint?: string } = {},
) => {
  const model = parseModelName(name);
  if (model === null) throw new Error(`${name} is no name`);
  return downloadModel(model, {
    precision: 'fp32',
    cache: join(folder, 'cache'),
    endpoint: hub.endpoint,
    signal: new AbortController().signal,
    progress: silentProgress,
    retries: 0,
    ...more,
  });
};
const cached = async () =>
  (await readdir(join(folder, 'cache', 'models', 'acme--toy')).catch(() => [])).filter((name) =>
    name.startsWith(commit),
  );

describe('a model of a hub', () => {
  beforeEach(async () => {
    folder = await temporaryFolder();
    files = await filesOf(await writeToySiglip(join(folder, 'toy'), { kind: 'naflex' }));
    hub = await startHub({
      'acme/toy': { ...files, 'README.md': Buffer.from('nothing'), 'model.safetensors': weights() },
    });
  });
  afterEach(async () => {
    await hub.close();
    await rm(folder, { recursive: true, force: true });
  });

  it('is downloaded, runs, has its own scale and bias, and says where it came from', async () => {
    const at = await download();
    const towers = await openTowers(at);
    expect(towers.facts).toMatchObject({ kind: 'siglip2', logits: { bias: -7, from: 'assay.json' } });
    expect(towers.scale).toBeCloseTo(50, 4);
    await towers.dispose();
    const origin = JSON.parse(await readFile(join(at, 'assay-hub.json'), 'utf8'));
    expect(origin).toMatchObject({ model: 'acme/toy', commit, onnx: { model: 'acme/toy', commit } });
    expect(origin.files).toContainEqual({
      path: 'onnx/text_model.onnx',
      bytes: files['onnx/text_model.onnx']?.length,
      digest: `sha256:${sha256(files['onnx/text_model.onnx'] as Buffer)}`,
    });
    const came = await filesOf(at);
    for (const [path, bytes] of Object.entries(files)) expect(came[path]?.equals(bytes), path).toBe(true);
    expect(came).not.toHaveProperty('README.md');
    // Of the weights a few bytes came.
    const ranges = hub.asked.filter(({ path }) => path.endsWith('safetensors')).map(({ range }) => range);
    expect(ranges.length).toBeGreaterThan(0);
    expect(ranges).not.toContain(undefined);
  });

  it('is asked for once: the commit that a branch led to stays', async () => {
    const at = await download();
    await hub.close();
    expect(await download()).toBe(at);
    expect(await download(`acme/toy@${commit}`)).toBe(at);
  });

  it('without ONNX files gets those of the export for ONNX', async () => {
    const { 'onnx/vision_model.onnx': vision, 'onnx/text_model.onnx': text, ...rest } = files;
    await hub.close();
    hub = await startHub({
      'acme/toy': { ...rest, 'model.safetensors': weights() },
      'onnx-community/toy-ONNX': {
        'onnx/vision_model.onnx': vision as Buffer,
        'onnx/text_model.onnx': text as Buffer,
      },
    });
    const towers = await openTowers(await download());
    expect(towers.bias).toBe(-7);
    await towers.dispose();
  });

  it('with weights in parts has its own scale and bias', async () => {
    await hub.close();
    const part = 'model-00002-of-00002.safetensors';
    const index = { metadata: {}, weight_map: { body: 'other', logit_scale: part, logit_bias: part } };
    hub = await startHub({
      'acme/toy': {
        ...files,
        'model.safetensors.index.json': Buffer.from(JSON.stringify(index)),
        [part]: weights(),
      },
    });
    const at = await download();
    const towers = await openTowers(at);
    expect(towers.facts.logits).toMatchObject({ bias: -7, from: 'assay.json' });
    await towers.dispose();
    expect(await readdir(at)).not.toContain('model.safetensors.index.json');
  });

  it.each([
    ['cut short', '{"weight_map": {', null, /not JSON$/],
    ['of another shape', '{"weight_map": {"logit_scale": 3}}', null, /weight_map.logit_scale: .*string/],
    [
      'of other bytes than the hub said',
      '{"weight_map": {}}',
      '{"weight_map": []}',
      /git hash is .* the hub/,
    ],
    ['longer than the hub said', '{"weight_map": {}}', '{"weight_map": {}} ', /more than the 18 bytes/],
  ])('whose index of weights is %s is refused in one line', async (_, listed, sent, pattern) => {
    await hub.close();
    const index = 'model.safetensors.index.json';
    hub = await startHub({ 'acme/toy': { ...files, [index]: Buffer.from(listed) } });
    hub.answer((request, response, body) => {
      if (request.url?.endsWith(index)) response.end(sent ?? body);
      else sendPart(request, response, body);
    });
    const error = await download().then(
      () => null,
      (thrown: Error) => thrown,
    );
    expect(error?.message).toMatch(pattern);
    expect(error?.message).toMatch(
      /^http:\/\/127.0.0.1:\d+\/acme\/toy\/resolve\/c{40}\/model.safetensors.index.json: /,
    );
    expect(error?.message).not.toContain('\n');
  });

  it('goes on where a connection broke', async () => {
    let broken = 0;
    hub.answer((request, response, body) => {
      if (broken > 0 || request.headers.range) return sendPart(request, response, body);
      broken += 1;
      response.writeHead(200, { 'content-length': body.length });
      response.write(body.subarray(0, 100), () => setTimeout(() => response.destroy(), 100));
    });
    const at = await download('acme/toy', { retries: 1 });
    expect(hub.asked.map(({ range }) => range)).toContain('bytes=100-');
    expect(
      (await filesOf(at))['onnx/vision_model.onnx']?.equals(files['onnx/vision_model.onnx'] as Buffer),
    ).toBe(true);
  });

  it('goes on where a run was stopped, and is not there before it is whole', async () => {
    const stop = new AbortController();
    hub.answer((_, response, body) => {
      response.writeHead(200, { 'content-length': body.length });
      response.write(body.subarray(0, 50), () => setTimeout(() => stop.abort(new Error('stopped')), 50));
    });
    await expect(download('acme/toy', { signal: stop.signal })).rejects.toThrow(/stopped|abort/);
    expect((await cached()).every((name) => name.endsWith('.partial'))).toBe(true);
    hub.answer(null);
    const before = hub.asked.length;
    const towers = await openTowers(await download());
    await towers.dispose();
    const later = hub.asked.slice(before).map(({ path }) => path);
    expect(later.filter((path) => path.endsWith('tokenizer.json'))).toEqual([]);
    expect(await cached()).toEqual([`${commit}-fp32`]);
  });

  it.each([
    [
      'other bytes',
      (body: Buffer) => Buffer.from(body).fill(1, 10, 20),
      /sha256 hash is .* and the hub says/,
    ],
    ['more bytes', (body: Buffer) => Buffer.concat([body, body]), /more than the \d+ bytes/],
    ['fewer bytes', (body: Buffer) => body.subarray(5), /it ended after \d+ of \d+ bytes/],
  ])('is refused for %s than the hub said', async (_, change, pattern) => {
    hub.answer((_request, response, body) => response.end(change(body)));
    await expect(download()).rejects.toThrow(pattern);
    expect((await cached()).every((name) => name.endsWith('.partial'))).toBe(true);
  });

  it('that is not there, or has no such files, is refused in one line', async () => {
    await expect(download('acme/none', { retries: 3 })).rejects.toThrow(/acme\/none.*404/);
    await rm(join(folder, 'cache'), { recursive: true, force: true });
    await hub.close();
    hub = await startHub({ 'acme/toy': { ...files, 'onnx/vision_model.onnx': Buffer.alloc(0) } });
    await expect(download('acme/toy', { endpoint: 'http://127.0.0.1:1' })).rejects.toThrow(/127.0.0.1:1/);
  });

  it('takes nothing of a name that leads elsewhere', async () => {
    await hub.close();
    hub = await startHub({
      'acme/toy': { ...files, 'onnx/vision_model.onnx_data/../../../evil': Buffer.from('x') },
    });
    const came = await filesOf(await download());
    expect(Object.keys(came).sort()).toEqual([...Object.keys(files), 'assay-hub.json'].sort());
  });
});

describe('names of models', () => {
  it.each(['google/siglip2-base-patch16-224', 'a/b@v1.0', `a/b@${commit}`])('%s is one', (name) => {
    expect(parseModelName(name)).not.toBeNull();
  });
  it.each(['runs/x/y', './a/b', '../a', 'a', 'a/..', 'a/b@..', '/a/b', 'a/b@x/y', ''])(
    '%j is none',
    (name) => {
      expect(parseModelName(name)).toBeNull();
    },
  );
});
