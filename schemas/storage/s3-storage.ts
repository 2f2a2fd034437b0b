import { DeleteObjectCommand, HeadObjectCommand, ListObjectsV2Command } from '@aws-sdk/client-s3';
import picomatch from 'picomatch';
import { isDynamicPattern } from 'tinyglobby';
import { createBlockCache } from './block-cache.ts';
import { type CachedReads, createCachedReads } from './cached-reads.ts';
import { StorageError } from './errors.ts';
import { absoluteLocation, type Location, parseS3 } from './locations.ts';
import { readObjectRange } from './s3-read.ts';
import { createS3Requests, type S3Requests, statusOf } from './s3-requests.ts';
import { createObjectWriter, putObject, sha256Name } from './s3-write.ts';
import type { StorageSettings } from './settings.ts';
import type { ByteSource, ObjectFacts, Storage } from './storage.ts';

/** What a stream asks for at once. */
const streamedBytes = 8 * 1024 * 1024;

/** Objects of any store that speaks S3. */
export function createS3Storage(settings: StorageSettings): Storage {
  const requests = createS3Requests(settings);
  const reads = createCachedReads(createBlockCache(settings.cache), (object, start, length) =>
    readObjectRange(requests, object, start, length),
  );
  const stat = (location: Location) => statObject(requests, absoluteLocation(location));
  const opened = async (location: Location): Promise<ObjectFacts> => {
    const facts = await stat(location);
    if (facts !== null) return facts;
    throw new StorageError('missing', `${location}: there is no such object: put it back and go on`);
  };
  const read = async (facts: ObjectFacts, start: number, length: number) => {
    if (start < 0 || length < 0 || start + length > facts.size) {
      throw new Error(`bytes ${start} to ${start + length} are outside an object of ${facts.size}`);
    }
    return reads.read(facts, start, length);
  };
  return {
    stat,
    list: (pattern) => listObjects(requests, absoluteLocation(pattern)),
    async open(location): Promise<ByteSource> {
      const facts = await opened(location);
      const own = { read: (start: number, length: number) => read(facts, start, length) };
      return {
        path: location,
        size: facts.size,
        version: facts.version,
        ...own,
        open: async () => ({ read: readingAhead(facts, own.read, reads.readAhead), async close() {} }),
      };
    },
    async *stream(location) {
      const facts = await opened(location);
      const piece = (at: number) => {
        const bytes = at < facts.size ? read(facts, at, Math.min(streamedBytes, facts.size - at)) : null;
        bytes?.catch(() => {});
        return bytes;
      };
      // The next piece is on its way while this one is used.
      let next = piece(0);
      for (let at = 0; next !== null; at += streamedBytes) {
        const bytes: Uint8Array<ArrayBuffer> = await next;
        next = piece(at + streamedBytes);
        yield bytes;
      }
    },
    put: (location, bytes, options) => putObject(requests, absoluteLocation(location), bytes, options),
    async create(location, options) {
      return createObjectWriter(requests, absoluteLocation(location), settings.partBytes, options);
    },
    async delete(location) {
      const { bucket, key } = parseS3(location);
      await requests.run(location, (client, { signal }) =>
        client.send(new DeleteObjectCommand({ Bucket: bucket, Key: key }), { abortSignal: signal }),
      );
    },
    async close() {
      requests.close();
    },
  };
}

/** Reads that go through an object from front to back are met by the next of them, once there have been two. */
function readingAhead(
  facts: ObjectFacts,
  read: ByteSource['read'],
  readAhead: CachedReads['readAhead'],
): ByteSource['read'] {
  let end = -1;
  return async (start, length) => {
    const isNext = start === end;
    end = start + length;
    const bytes = await read(start, length);
    if (isNext) readAhead(facts, start + length, length);
    return bytes;
  };
}

async function statObject(requests: S3Requests, location: Location): Promise<ObjectFacts | null> {
  const { bucket, key } = parseS3(location);
  if (key === '' || key.endsWith('/')) return null;
  return requests.run(location, async (client, { signal }) => {
    try {
      const command = new HeadObjectCommand({ Bucket: bucket, Key: key });
      const { ContentLength = 0, ETag = '', Metadata } = await client.send(command, { abortSignal: signal });
      return { location, size: ContentLength, version: ETag, sha256: Metadata?.[sha256Name] ?? null };
    } catch (error) {
      if (statusOf(error) === 404) return null;
      throw error;
    }
  });
}

async function* listObjects(requests: S3Requests, pattern: Location): AsyncGenerator<ObjectFacts> {
  const { bucket, key } = parseS3(pattern);
  const isGlob = isDynamicPattern(key);
  const prefix = isGlob ? (/^[^*?[\]{}()!+@\\]*/.exec(key)?.[0] ?? '') : key.replace(/([^/])$/, '$1/');
  const matches = isGlob ? picomatch(key) : null;
  let ContinuationToken: string | undefined;
  do {
    const page = await requests.run(pattern, (client, { signal }) => {
      const command = new ListObjectsV2Command({ Bucket: bucket, Prefix: prefix, ContinuationToken });
      return client.send(command, { abortSignal: signal });
    });
    for (const { Key = '', Size = 0, ETag = '' } of page.Contents ?? []) {
      // A key that ends with a slash is what consoles make for an empty folder.
      if (Key.endsWith('/') || (matches === null && /(^|\/)\./.test(Key.slice(prefix.length)))) continue;
      if (matches?.(Key) === false) continue;
      yield { location: `s3://${bucket}/${Key}`, size: Size, version: ETag, sha256: null };
    }
    ContinuationToken = page.NextContinuationToken;
  } while (ContinuationToken !== undefined);
}
