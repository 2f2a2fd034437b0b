import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { startFauxqs } from 'fauxqs';
import { type StorageSettings, storageSettingsSchema } from '../../schemas/storage/settings.ts';

/** What is done to a request, or to its answer on the way back. */
export type Fault =
  | { readonly kind: 'answer'; readonly status: number; readonly code: string; readonly retryAfter?: number }
  /** The connection is cut after so many bytes of the body. */
  | { readonly kind: 'reset'; readonly after: number }
  /** The body ends after so many bytes, and the answer says that this is all. */
  | { readonly kind: 'truncate'; readonly after: number }
  /** After so many bytes nothing comes any more. */
  | { readonly kind: 'stall'; readonly after: number }
  /** The body comes in small pieces, with a pause after each. */
  | { readonly kind: 'drip'; readonly bytes: number; readonly pause: number }
  /** The request does what it asks for, and its answer is lost. */
  | { readonly kind: 'lose' };

/** A request as a plan of faults sees it. */
export interface SeenRequest {
  readonly method: string;
  readonly url: string;
  /** Its place among all requests, from 0. */
  readonly index: number;
  readonly range: string | undefined;
}

/** An object store on this machine, behind a proxy that does what it is told to requests. */
export interface ObjectStore {
  readonly endpoint: string;
  /** The store itself, behind the proxy: what a test changes unseen. */
  readonly behind: string;
  readonly seen: SeenRequest[];
  /** What is done to each request from here on; nothing where it is null. */
  plan: ((request: SeenRequest) => Fault | null | Promise<Fault | null>) | null;
  stop(): Promise<void>;
}

/** The bucket that there is. */
export const bucket = 'pool';

/** Credentials as no store gives them out: a test that finds them anywhere has found a leak. */
export const credentials = {
  AWS_ACCESS_KEY_ID: 'AKIATESTACCESSKEY123',
  AWS_SECRET_ACCESS_KEY: 'secret/Key+that/no0ne1should2see3anywhere',
  AWS_SESSION_TOKEN: 'token-FwoGZXIvYXdzEBYaDHtlc3R0b2tlbg==',
};

/** Starts an object store, and gives this process the credentials for it. */
export async function startObjectStore(): Promise<ObjectStore> {
  Object.assign(process.env, credentials);
  const server = await startFauxqs({ port: 0, logger: false, host: '127.0.0.1' });
  server.createBucket(bucket);
  const seen: SeenRequest[] = [];
  const proxy = createServer((from, to) => {
    void pass(store, server.port, from, to).catch(() => to.destroy());
  });
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
  const store: ObjectStore = {
    endpoint: `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`,
    behind: `http://127.0.0.1:${server.port}`,
    seen,
    plan: null,
    async stop() {
      proxy.closeAllConnections();
      await new Promise((resolve) => proxy.close(resolve));
      await server.stop();
    },
  };
  return store;
}

/** Settings for a store, with short waits. */
export function settingsFor(store: Pick<ObjectStore, 'endpoint'>, more: object = {}): StorageSettings {
  return storageSettingsSchema.parse({
    endpoint: store.endpoint,
    retries: 4,
    firstWait: 0.005,
    timeout: 5,
    ...more,
  });
}

async function pass(
  store: ObjectStore,
  port: number,
  from: IncomingMessage,
  to: ServerResponse,
): Promise<void> {
  const { method = 'GET', url = '/', headers } = from;
  const one: SeenRequest = { method, url, index: store.seen.length, range: headers.range };
  store.seen.push(one);
  const sent: Buffer[] = [];
  for await (const chunk of from) sent.push(chunk as Buffer);
  const fault = (await store.plan?.(one)) ?? null;
  if (fault?.kind === 'answer') {
    const body = `<?xml version="1.0"?><Error><Code>${fault.code}</Code><Message>${fault.code}</Message></Error>`;
    const asked = fault.retryAfter === undefined ? {} : { 'retry-after': String(fault.retryAfter) };
    to.writeHead(fault.status, { 'content-type': 'application/xml', ...asked });
    to.end(method === 'HEAD' ? undefined : body);
    return;
  }
  const answer = await new Promise<IncomingMessage>((resolve, reject) => {
    const onward = request({ host: '127.0.0.1', port, method, path: url, headers }, resolve);
    onward.on('error', reject);
    onward.end(Buffer.concat(sent));
  });
  const parts: Buffer[] = [];
  for await (const chunk of answer) parts.push(chunk as Buffer);
  const body = Buffer.concat(parts);
  if (fault?.kind === 'lose') {
    to.destroy();
    return;
  }
  const said = { ...answer.headers };
  delete said['transfer-encoding'];
  if (method !== 'HEAD') said['content-length'] = String(body.length);
  if (fault?.kind === 'truncate') said['content-length'] = String(Math.min(fault.after, body.length));
  to.writeHead(answer.statusCode ?? 500, said);
  if (fault === null) {
    to.end(body);
  } else if (fault.kind === 'drip') {
    for (let at = 0; at < body.length; at += fault.bytes) {
      to.write(body.subarray(at, at + fault.bytes));
      await new Promise((resolve) => setTimeout(resolve, fault.pause));
    }
    to.end();
  } else {
    const part = body.subarray(0, fault.after);
    if (fault.kind === 'truncate') to.end(part);
    else to.write(part, () => fault.kind === 'reset' && to.socket?.destroy());
  }
}
