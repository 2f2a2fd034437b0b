import { createHash, timingSafeEqual } from 'node:crypto';
import { hostname } from 'node:os';
import fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import { UsageError } from '../errors.ts';

/** Who may ask a server of this program. */
export interface GuardOptions {
  /** The address or the name that the server binds to. */
  readonly host: string;
  /** What callers must know; needed unless the server binds to a loopback address. */
  readonly token?: string | undefined;
  /** Further names by which the server is called, as behind a proxy. */
  readonly names?: readonly string[];
  /** The Content-Security-Policy of answers; that of {@link strictPolicy} unless told. */
  readonly contentSecurityPolicy?: string;
  /** The largest body of a request, in bytes; 1 MiB unless told. */
  readonly bodyLimit?: number;
}

/** What the judgement of a request hangs on. */
export interface RequestFacts {
  readonly method: string;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  /** The token of the query string, where a page is opened by a link. */
  readonly queryToken?: string | undefined;
  /** The address at which the request came in. */
  readonly localAddress: string;
}

/** Why a request isn't answered. */
export interface Refusal {
  readonly status: 401 | 403;
  readonly error: string;
}

/** Nothing from anywhere but the server itself, no inline script or style, no markup made of strings, no frames. */
export const strictPolicy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' blob:",
  "connect-src 'self'",
  "manifest-src 'none'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'",
  "trusted-types 'none'",
].join('; ');

const shortestToken = 16;
const cookieName = 'assay_token';

/** Whether an address or a name is this machine's own, which no other machine can reach. */
export function isLoopback(host: string): boolean {
  const name = plainName(host);
  return name === 'localhost' || name === '::1' || /^127(\.\d{1,3}){3}$/.test(name);
}

/**
 * Holds that a server that other machines can reach has a token. Throws a {@link UsageError} when it has none, or one
 * that can be guessed.
 */
export function checkBinding({ host, token }: Pick<GuardOptions, 'host' | 'token'>): void {
  if (token === undefined && !isLoopback(host)) {
    throw new UsageError(
      `--host ${host}: other machines could read the data: give a --token (or ASSAY_TOKEN) that they must know, such as from: openssl rand -hex 16`,
    );
  }
  if (token !== undefined && (token.length < shortestToken || !/^[\w.~+/=-]+$/.test(token))) {
    throw new UsageError(
      `--token: at least ${shortestToken} letters, digits or - . _ ~ + / =, such as from: openssl rand -hex 16`,
    );
  }
}

/**
 * Judges a request: by its Host header, so that a page whose name was pointed here (DNS rebinding) reads nothing; by
 * its Origin and Sec-Fetch-Site headers, so that no other site's page asks in a visitor's name; by its token.
 */
export function judgeRequest(facts: RequestFacts, options: GuardOptions): Refusal | null {
  const host = headerOf(facts, 'host');
  if (host === undefined || !isOwnName(host, facts, options)) {
    return { status: 403, error: 'this server is not called by that name (Host)' };
  }
  const origin = headerOf(facts, 'origin');
  if (origin !== undefined && origin !== `http://${host}` && origin !== `https://${host}`) {
    return { status: 403, error: 'pages of other origins are not answered (Origin)' };
  }
  const site = headerOf(facts, 'sec-fetch-site') ?? 'none';
  if (site !== 'none' && site !== 'same-origin' && !isLinkFollowed(facts)) {
    return { status: 403, error: 'pages of other sites are not answered (Sec-Fetch-Site)' };
  }
  const { token } = options;
  if (token === undefined) return null;
  const given = [bearerOf(facts), facts.queryToken];
  const isKnown =
    given.some((value) => value !== undefined && isSame(value, token)) ||
    isSame(cookieOf(facts) ?? '', cookieValue(token));
  return isKnown
    ? null
    : { status: 401, error: 'a token is needed: Authorization: Bearer TOKEN, or ?token=TOKEN' };
}

/** The headers that every answer carries. */
export function securityHeaders(policy: string = strictPolicy): Readonly<Record<string, string>> {
  return {
    'content-security-policy': policy,
    'x-content-type-options': 'nosniff',
    'x-frame-options': 'DENY',
    'referrer-policy': 'no-referrer',
    'cross-origin-resource-policy': 'same-origin',
    'cross-origin-opener-policy': 'same-origin',
    'permissions-policy': 'camera=(), geolocation=(), microphone=(), payment=(), usb=()',
    'cache-control': 'no-store',
  };
}

/**
 * Puts the guard before every route of a server, those that don't exist among them. A page that is opened with
 * `?token=` is answered by a cookie and by the same address without it.
 */
