import { setTimeout as delay } from 'node:timers/promises';
import { S3Client, type S3ClientConfig } from '@aws-sdk/client-s3';
import pRetry from 'p-retry';
import { rememberSecret } from '../redact.ts';
import { StorageError } from './errors.ts';
import type { StorageSettings } from './settings.ts';

/** What a request is handed to be broken off by, and to say by that bytes have come. */
export interface Watch {
  readonly signal: AbortSignal;
  alive(): void;
}

/** Requests to an object store, repeated with growing waits where what failed may pass. */
export interface S3Requests {
  /**
   * Makes a request for an object. `about` names it in errors, with the range where there is one. Throws a
   * {@link StorageError} once the retries are used up, or at once where none would help. `sending` is how many bytes
   * go out, in which time nothing comes.
   */
  run<T>(
    about: string,
    request: (client: S3Client, watch: Watch) => Promise<T>,
    sending?: number,
  ): Promise<T>;
  close(): void;
}

/** A body that ended early, or an answer that can't be right: asked for again. */
export class BrokenAnswer extends Error {
  override readonly name = 'BrokenAnswer';
}

/** What a line must carry for an upload not to count as broken. */
const leastBytesPerSecond = 256 * 1024;
const longestWait = 20_000;
/** Stores may ask for a longer wait than ours would be; to this much they are listened to. */
const longestAskedWait = 60_000;

/** Reaches a store by the settings; where they are silent, by the SDK's own rules. */
export function createS3Requests(settings: StorageSettings): S3Requests {
  const client = createClient(settings);
  return {
    async run(about, request, sending = 0) {
      const patience = (settings.timeout + sending / leastBytesPerSecond) * 1000;
      let attempts = 0;
      try {
        return await pRetry(
          async () => {
            attempts += 1;
            await rememberCredentials(client);
            return watched(patience, (watch) => request(client, watch));
          },
          {
            retries: settings.retries,
            minTimeout: settings.firstWait * 1000,
            maxTimeout: longestWait,
            factor: 2,
            randomize: true,
            shouldRetry: ({ error }) => mayPass(error),
            async onFailedAttempt({ error, retriesLeft }) {
              if (retriesLeft > 0 && mayPass(error)) await delay(askedWait(error));
            },
          },
        );
      } catch (error) {
        throw problemOf(about, error, attempts);
      }
    },
    close: () => client.destroy(),
  };
}

function createClient({ endpoint, region, pathStyle }: StorageSettings): S3Client {
  // It warns of versions to come, in every process.
  process.env.AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED ??= 'true';
  const given = endpoint ?? process.env.AWS_ENDPOINT_URL_S3 ?? process.env.AWS_ENDPOINT_URL;
  const config: S3ClientConfig = {
    // Retries are ours: the SDK's don't cover bodies that break.
    maxAttempts: 1,
    forcePathStyle: pathStyle ?? given !== undefined,
    ...(endpoint === undefined ? {} : { endpoint }),
  };
  if (region !== undefined) config.region = region;
  // Most compatible stores have no regions, but the SDK wants one to sign with.
  else if (given !== undefined && !process.env.AWS_REGION && !process.env.AWS_PROFILE)
    config.region = 'us-east-1';
  return new S3Client(config);
}

/** Whatever the SDK's chain came upon is hidden from here on: it renews what expires. */
async function rememberCredentials(client: S3Client): Promise<void> {
  const { accessKeyId, secretAccessKey, sessionToken } = await client.config.credentials();
  for (const secret of [accessKeyId, secretAccessKey, sessionToken]) rememberSecret(secret);
}

/** Breaks a request off when it has shown no sign of life for so long. */
async function watched<T>(milliseconds: number, request: (watch: Watch) => Promise<T>): Promise<T> {
  const stop = new AbortController();
  const why = new BrokenAnswer(`nothing came for ${Math.round(milliseconds / 100) / 10} s`);
  const timer = setTimeout(() => stop.abort(why), milliseconds);
  try {
    return await request({ signal: stop.signal, alive: () => timer.refresh() });
  } catch (error) {
    throw stop.signal.aborted ? why : error;
  } finally {
    clearTimeout(timer);
  }
}

