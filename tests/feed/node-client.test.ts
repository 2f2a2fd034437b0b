import { createServer, request } from 'node:http';
import { createServer as createTcpServer } from 'node:net';
import type { Table } from 'apache-arrow';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { Feed } from '../../docs/clients/assay-client.mjs';
import { writeCurated } from '../pipeline/curated-pool.ts';
import { temporaryFolder } from '../support.ts';
import { recipeOf, serve } from './served.ts';

let folder: string;
let runs = 0;
const closing: (() => Promise<unknown>)[] = [];
const token = 'a-token-of-some-length';

beforeAll(async () => {
  folder = await temporaryFolder();
  await writeCurated(folder, 60);
});

afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

async function served(settings: Parameters<typeof serve>[3] = {}) {
  const feed = await serve(folder, `run-${runs++}`, recipeOf(), settings);
  closing.push(feed.close);
  return feed.url;
}

/** A proxy that tells no answer's length, as many don't; and the paths it was asked for. */
async function proxied(url: string) {
  const paths: string[] = [];
  const proxy = createServer((asked, reply) => {
    paths.push(asked.url ?? '');
    const headers = { ...asked.headers, host: new URL(url).host };
    const onward = request(new URL(asked.url ?? '', url), { method: asked.method, headers }, (answer) => {
      reply.writeHead(answer.statusCode ?? 0, { 'content-type': answer.headers['content-type'] });
      answer.pipe(reply);
    });
    onward.on('error', () => reply.destroy());
    reply.on('close', () => onward.destroy());
    asked.pipe(onward);
  });
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
  closing.push(async () => {
    proxy.closeAllConnections();
    await new Promise((resolve) => proxy.close(resolve));
  });
  const { port } = proxy.address() as { port: number };
  return { paths, url: `http://127.0.0.1:${port}` };
}

const keys = (table: Table) => [...(table.getChild('key') ?? [])];

describe('the Node client', () => {
  it('takes a token as a file has it, with the end of its line', async () => {
    const url = await served({ token });
    const expected = keys(await new Feed(url, { token, retries: 0 }).superBatch(0));
    for (const end of ['\n', '\r\n']) {
      const client = new Feed(url, { token: token + end, retries: 0 });
      expect(keys(await client.superBatch(0))).toEqual(expected);
      expect(await client.status()).toMatchObject({ step: 0 });
    }
  });

  it('sends no token with a line break within, and says so without it', async () => {
    const received: string[] = [];
    const listener = createTcpServer((socket) => {
      socket.on('error', () => {});
      socket.on('data', (bytes) => {
        received.push(bytes.toString());
        socket.destroy();
      });
    });
    await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve));
    closing.push(() => new Promise((resolve) => listener.close(resolve)));
    const { port } = listener.address() as { port: number };
    // Nothing would be gained by asking again.
    const client = new Feed(`http://127.0.0.1:${port}`, { token: `${token}\r\nX-Injected: 1` });
    for (const asked of [client.superBatch(0), client.status()]) {
      const error = (await asked.catch((error: Error) => error)) as Error;
      expect(error.message).toMatch(/^the token .* line break/);
      expect(error.message).not.toContain(token);
    }
    expect(received).toEqual([]);
  });

  it('reads answers that do not tell their length, and asks for each once from then on', async () => {
    const url = await served();
    const { paths, url: proxy } = await proxied(url);
    const [direct, through] = [url, proxy].map((of) => new Feed(of, { retries: 0 })) as [Feed, Feed];
    await expect(through.superBatch(19)).rejects.toThrow(/super-batches: 409: step 19 is too far ahead/);
    expect(keys(await through.superBatch(0))).toEqual(keys(await direct.superBatch(0)));
    paths.length = 0;
    expect(keys(await through.superBatch(1))).toEqual(keys(await direct.superBatch(1)));
    expect(paths).toEqual(['/v1/super-batches?step=1']);
  });
});