export function addGuard(app: FastifyInstance, options: GuardOptions): void {
  checkBinding(options);
  const headers = securityHeaders(options.contentSecurityPolicy);
  app.addHook('onRequest', async (request, reply) => {
    reply.headers(headers);
    const facts = factsOf(request);
    const refusal = judgeRequest(facts, options);
    if (refusal !== null) return refuse(reply, refusal);
    const { token } = options;
    const opensPage = request.method === 'GET' && (headerOf(facts, 'accept') ?? '').includes('text/html');
    if (token !== undefined && facts.queryToken !== undefined && opensPage) {
      // Lax: a link that was sent by mail still opens. What asks in a visitor's name is refused by its Origin.
      const cookie = `${cookieName}=${cookieValue(token)}; Path=/; HttpOnly; SameSite=Lax`;
      const url = new URL(request.url, 'http://localhost');
      url.searchParams.delete('token');
      // A path of two slashes would be another host's.
      const path = url.pathname.replace(/^\/+/, '/');
      return reply.header('set-cookie', cookie).redirect(`${path}${url.search}`, 303);
    }
  });
}

/**
 * A server with the guard and with limits: on bodies, on the time that a request may take to come, and errors that
 * tell callers nothing of the inside. `report` is told of what was not a caller's mistake.
 */
export function createGuardedServer(
  options: GuardOptions,
  report: (error: Error) => void = () => {},
): FastifyInstance {
  const app = fastify({
    bodyLimit: options.bodyLimit ?? 1024 * 1024,
    requestTimeout: 30_000,
    keepAliveTimeout: 10_000,
    forceCloseConnections: true,
    routerOptions: { maxParamLength: 2048 },
    // What can't be routed at all passes by the hooks.
    frameworkErrors: (_error, _request, reply) =>
      refuse(reply.headers(securityHeaders(options.contentSecurityPolicy)), {
        status: 400,
        error: 'the address is malformed',
      }),
  });
  app.server.maxHeadersCount = 64;
  app.server.headersTimeout = 10_000;
  addGuard(app, options);
  app.setNotFoundHandler((_request, reply) => refuse(reply, { status: 404, error: 'there is nothing here' }));
  app.setErrorHandler((error: Error & { readonly statusCode?: number }, _request, reply) => {
    const status = error.statusCode ?? 500;
    if (status < 500) return refuse(reply, { status, error: error.message });
    report(error);
    return refuse(reply, { status: 500, error: 'something went wrong: see the log of the server' });
  });
  return app;
}

function refuse(reply: FastifyReply, { status, error }: { readonly status: number; readonly error: string }) {
  if (status === 401) reply.header('www-authenticate', 'Bearer');
  return reply.code(status).header('content-type', 'application/json; charset=utf-8').send({ error });
}

function factsOf(request: FastifyRequest): RequestFacts {
  const token = new URLSearchParams(request.url.split('?')[1] ?? '').get('token');
  return {
    method: request.method,
    headers: request.headers,
    queryToken: token ?? undefined,
    localAddress: request.socket.localAddress ?? '',
  };
}

/** A name that no foreign page can have: the loopback's, the one bound to, the address asked at, the machine's. */
function isOwnName(host: string, { localAddress }: RequestFacts, options: GuardOptions): boolean {
  if (!/^(\[[\da-fA-F:.]+\]|[\w.-]+)(:\d{1,5})?$/.test(host)) return false;
  const name = plainName(host);
  if (isLoopback(name)) return true;
  if ((options.names ?? []).some((own) => plainName(own) === name)) return true;
  if (isLoopback(options.host)) return false;
  return [options.host, localAddress.replace(/^::ffff:/, ''), hostname()].some(
    (own) => plainName(own) === name,
  );
}

/** A host without port and brackets, in small letters. */
function plainName(host: string): string {
  const bracketed = /^\[(.*)\](:\d+)?$/.exec(host);
  if (bracketed) return (bracketed[1] ?? '').toLowerCase();
  return (host.split(':').length === 2 ? host.replace(/:\d+$/, '') : host).toLowerCase();
}

/** A link on another site's page may be followed here: nothing is shown to that page. */
function isLinkFollowed(facts: RequestFacts): boolean {
  const [mode, destination] = [headerOf(facts, 'sec-fetch-mode'), headerOf(facts, 'sec-fetch-dest')];
  return facts.method === 'GET' && mode === 'navigate' && destination === 'document';
}

function headerOf({ headers }: Pick<RequestFacts, 'headers'>, name: string): string | undefined {
  const value = headers[name];
  return Array.isArray(value) ? value.join(', ') : value;
}

function bearerOf(facts: RequestFacts): string | undefined {
  return /^Bearer (\S+)$/i.exec(headerOf(facts, 'authorization') ?? '')?.[1];
}

function cookieOf(facts: RequestFacts): string | undefined {
  const pairs = (headerOf(facts, 'cookie') ?? '').split(/; */);
  return pairs.find((pair) => pair.startsWith(`${cookieName}=`))?.slice(cookieName.length + 1);
}

/** What a browser keeps isn't the token itself. */
function cookieValue(token: string): string {
  return createHash('sha256').update(`assay cookie ${token}`).digest('hex');
}

/** In a time that tells nothing of where they differ. */
function isSame(given: string, expected: string): boolean {
  const digest = (text: string) => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(given), digest(expected));
}
