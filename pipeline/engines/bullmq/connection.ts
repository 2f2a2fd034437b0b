import { setTimeout as delay } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { redact, rememberSecret } from '../../../schemas/redact.ts';
import { UsageError } from '../../errors.ts';

/** How Redis is reached: options for ioredis, and a name that may be shown. */
export interface RedisConnection {
  readonly options: {
    readonly host: string;
    readonly port: number;
    readonly username?: string;
    readonly password?: string;
    readonly db?: number;
    readonly tls?: object;
    readonly maxRetriesPerRequest: null;
    readonly retryStrategy: (tries: number) => number;
  };
  /** The URL without its user and password. */
  readonly name: string;
}

const patienceMs = 5_000;

/** The variable that a Redis URL is taken from where no flag gives one: flags are seen by everyone on a machine. */
export const redisVariable = 'ASSAY_REDIS';

/** The Redis that a flag, or else the variable, names; null where neither does. Throws a {@link UsageError} as {@link redisConnection} does. */
export function givenRedis(flag: string | undefined): RedisConnection | null {
  const url = flag ?? process.env[redisVariable];
  return url === undefined || url === '' ? null : redisConnection(url);
}

/** As {@link givenRedis}, where there must be one. */
export function requiredRedis(flag: string | undefined): RedisConnection {
  const redis = givenRedis(flag);
  if (redis === null) throw new UsageError(`--redis: required (or ${redisVariable}): where Redis is`);
  return redis;
}

/**
 * How the Redis of a URL (`redis://user:password@host:port/database`, `rediss://` over TLS) is reached. Its user and
 * password are remembered as secrets from here on. Throws a {@link UsageError} when it isn't such a URL.
 */
export function redisConnection(text: string): RedisConnection {
  const url = URL.canParse(text) ? new URL(text) : null;
  const [username, password] = [decoded(url?.username), decoded(url?.password)];
  if (
    url === null ||
    username === null ||
    password === null ||
    !['redis:', 'rediss:'].includes(url.protocol) ||
    url.hostname === ''
  ) {
    // What isn't a URL can't be shown without its password: nobody knows where that ends.
    throw new UsageError(
      '--redis: a URL such as redis://:password@localhost:6379 is expected, and was not given; in a password / ? # @ % are %2F %3F %23 %40 %25',
    );
  }
  rememberSecret(password);
  const database = url.pathname.replace(/^\//, '');
  if (!/^\d{0,5}$/.test(database)) {
    throw new UsageError(`--redis: the database is a number, not ${redact(database)}`);
  }
  const [host, port] = [url.hostname.replace(/^\[|\]$/g, ''), Number(url.port || 6379)];
  return {
    name: `${url.protocol}//${url.host}${url.pathname.replace(/^\/$/, '')}`,
    options: {
      host,
      port,
      ...(username === '' ? {} : { username }),
      ...(password === '' ? {} : { password }),
      ...(database === '' ? {} : { db: Number(database) }),
      ...(url.protocol === 'rediss:' ? { tls: {} } : {}),
      // A Redis that is gone comes back: what is asked of it waits.
      maxRetriesPerRequest: null,
      retryStrategy: (tries: number) => Math.min(2_000, 100 * tries),
    },
  };
}

/** A part of a URL as it is meant; null where it is malformed. */
function decoded(part = ''): string | null {
  try {
    return decodeURIComponent(part);
  } catch {
    return null;
  }
}

/** Throws a {@link UsageError} when a Redis doesn't answer within 5 s, or refuses: before a run waits for it. */
export async function assertAnswers({ options, name }: RedisConnection): Promise<void> {
  const redis = new Redis({
    ...options,
    lazyConnect: true,
    connectTimeout: patienceMs,
    maxRetriesPerRequest: 0,
    retryStrategy: () => null,
  });
  let heard: Error | null = null;
  redis.on('error', (error) => {
    heard = error;
  });
  try {
    const answering = redis.connect().then(() => redis.ping());
    // What listens and says nothing is no Redis either.
    const late = delay(patienceMs, undefined, { ref: false }).then(() => {
      throw new Error(`nothing within ${patienceMs / 1000} s`);
    });
    await Promise.race([answering, late]);
  } catch (error) {
    const why = redact((heard ?? (error as Error)).message);
    throw new UsageError(`--redis: ${name} does not answer (${why}): start it, or name another`);
  } finally {
    redis.disconnect();
  }
}
