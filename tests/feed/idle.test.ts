import type { Socket } from 'node:net';
import { connect } from 'node:net';
import { join } from 'node:path';
import pino from 'pino';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { Feed } from '../../docs/clients/assay-client.mjs';
import { parseConfig } from '../../pipeline/config.ts';
import { type OpenFeed, openFeed } from '../../pipeline/feed/open-feed.ts';
import { createFeedServer } from '../../pipeline/feed/server.ts';
import { writeCurated } from '../pipeline/curated-pool.ts';
import { temporaryFolder } from '../support.ts';
import { learnerOf, recipeOf } from './served.ts';

const log = pino({ level: 'silent' });
const address = { host: '127.0.0.1', port: 0 };

let folder: string;
let runs = 0;
beforeAll(async () => {
  folder = await temporaryFolder();
  await writeCurated(folder, 60);
});

let feed: OpenFeed;
let close: () => Promise<void> = async () => {};
async function open(distill = ''): Promise<OpenFeed> {
  feed = await openFeed(parseConfig(recipeOf(distill, '  idleSeconds: 0.2'), 'recipe.yaml'), {
    data: folder,
    out: join(folder, `run-${runs++}`),
    configPath: 'recipe.yaml',
    log,
  });
  return feed;
}
afterEach(async () => {
  await close();
  await feed.close();
});

/** Serves a feed, and tells of its connections as the feed has them. */
async function serve(served: OpenFeed) {
  const app = createFeedServer(served, { log, host: address.host });
  const sockets: Socket[] = [];
  let timeouts = 0;
  let told = () => {};
  app.server.on('connection', (socket) => {
    sockets.push(socket);
    // After the server's own listener: what it does then is done.
    socket.on('timeout', () => {
      timeouts += 1;
      told();
    });
  });
  close = async () => app.close();
  return {
    url: await app.listen(address),
    sockets,
    /** Resolves once connections were idle for `feed.idleSeconds`, so many times. */
    idled: (times: number) =>
      new Promise<void>((resolve) => {
        told = () => timeouts >= times && resolve();
        told();
      }),
  };
}

/** Serves a feed whose selections are made only after `feed.idleSeconds` of each wait. */
async function serveSlowly() {
  const { selector, ...rest } = await open('  method: uniform');
  const selected = new Set<number>();
  let idled: (times: number) => Promise<void> = async () => {};
  const byFeed: typeof selector.byFeed = async (step) => {
    selected.add(step);
    await idled(selected.size);
    return selector.byFeed(step);
  };
  const server = await serve({ ...rest, selector: { ...selector, byFeed } });
  idled = server.idled;
  return { ...server, selected };
}

/** Sends a request's text, takes no byte of what comes, and waits until the feed hangs up. */
async function isHungUpOn(
  server: { readonly url: string; readonly sockets: readonly Socket[] },
  text: string,
) {
  const before = server.sockets.length;
  const socket = connect(Number(new URL(server.url).port), address.host);
  socket.on('error', () => {}).pause();
  socket.write(text);
  while (server.sockets.length === before) await new Promise((resolve) => setImmediate(resolve));
  const at = server.sockets[before] as Socket;
  if (!at.destroyed) await new Promise((resolve) => at.once('close', resolve));
  socket.destroy();
  return at.destroyed;
}

const get = (path: string) => `GET ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n`;

describe('a connection on which nothing moves', () => {
  it('is kept while the feed scores, also between the batches of one answer', async () => {
    const server = await serveSlowly();
    const client = new Feed(server.url, { retries: 0 });
    expect((await client.batch(0, { count: 2 })).numRows).toBe(12);
    expect([...server.selected]).toEqual([0, 1]);
  });

  it('is kept while a rank waits for the others', async () => {
    const server = await serve(await open());
    const select = (rank: number) =>
      new Feed(server.url, { rank, world: 2, retries: 0 }).select(0, learnerOf(6, `${rank}`));
    const first = select(0);
    first.catch(() => {});
    await server.idled(1);
    const answers = await Promise.all([first, select(1)]);
    expect(answers.map(({ numRows }) => numRows)).toEqual([6, 6]);
  });

  it('is closed where a body stops coming, an answer is not taken, or nothing is asked', async () => {
    const server = await serve(await open());
    const type = 'Content-Type: application/vnd.apache.arrow.stream\r\nContent-Length: 1000\r\n\r\nhalf';
    const post = `POST /v1/selections?step=0 HTTP/1.1\r\nHost: 127.0.0.1\r\n${type}`;
    for (const text of [post, get('/v1/super-batches?step=0&image=pixels&side=2048'), get('/v1/health')]) {
      expect(await isHungUpOn(server, text)).toBe(true);
    }
  });

  it('is closed where an answer is not taken that was long in the making', async () => {
    const server = await serveSlowly();
    expect(await isHungUpOn(server, get('/v1/batches?step=0&image=pixels&side=2048'))).toBe(true);
    expect([...server.selected]).toEqual([0]);
  });
});
