import { createHash, type Hash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, open, rename, rm, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { pipeline } from 'node:stream/promises';
import pRetry from 'p-retry';
import { type HubFile, type HubOptions, request } from './repository.ts';

/**
 * Downloads a file to `path`. What an earlier try left (`path`.part) is gone on from; the file appears under its name
 * once its size and its hash are those that the hub gave. Throws one line when they aren't, after the part is deleted.
 */
export async function downloadFile(
  url: string,
  file: HubFile,
  path: string,
  options: HubOptions,
  onBytes: (bytes: number) => void,
): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  const part = `${path}.part`;
  await pRetry(() => fetchPart(url, file, part, options, onBytes), {
    retries: options.retries ?? 4,
    minTimeout: 500,
    factor: 2,
    signal: options.signal,
    // A connection that breaks is tried again; an answer that is wrong isn't.
    shouldRetry: ({ error }) => !(error instanceof WrongFile),
  });
  const { kind, value } = file.digest;
  const hash = kind === 'sha256' ? createHash('sha256') : createHash('sha1').update(`blob ${file.bytes}\0`);
  const found = await digestOf(part, hash);
  if (found !== value) {
    await rm(part);
    throw new Error(`${url}: its ${kind} hash is ${found}, and the hub says ${value}: try again`);
  }
  await rename(part, path);
}

/** An answer that no further try would make right. */
class WrongFile extends Error {}

async function fetchPart(
  url: string,
  { bytes }: HubFile,
  part: string,
  options: HubOptions,
  onBytes: (bytes: number) => void,
): Promise<void> {
  let there = (await stat(part).catch(() => null))?.size ?? 0;
  if (there > bytes) {
    await rm(part);
    there = 0;
  }
  if (there === bytes && bytes > 0) return onBytes(bytes);
  const headers: Record<string, string> = there > 0 ? { range: `bytes=${there}-` } : {};
  const response = await request(url, headers, { ...options, retries: 0 });
  // A server that knows no ranges sends the whole.
  if (response.status !== 206) there = 0;
  const output = await open(part, there > 0 ? 'a' : 'w');
  try {
    let written = there;
    onBytes(written);
    for await (const chunk of response.body ?? []) {
      written += chunk.length;
      if (written > bytes) throw new WrongFile(`${url}: more than the ${bytes} bytes that the hub says`);
      await output.writeFile(chunk);
      onBytes(written);
    }
    if (written < bytes) throw new Error(`${url}: it ended after ${written} of ${bytes} bytes`);
    await output.sync();
  } finally {
    await output.close();
  }
}

async function digestOf(path: string, hash: Hash): Promise<string> {
  await pipeline(createReadStream(path), hash);
  return hash.digest('hex');
}
