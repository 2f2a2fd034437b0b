import {
  AbortMultipartUploadCommand,
  type CompletedPart,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  HeadObjectCommand,
  PutObjectCommand,
  UploadPartCommand,
} from '@aws-sdk/client-s3';
import PQueue from 'p-queue';
import { StorageError } from './errors.ts';
import { type Location, parseS3 } from './locations.ts';
import { type S3Requests, statusOf } from './s3-requests.ts';
import type { ObjectWriter, WriteOptions } from './storage.ts';

/** Parts that are sent at a time. */
const partsAtOnce = 4;
/** A store takes 10,000 parts at the most: they grow, so that an object of 8 MiB parts may have 500 GB. */
const partsOfOneSize = 2000;

/** The name under which an object's sha256 is kept among its metadata. */
export const sha256Name = 'sha256';

/** Writes an object in one request: it is there whole, or not at all. */
export async function putObject(
  requests: S3Requests,
  location: Location,
  bytes: Uint8Array,
  options: WriteOptions = {},
): Promise<void> {
  const to = targetOf(location);
  const command = { ...to, Body: bytes, Metadata: metadataOf(options) };
  await requests.run(
    location,
    (client, { signal }) => client.send(new PutObjectCommand(command), { abortSignal: signal }),
    bytes.length,
  );
}

/**
 * Writes an object in parts, which become one with the last request: before that there is nothing to be seen. An
 * object of one part is written in one request.
 */
export function createObjectWriter(
  requests: S3Requests,
  location: Location,
  firstPartBytes: number,
  options: WriteOptions = {},
): ObjectWriter {
  const to = targetOf(location);
  const queue = new PQueue({ concurrency: partsAtOnce });
  const parts: CompletedPart[] = [];
  let upload: string | null = null;
  let begun = 0;
  let pending = new Uint8Array(firstPartBytes);
  let held = 0;
  let written = 0;
  let failure: unknown = null;

  const sendPart = async (body: Uint8Array) => {
    upload ??= await beginUpload(requests, location, options);
    const PartNumber = ++begun;
    const UploadId = upload;
    // Memory is bounded by what is in flight.
    await queue.onSizeLessThan(1);
    if (failure !== null) throw failure;
    queue
      .add(async () => {
        const command = { ...to, UploadId, PartNumber, Body: body };
        const { ETag } = await requests.run(
          `${location}, part ${PartNumber}`,
          (client, { signal }) => client.send(new UploadPartCommand(command), { abortSignal: signal }),
          body.length,
        );
        parts[PartNumber - 1] = { ETag, PartNumber };
      })
      .catch((error) => {
        failure ??= error;
      });
  };
  const abort = async () => {
    queue.clear();
    await queue.onIdle();
    if (upload === null) return;
    const UploadId = upload;
    upload = null;
    // What can't be taken back costs its parts, which a lifecycle rule of the bucket clears away.
    await requests
      .run(location, (client, { signal }) =>
        client.send(new AbortMultipartUploadCommand({ ...to, UploadId }), { abortSignal: signal }),
      )
      .catch(() => {});
  };
  return {
    async write(bytes) {
      if (failure !== null) throw failure;
      for (let at = 0; at < bytes.length; ) {
        const taken = Math.min(pending.length - held, bytes.length - at);
        pending.set(bytes.subarray(at, at + taken), held);
        held += taken;
        at += taken;
        if (held < pending.length) continue;
        await sendPart(pending);
        pending = new Uint8Array(firstPartBytes * 2 ** Math.floor(begun / partsOfOneSize));
        held = 0;
      }
      written += bytes.length;
    },
    async close() {
      if (begun === 0) return putObject(requests, location, pending.subarray(0, held), options);
      if (held > 0) await sendPart(pending.subarray(0, held));
      await queue.onIdle();
      if (failure !== null) throw failure;
      await completeUpload(requests, location, String(upload), parts, written);
      upload = null;
    },
    abort,
  };
}

function targetOf(location: Location) {
  const { bucket, key } = parseS3(location);
  if (key === '') throw new StorageError('failed', `${location}: an object needs a key`);
  return { Bucket: bucket, Key: key };
}

const metadataOf = ({ sha256 }: WriteOptions): Record<string, string> =>
  sha256 === undefined ? {} : { [sha256Name]: sha256 };

async function beginUpload(requests: S3Requests, location: Location, options: WriteOptions): Promise<string> {
  const { UploadId } = await requests.run(location, (client, { signal }) =>
    client.send(new CreateMultipartUploadCommand({ ...targetOf(location), Metadata: metadataOf(options) }), {
      abortSignal: signal,
    }),
  );
  if (UploadId === undefined) throw new StorageError('failed', `${location}: the store began no upload`);
  return UploadId;
}

async function completeUpload(
  requests: S3Requests,
  location: Location,
  UploadId: string,
  Parts: readonly CompletedPart[],
  bytes: number,
): Promise<void> {
  const to = targetOf(location);
  let attempts = 0;
  await requests.run(location, async (client, { signal }) => {
    attempts += 1;
    try {
      const command = new CompleteMultipartUploadCommand({
        ...to,
        UploadId,
        MultipartUpload: { Parts: [...Parts] },
      });
      await client.send(command, { abortSignal: signal });
    } catch (error) {
      // An answer that was lost: the upload is gone because it became the object.
      if (attempts === 1 || statusOf(error) !== 404) throw error;
      const { ContentLength } = await client.send(new HeadObjectCommand(to), { abortSignal: signal });
      if (ContentLength !== bytes) throw error;
    }
  });
}
