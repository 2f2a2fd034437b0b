import { execFile } from 'node:child_process';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { inspect, promisify } from 'node:util';
import fc from 'fast-check';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { parseConfig } from '../../pipeline/config.ts';
import { writeJson } from '../../pipeline/run-folder.ts';
import { redact, rememberSecret } from '../../schemas/redact.ts';
import { StorageError } from '../../schemas/storage/errors.ts';
import { createS3Storage } from '../../schemas/storage/s3-storage.ts';
import type { Storage } from '../../schemas/storage/storage.ts';
import { collect, temporaryFolder, writeSource } from '../support.ts';
import { bucket, credentials, type ObjectStore, settingsFor, startObjectStore } from './object-store.ts';

const program = new URL('../../pipeline/cli/assay.js', import.meta.url).pathname;
const execute = promisify(execFile);
const password = 'pa55word-in-a-url';
const secrets = [...Object.values(credentials), password];

let folder: string;
let store: ObjectStore;
let behind: Storage;

beforeAll(async () => {
  folder = await temporaryFolder();
  store = await startObjectStore();
  behind = createS3Storage(settingsFor({ endpoint: store.behind }));
  await writeSource(join(folder, 'a.parquet'), [{ key: 'one', altTexts: ['a red apple on a plate'] }]);
  await behind.put(`s3://${bucket}/in/a.parquet`, await readFile(join(folder, 'a.parquet')));
});
beforeEach(() => {
  store.plan = null;
});
afterAll(async () => {
  await behind.close();
  await store.stop();
});

function expectNoSecret(text: string): void {
  for (const secret of secrets) {
    for (const form of [secret, encodeURIComponent(secret), JSON.stringify(secret).slice(1, -1)]) {
      expect(text.includes(form)).toBe(false);
    }
  }
}

async function assay(...args: string[]): Promise<{ code: number; text: string }> {
  const options = { cwd: folder, env: { ...process.env, ASSAY_LOG: 'trace' } };
  try {
    const { stdout, stderr } = await execute(process.execPath, [program, ...args], options);
    return { code: 0, text: stdout + stderr };
  } catch (error) {
    const { code = 1, stdout, stderr } = error as { code?: number; stdout: string; stderr: string };
    return { code, text: stdout + stderr };
  }
}

async function recipe(name: string, more: object, shards = `s3://${bucket}/in/`): Promise<string> {
  const storage = { endpoint: store.endpoint, retries: 1, firstWait: 0.01, ...more };
  await writeFile(join(folder, name), JSON.stringify({ input: { shards }, storage }));
  return name;
}

describe('secrets', () => {
  it('are in nothing that a run on an object store leaves, here or there', async () => {
    const config = await recipe('run.yaml', {});
    const { code, text } = await assay('curate', '--config', config, '--out', `s3://${bucket}/run`, '--json');
    expect(code).toBe(0);
    expect(text).toContain(`published to s3://${bucket}/run`);
    expectNoSecret(text);
    const made = (await readdir(join(folder, '.assay'), { recursive: true, withFileTypes: true })).filter(
      (one) => one.isFile(),
    );
    expect(made.map(({ name }) => name)).toContain('manifest.json');
    for (const { parentPath, name } of made) expectNoSecret(await readFile(join(parentPath, name), 'latin1'));
    const there = await collect(behind.list(`s3://${bucket}/run/`));
    const isWork = ({ parentPath }: { parentPath: string }) => /[/\\]work([/\\]|$)/.test(parentPath);
    expect(there.length).toBe(made.filter((one) => !isWork(one)).length);
    for (const { location } of there) {
      expectNoSecret(Buffer.concat(await collect(behind.stream(location))).toString('latin1'));
    }
  });

  it('are in no message of a run that fails, whatever the storage answers', async () => {
    // A store that says what it was sent, as some do when signatures don't match.
    store.plan = () => ({
      kind: 'answer',
      status: 403,
      code: `SignatureDoesNotMatch ${credentials.AWS_ACCESS_KEY_ID}`,
    });
    const denied = await assay('curate', '--config', await recipe('denied.yaml', {}), '--out', 'denied');
    expect(denied.code).toBe(1);
    expect(denied.text).toMatch(/access is denied/);
    expectNoSecret(denied.text);
  });

  it('have no place in URLs, and are not repeated where they are put there', async () => {
    const inShards = await recipe('user.yaml', {}, `s3://someone:${password}@${bucket}/in/`);
    const { code, text } = await assay('curate', '--config', inShards, '--out', 'refused');
    expect(code).toBe(2);
    expect(text).toMatch(/input.shards: s3:/);
    expectNoSecret(text);
    const endpoint = `http://someone:${password}@127.0.0.1:1`;
    expect(() => parseConfig(JSON.stringify({ storage: { endpoint } }), 'a.yaml')).toThrow(
      /^(?!.*pa55word).*storage.endpoint: .*without credentials/,
    );
  });

  it.each(['/', '?', '#'])('are hidden where no URL can have them: in a password with a %s', (letter) => {
    const secret = `pa${letter}55word`;
    for (const user of ['', 'someone']) {
      expect(redact(`s3://${user}:${secret}@bucket/in: no such bucket`)).toBe(
        's3://[secret]@bucket/in: no such bucket',
      );
    }
    for (const plain of [
      's3://bucket/a:b@2x.parquet',
      'http://localhost:9000/@x',
      'redis://host:6379 a@b.c',
    ]) {
      expect(redact(plain)).toBe(plain);
    }
  });

  it('are in no error of the storage, printed with all that hangs on it', async () => {
    const storage = createS3Storage(settingsFor(store, { retries: 0 }));
    for (const status of [400, 403, 404, 412, 503]) {
      store.plan = () => ({ kind: 'answer', status, code: `Code ${credentials.AWS_SECRET_ACCESS_KEY}` });
      const error = await storage.put(`s3://${bucket}/x`, Buffer.from('x')).catch((failure) => failure);
      expect(error).toBeInstanceOf(StorageError);
      expectNoSecret(inspect(error, { depth: 20, showHidden: true }));
    }
    await storage.close();
  });

  it('are hidden in every text that is written as JSON', async () => {
    await mkdir(join(folder, 'json'));
    const path = join(folder, 'json', 'manifest.json');
    const url = `redis://:${password}@host:6379/0`;
    await writeJson(path, { config: { url, key: credentials.AWS_SECRET_ACCESS_KEY } });
    expectNoSecret(await readFile(path, 'utf8'));
    expect(await readFile(path, 'utf8')).toContain('redis://[secret]@host:6379/0');
  });
});

