import type { FastifyInstance } from 'fastify';
import { afterEach, describe, expect, it } from 'vitest';
import { UsageError } from '../../pipeline/errors.ts';
import {
  checkBinding,
  createGuardedServer,
  type GuardOptions,
  isLoopback,
  judgeRequest,
} from '../../pipeline/http/guard.ts';

const token = '0123456789abcdef0123';
const local: GuardOptions = { host: '127.0.0.1' };
const open: GuardOptions = { host: '0.0.0.0', token };

const judge = (headers: Record<string, string>, options: GuardOptions = local, queryToken?: string) =>
  judgeRequest({ method: 'GET', headers, queryToken, localAddress: '10.1.2.3' }, options)?.status ?? 200;

describe('binding', () => {
  it('needs a token that cannot be guessed where other machines reach the server', () => {
    for (const host of ['127.0.0.1', 'localhost', '::1', '127.8.8.8']) {
      expect(() => checkBinding({ host })).not.toThrow();
    }
    for (const host of ['0.0.0.0', '::', '10.0.0.1', 'example.org', '127.0.0.1.example.org']) {
      expect(isLoopback(host)).toBe(false);
      expect(() => checkBinding({ host })).toThrow(UsageError);
      expect(() => checkBinding({ host, token: 'short' })).toThrow(UsageError);
      expect(() => checkBinding({ host, token })).not.toThrow();
    }
  });
});

describe('the names that a server answers to', () => {
  it('are its own, with any port', () => {
    for (const host of ['127.0.0.1:8080', 'localhost', 'LOCALHOST:1', '[::1]:8080']) {
      expect(judge({ host })).toBe(200);
    }
    const bearer = { authorization: `Bearer ${token}` };
    expect(judge({ host: '10.1.2.3:80', ...bearer }, open)).toBe(200);
    expect(judge({ host: 'data.example.org', ...bearer }, { ...open, names: ['data.example.org'] })).toBe(
      200,
    );
  });

  it('are no others', () => {
    const foreign = [
      'evil.example',
      '10.1.2.3',
      'localhost.evil.example',
      'localhost@evil.example',
      '',
      '[::2]',
    ];
    for (const host of foreign) expect(judge({ host })).toBe(403);
    expect(judge({})).toBe(403);
    expect(judge({ host: 'evil.example', authorization: `Bearer ${token}` }, open)).toBe(403);
  });
});

describe('pages of other sites', () => {
  const host = 'localhost:8080';

  it('are refused by their origin', () => {
    expect(judge({ host, origin: 'http://localhost:8080' })).toBe(200);
    for (const origin of ['http://evil.example', 'null', 'http://localhost:9090', 'http://localhost']) {
      expect(judge({ host, origin })).toBe(403);
    }
  });

  it('are refused by what the browser says of them, unless a link is followed', () => {
    expect(judge({ host, 'sec-fetch-site': 'same-origin' })).toBe(200);
    expect(judge({ host, 'sec-fetch-site': 'cross-site', 'sec-fetch-dest': 'image' })).toBe(403);
    expect(judge({ host, 'sec-fetch-site': 'same-site' })).toBe(403);
    const link = { 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'document' };
    expect(judge({ host, 'sec-fetch-site': 'cross-site', ...link })).toBe(200);
    expect(judge({ host, 'sec-fetch-site': 'cross-site', ...link, 'sec-fetch-dest': 'iframe' })).toBe(403);
  });
});

describe('a token', () => {
  const host = 'localhost';

  it('is asked for, also on the loopback address where one is given', () => {
    for (const options of [open, { ...local, token }]) {
      expect(judge({ host }, options)).toBe(401);
      expect(judge({ host, authorization: `Bearer ${token}x` }, options)).toBe(401);
      expect(judge({ host, authorization: `Bearer ${token}` }, options)).toBe(200);
      expect(judge({ host }, options, token)).toBe(200);
      expect(judge({ host }, options, '')).toBe(401);
      expect(judge({ host, cookie: `assay_token=${token}` }, options)).toBe(401);
    }
  });
});

describe('a guarded server', () => {
  let app: FastifyInstance;
  afterEach(() => app.close());

  const server = (options: GuardOptions, report?: (error: Error) => void) => {
    app = createGuardedServer({ bodyLimit: 100, ...options }, report);
    app.get('/', async () => 'page');
    app.post('/', async () => 'taken');
    app.get('/fail', async () => {
      throw new Error('of /secret/path');
    });
    return app;
  };
  const headers = { host: 'localhost' };

  it('answers with headers that keep an active file from running', async () => {
    const answer = await server(local).inject({ url: '/', headers });
    expect(answer.statusCode).toBe(200);
    expect(answer.headers['x-content-type-options']).toBe('nosniff');
    expect(answer.headers['content-security-policy']).toContain("default-src 'none'");
    expect(answer.headers['access-control-allow-origin']).toBeUndefined();
  });

  it('guards what does not exist, and what cannot be routed, as well', async () => {
    server(local);
    for (const url of ['/', '/nothing', '/..%2f..%2fetc/passwd']) {
      const answer = await app.inject({ url, headers: { host: 'evil.example' } });
      expect([url, answer.statusCode]).toEqual([url, 403]);
    }
    const malformed = await app.inject({ url: '/%zz', headers });
    expect(malformed.statusCode).toBe(400);
    expect(malformed.headers['content-security-policy']).toContain("default-src 'none'");
  });

  it('tells callers nothing of the inside, and refuses large bodies', async () => {
    const told: Error[] = [];
    server(local, (error) => told.push(error));
    const failed = await app.inject({ url: '/fail', headers });
    expect([failed.statusCode, failed.body.includes('secret')]).toEqual([500, false]);
    expect(told.map(({ message }) => message)).toEqual(['of /secret/path']);
    const body = 'x'.repeat(101);
    const post = { method: 'POST', url: '/', headers: { ...headers, 'content-type': 'text/plain' } } as const;
    expect((await app.inject({ ...post, body })).statusCode).toBe(413);
    expect((await app.inject({ ...post, body: 'x' })).statusCode).toBe(200);
  });

  it('turns the token of a link into a cookie, and then wants nothing else', async () => {
    server(open);
    const accept = 'text/html';
    expect((await app.inject({ url: '/', headers: { ...headers, accept } })).statusCode).toBe(401);
    const opened = await app.inject({ url: `/?a=1&token=${token}`, headers: { ...headers, accept } });
    expect([opened.statusCode, opened.headers.location]).toEqual([303, '/?a=1']);
    const cookie = String(opened.headers['set-cookie']);
    expect(cookie).toMatch(/HttpOnly; SameSite=Lax$/);
    expect(cookie).not.toContain(token);
    const [pair = ''] = cookie.split(';');
    expect((await app.inject({ url: '/', headers: { ...headers, cookie: pair } })).statusCode).toBe(200);
    const elsewhere = await app.inject({
      url: `//evil.example/?token=${token}`,
      headers: { ...headers, accept },
    });
    expect(elsewhere.headers.location ?? '/').toMatch(/^\/(?!\/)/);
  });
});
