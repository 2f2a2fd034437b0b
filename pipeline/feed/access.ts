import { createHash, timingSafeEqual } from 'node:crypto';
import { isIP } from 'node:net';
import type { FastifyInstance } from 'fastify';
import { UsageError } from '../errors.ts';
import { Refusal } from './refusal.ts';

/** Who may ask. */
export interface AccessOptions {
  readonly host: string;
  readonly token?: string | undefined;
  /** Paths that need no token. */
  readonly open: readonly string[];
}

/** Whether an address is this machine's own. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'));
}

/**
 * Lets in whoever has the token; on a loopback address without a token whoever addresses it as such, so that no page
 * in a browser comes in under another name. Throws a {@link UsageError} for another address without a token.
 */
export function guardAccess(app: FastifyInstance, { host, token, open }: AccessOptions): void {
  if (token !== undefined && token.length < 8)
    throw new UsageError('--token: at least 8 characters are expected');
  if (token === undefined && !isLoopback(host)) {
    throw new UsageError(`--host ${host}: others can reach that address, so --token is needed`);
  }
  const digest = (text: string) => createHash('sha256').update(text).digest();
  const wanted = token === undefined ? null : digest(`Bearer ${token}`);
  app.addHook('onRequest', async (request, reply) => {
    reply.header('x-content-type-options', 'nosniff');
    const named = (request.headers.host ?? '').replace(/:\d+$/, '').replace(/^\[(.*)\]$/, '$1');
    if (isLoopback(host) && !isLoopback(named)) {
      throw new Refusal(
        403,
        `this feed is at ${host}, and is not ${named.slice(0, 80) || 'without a Host header'}`,
      );
    }
    if (request.headers.origin !== undefined) throw new Refusal(403, 'pages in browsers may not ask a feed');
    if (wanted === null || open.includes(request.url.split('?')[0] ?? '')) return;
    if (!timingSafeEqual(digest(request.headers.authorization ?? ''), wanted)) {
      reply.header('www-authenticate', 'Bearer');
      throw new Refusal(401, 'a bearer token is needed: send Authorization: Bearer TOKEN');
    }
  });
}