interface SdkError {
  readonly name?: string;
  readonly message?: string;
  readonly code?: string;
  readonly $metadata?: { readonly httpStatusCode?: number };
  readonly $response?: { readonly headers?: Readonly<Record<string, string>> };
}

const passingCodes = new Set([
  'ECONNRESET',
  'ECONNREFUSED',
  'ECONNABORTED',
  'EPIPE',
  'ETIMEDOUT',
  'EAI_AGAIN',
  'ENOTFOUND',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ERR_STREAM_PREMATURE_CLOSE',
]);
const passingNames = new Set([
  'SlowDown',
  'Throttling',
  'ThrottlingException',
  'TooManyRequestsException',
  'RequestTimeout',
  'RequestTimeTooSkewed',
  'TimeoutError',
  'InternalError',
  'ServiceUnavailable',
  'IncompleteBody',
  'BadDigest',
]);

/** Whether what failed may succeed when it is asked for again. */
export function mayPass(error: unknown): boolean {
  if (error instanceof BrokenAnswer) return true;
  if (error instanceof StorageError) return false;
  const { name = '', code = '', message = '', $metadata } = error as SdkError;
  const status = $metadata?.httpStatusCode ?? 0;
  if (passingNames.has(name) || passingCodes.has(code)) return true;
  if (status === 429 || status === 408 || status >= 500) return true;
  // Sockets that close within an answer have no code of their own.
  return status < 300 && /socket hang up|aborted|premature close|terminated|parse error/i.test(message);
}

/** Milliseconds that a store asked to be left in peace for, by an error's `Retry-After`; a minute at the most. */
export function askedWait(error: unknown): number {
  const asked = Number((error as SdkError).$response?.headers?.['retry-after'] ?? 0);
  return Number.isFinite(asked) ? Math.min(longestAskedWait, Math.max(0, asked * 1000)) : 0;
}

/** The HTTP status that an error stands for; 0 where there was no answer. */
export const statusOf = (error: unknown): number => (error as SdkError).$metadata?.httpStatusCode ?? 0;

/** What a request's last error means for the one who waits for it. The SDK's own, which holds headers, goes no further. */
function problemOf(about: string, error: unknown, attempts: number): StorageError {
  if (error instanceof StorageError) return error;
  const { name = 'Error', message = String(error) } = error as SdkError;
  const status = statusOf(error);
  // The answer to a HEAD has no body to say more in.
  const words = [name, message].filter((word) => !/^Unknown(Error)?$/.test(word));
  const said = [...new Set(words), status > 0 ? `(HTTP ${status})` : ''].join(' ').trim();
  if (status === 412) return changed(about);
  if (status === 404 || name === 'NoSuchKey' || name === 'NotFound') {
    const what = name === 'NoSuchBucket' ? 'there is no such bucket' : 'there is no such object';
    return new StorageError('missing', `${about}: ${what}: put it back and go on`);
  }
  if (status === 401 || status === 403 || /credential/i.test(name)) {
    const check =
      "check the credentials (AWS_PROFILE, AWS_ACCESS_KEY_ID or the machine's role) and the policy";
    return new StorageError('denied', `${about}: access is denied: ${said}: ${check}`);
  }
  if (mayPass(error)) {
    const advice = 'go on when the storage is well, or raise storage.retries or storage.timeout';
    return new StorageError(
      'unavailable',
      `${about}: no answer in ${attempts} attempts, last ${said}: ${advice}`,
    );
  }
  return new StorageError('failed', `${about}: ${said}: check storage.endpoint, region and the bucket`);
}

/** An object that is another than the one that was opened. */
export function changed(about: string): StorageError {
  return new StorageError('changed', `${about}: the object was replaced while it was read: run it again`);
}
