import { connect } from 'node:net';
import { join } from 'node:path';
import type { FastifyInstance } from 'fastify';
import pino from 'pino';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { parseConfig } from '../../pipeline/config.ts';
import { openFeed } from '../../pipeline/feed/open-feed.ts';
import type { Selector } from '../../pipeline/feed/selector.ts';
import { arrowType } from '../../pipeline/feed/send.ts';
import { createFeedServer } from '../../pipeline/feed/server.ts';
import { writeCurated } from '../pipeline/curated-pool.ts';
import { temporaryFolder } from '../support.ts';
import { recipeOf } from './served.ts';

let folder: string;
const closing: (() => Promise<void>)[] = [];

beforeAll(async () => {
  folder = await temporaryFolder();
  await writeCurated(folder, 60);
});

afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

/** Waits for what comes sooner or later, for half a minute. */
async function until(isSo: () => boolean | Promise<boolean>): Promise<void> {
  for (const end = performance.now() + 30_000; performance.now() < end; ) {
    if (await isSo()) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  expect.fail('it never came');
}

/** A feed that listens, its log, and how many super-batches of it are held by answers. */
async function served(change: (selector: Selector, app: () => FastifyInstance) => Partial<Selector>) {
  const lines: string[] = [];
  const log = pino({ level: 'info' }, { write: (line: string) => lines.push(line) });
  const config = parseConfig(recipeOf('  method: uniform'), 'recipe.yaml');
  const settings = {
    data: folder,
    out: join(await temporaryFolder(), 'run'),
    configPath: 'recipe.yaml',
    log,
  };
  const feed = await openFeed(config, settings);
  const changed = { ...feed.selector, ...change(feed.selector, () => app) };
  const held = { now: 0, ever: 0 };
  const selector: Selector = {
    ...changed,
    async superBatch(step) {
      const superBatch = await changed.superBatch(step);
      held.now += 1;
      held.ever += 1;
      return {
        ...superBatch,
        release() {
          held.now -= 1;
          superBatch.release();
        },
      };
    },
  };
  const app = createFeedServer({ ...feed, selector }, { log, host: '127.0.0.1' });
  await app.listen({ host: '127.0.0.1', port: 0 });
  closing.push(async () => {
    await app.close();
    await feed.close();
  });
  const { port } = app.server.address() as { port: number };
  return { port, lines, held };
}

/** A client that sends requests without waiting, and reads nothing. */
function ask(port: number, ...paths: string[]) {
  const socket = connect(port, '127.0.0.1');
  socket.on('error', () => {});
  socket.pause();
  for (const path of paths) socket.write(`GET ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n`);
  return socket;
}

const large = '/v1/super-batches?step=0&image=pixels&side=1024';

describe('an answer whose client goes', () => {
  it.each([
    ['another of decoded images', large],
    ['one of encoded images', '/v1/super-batches?step=0'],
    ['a selected batch', '/v1/batches?step=0&image=pixels&count=3'],
  ])('while it waits for the answer before it on the connection holds nothing: %s', async (_name, path) => {
    const { port, lines, held } = await served(() => ({}));
    const socket = ask(port, large, path);
    await until(() => held.ever === 2);
    socket.destroy();
    await until(() => held.now === 0);
    expect(lines).toEqual([]);
  });

  it.each([large, '/v1/super-batches?step=0', '/v1/batches?step=0&image=pixels'])(
    'before its first message is no error of the feed, and holds nothing: %s',
    async (path) => {
      let asked = 0;
      const { port, lines, held } = await served((selector, app) => ({
        async superBatch(step) {
          asked += 1;
          const connections = () =>
            new Promise<number>((resolve) => app().server.getConnections((_error, count) => resolve(count)));
          await until(async () => (await connections()) === 0);
          return selector.superBatch(step);
        },
      }));
      const socket = ask(port, path);
      await until(() => asked === 1);
      socket.destroy();
      await until(() => held.ever === 1 && held.now === 0);
      // What is written of it is, once the request is over.
      await new Promise((resolve) => setImmediate(resolve));
      expect(lines).toEqual([]);
    },
  );

  it('while its body waits behind another answer makes room for other bodies', async () => {
    const { port, held } = await served(() => ({}));
    const post = ['POST /v1/selections?step=0 HTTP/1.1', 'Host: 127.0.0.1', `Content-Type: ${arrowType}`];
    for (let client = 1; client <= 8; client += 1) {
      const socket = ask(port, large);
      socket.write([...post, 'Content-Length: 1000', '', 'half'].join('\r\n'));
      await until(() => held.ever === client);
      socket.destroy();
    }
    await until(() => held.now === 0);
    const url = `http://127.0.0.1:${port}/v1/selections?step=0`;
    const headers = { 'content-type': arrowType };
    const answer = await fetch(url, { method: 'POST', body: 'no Arrow', headers });
    expect(answer.status).toBe(409);
  });

  it('holds nothing where a selection is of another size than its recipe has', async () => {
    const { port, held } = await served((selector) => ({
      async byFeed(step) {
        const selection = await selector.byFeed(step);
        return { ...selection, rows: selection.rows.slice(0, 5) };
      },
    }));
    const answer = await fetch(`http://127.0.0.1:${port}/v1/batches?step=0&rank=0&world=2`);
    expect(answer.status).toBe(400);
    expect(held).toEqual({ now: 0, ever: 1 });
  });
});