describe('hiding secrets', () => {
  it('leaves every other text as it is', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        fc.pre(!/:\/\/|[?&]x-amz|[?&]signature|[?&]awsaccess/i.test(text));
        expect(redact(text)).toBe(text);
      }),
    );
    for (const text of ['https://example.org/@user/a?b=c', 'a@b.c', 's3://bucket/a@b', 'mailto://']) {
      expect(redact(text)).toBe(text);
    }
    rememberSecret('short');
    expect(redact('a short text')).toBe('a short text');
  });

  it('takes out users, signatures and remembered values', () => {
    rememberSecret('remembered/secret+1');
    expect(redact('x remembered/secret+1 y remembered%2Fsecret%2B1')).toBe('x [secret] y [secret]');
    expect(redact('rediss://user:p@ss:word@host/1 and http://u@h')).toBe(
      'rediss://[secret]@host/1 and http://[secret]@h',
    );
    expect(redact('https://b/k?X-Amz-Credential=A%2Fb&X-Amz-Signature=0f&x=1')).toBe(
      'https://b/k?X-Amz-Credential=[secret]&X-Amz-Signature=[secret]&x=1',
    );
  });

  it('takes no longer for texts made to be slow', () => {
    // One pass over a text is a matter of milliseconds; a quadratic one of this length would not end.
    for (const text of ['://'.repeat(300_000), '?x-amz-'.repeat(300_000), `://${'a'.repeat(2_000_000)}`]) {
      expect(redact(text)).toBe(text);
    }
  });
});

describe('settings of the storage', () => {
  it('name no credentials', () => {
    for (const key of ['accessKeyId', 'secretAccessKey', 'credentials', 'sessionToken']) {
      expect(() => parseConfig(`storage: {${key}: x}`, 'a.yaml')).toThrow(
        `a.yaml: unknown key storage.${key}`,
      );
    }
  });

  it('take sizes as people write them', () => {
    const { storage } = parseConfig(
      'storage: {cache: {bytes: 1GiB, folder: c}, partBytes: 16 MiB}',
      'a.yaml',
    );
    expect(storage).toMatchObject({
      cache: { bytes: 1024 ** 3, folder: 'c' },
      partBytes: 16 * 1024 ** 2,
      retries: 10,
    });
    expect(() => parseConfig('storage: {partBytes: 1MiB}', 'a.yaml')).toThrow(/storage.partBytes.*5MiB/);
  });
});

describe('a run that goes to an object store', () => {
  it('goes there when it is resumed, where it could not be published', async () => {
    const config = await recipe('resumed.yaml', {});
    store.plan = ({ method }) =>
      method === 'PUT' ? { kind: 'answer', status: 503, code: 'SlowDown' } : null;
    const failed = await assay('curate', '--config', config, '--out', `s3://${bucket}/resumed`);
    expect(failed.code).toBe(1);
    const [, run = ''] = /assay resume (\S+?)["\s]/.exec(failed.text) ?? [];
    expect(run).toMatch(/^\.assay\//);
    store.plan = null;
    expect(await behind.stat(`s3://${bucket}/resumed/manifest.json`)).toBeNull();
    expect((await assay('resume', run)).code).toBe(0);
    expect(await behind.stat(`s3://${bucket}/resumed/manifest.json`)).not.toBeNull();
  });
});
